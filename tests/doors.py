"""The rooms' scripts, opened in this process."""

from __future__ import annotations

import importlib.util

from conftest import ROOT
from minehat.doors import run_door


def through(script: str, *arguments: object) -> int:
    """The exit code of `python SCRIPT ARGUMENTS`, such as calib/quantize.py."""
    name = script.rpartition("/")[2].removesuffix(".py")
    spec = importlib.util.spec_from_file_location(f"{name}_door", ROOT / script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return run_door(module.main, [str(argument) for argument in arguments])
