"""A CUDA driver without a GPU, made by gcc: real calls of real libraries, over memory of the host."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from conftest import ROOT

TESTS = ROOT / "tests"
KERNELS = ROOT / "runtime" / "minehat" / "kernels"


@cache
def stub_folder() -> Path:
    """A folder with libcuda.so.1, to be named by LD_LIBRARY_PATH; made once a test run."""
    folder = Path(mkdtemp(prefix="libcuda-"))
    atexit.register(shutil.rmtree, folder)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", folder / "libcuda.so.1",
                    TESTS / "libcuda_stub.c", "-ldl"], check=True)
    return folder


@cache
def host_kernels() -> Path:
    """The kernels compiled for the host, as a library; that of the test where this is a program that it runs."""
    if "STUB_KERNELS" in os.environ:
        return Path(os.environ["STUB_KERNELS"])
    path = stub_folder() / "kernels.so"
    subprocess.run(["g++", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-std=c++17", "-ffp-contract=off",
                    "-I", TESTS, "-I", KERNELS, "-o", path, *sorted(TESTS.glob("*_host.cpp"))], check=True)
    return path


def stub_environment(**more: str) -> dict[str, str]:
    """This process's environment, with the stub for a driver and our kernels on it."""
    folders = f"{stub_folder()}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
    return {**os.environ, "LD_LIBRARY_PATH": folders, "STUB_KERNELS": str(host_kernels()), **more}


def over_stub(program: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python program in a process of its own; `live()` and `story()` tell what the stub saw."""
    prelude = """
import ctypes, sys
stub = ctypes.CDLL("libcuda.so.1")
stub.stub_story.restype = ctypes.c_char_p
def live():
    kinds = ("device", "host", "stream", "event", "noted", "graph", "module", "context")
    return {kind: stub.stub_live(kind.encode()) for kind in kinds if stub.stub_live(kind.encode())}
def story():
    return stub.stub_story().decode().split()
"""
    return subprocess.run([sys.executable, "-W", "error", "-c", prelude + program, *map(str, arguments)], check=False,
                          capture_output=True, text=True, env=stub_environment(**environment), timeout=120)
