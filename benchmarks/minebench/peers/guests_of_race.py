"""The peers' packages, let in where their installers expect what a race on a CPU has not.

Ultralytics asks at import for torchvision's version, and its suppression is its own where torchvision is not loaded.
trtutils asks for TensorRT, which its letterbox for CPUs does without.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any


def ultralytics() -> Any:
    """Its LetterBox and non_max_suppression."""
    told = importlib.metadata.version
    importlib.metadata.version = lambda name: (  # what goes with torch 2.13
        "0.28.0" if name == "torchvision" else told(name))  # type: ignore[assignment]
    try:
        augment = importlib.import_module("ultralytics.data.augment")
        nms = importlib.import_module("ultralytics.utils.nms")
    finally:
        importlib.metadata.version = told
    return SimpleNamespace(LetterBox=augment.LetterBox, non_max_suppression=nms.non_max_suppression)


def trtutils_preprocess() -> Callable[..., tuple[Any, ...]]:
    """`preprocess` of its YOLO on the CPU: its modules are loaded without what their packages load besides."""
    found = importlib.util.find_spec("trtutils")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("trtutils")
    root = Path(found.origin).parent
    for package in ("trtutils", "trtutils.impls", "trtutils.impls.yolo"):
        bare = ModuleType(package)
        bare.__path__ = [str(root.joinpath(*package.split(".")[1:]))]
        sys.modules[package] = bare
    for name, content in (("trtutils._log", {"LOG": logging.getLogger("trtutils")}),
                          ("trtutils._jit", {"register_jit": lambda **_: lambda function: function}),
                          ("trtutils.impls.common", {"decode_efficient_nms": None, "postprocess_efficient_nms": None})):
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(content)
    preprocess: Callable[..., tuple[Any, ...]] = importlib.import_module("trtutils.impls.yolo._process").preprocess
    return preprocess
