"""The parser of boxes, built by its own Makefile, and asked as nvinfer asks it: with arrays for layers."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from minehat import Detections

HERE = Path(__file__).resolve().parent / "handoff"
STRICT = "-O1 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -D_GLIBCXX_ASSERTIONS"
TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int32): 3, np.dtype(np.int64): 4,
         np.dtype(np.bool_): 5}  # NvDsInferDataType
ROOM = 4096


class _Given(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("type", ctypes.c_int), ("sides", ctypes.c_uint * 3),
                ("elements", ctypes.c_uint), ("buffer", ctypes.c_void_p))


@dataclass(frozen=True)
class Parser:
    """What was built, ready to be asked."""

    library: ctypes.CDLL
    harness: ctypes.CDLL

    def __call__(self, layers, thresholds, width=96, height=96, classes=None, hollow="", unknown=""):
        """Layers by name, arrays for one picture -> Detections, or None where it refuses.

        hollow: a layer without a buffer. unknown: one whose size nvinfer does not know.
        """
        held = {name: np.ascontiguousarray(values) for name, values in layers.items()}
        given = (_Given * len(held))(*(_given(name, values, name == hollow, name == unknown)
                                       for name, values in held.items()))
        least = np.asarray(thresholds, np.float32)
        labels, rows = np.zeros(ROOM, np.uint32), np.zeros((ROOM, 5), np.float32)
        count = self.harness.ask(
            ctypes.cast(self.library.NvDsInferParseMineHat, ctypes.c_void_p), given, len(held), width, height,
            len(least) if classes is None else classes, _pointer(least), len(least), ROOM, _pointer(labels),
            _pointer(rows))
        if count < 0:
            return None
        left, top, wide, high, score = rows[:count].T
        return Detections(np.stack([left, top, left + wide, top + high], 1), score, labels[:count].astype(np.int64))


def built(folder: Path) -> Parser:
    """Run `make` in a hand-off, with warnings as errors, against the stand-in for the SDK's header."""
    _run("make", "-C", folder, f"INCLUDES=-I{HERE}", f"CXXFLAGS={STRICT}")
    harness = folder / "harness.so"
    _run("g++", "-std=c++17", *STRICT.split(), "-fPIC", "-shared", f"-I{HERE}", HERE / "harness.cpp", "-o", harness)
    return Parser(ctypes.CDLL(str(folder / "libnvdsparse_minehat.so")), ctypes.CDLL(str(harness)))


def _given(name: str, values: np.ndarray, hollow: bool, unknown: bool) -> _Given:
    sides = values.shape or (1,)  # nvinfer tells of a number for each picture as of a list of one
    return _Given(name.encode(), TYPES[values.dtype], (len(sides), *sides[:2], *(0,) * (2 - len(sides[:2]))),
                  0 if unknown else values.size, None if hollow else values.ctypes.data)


def _pointer(values: np.ndarray) -> ctypes.c_void_p:
    return values.ctypes.data_as(ctypes.c_void_p)


def _run(*words: object) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
