"""Builders of engines that do as they are told: the file that they are to build from says how, in one word."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from minehat.errors import MineHatError
from minewatch.building import process
from minewatch.building.messages import Begun, Built, Progress, Unbuilt

ENTRY = "stand_in_builder:main"


def main(handle: int) -> None:
    """`never` ends, `dies`, `fails`, `babbles`, `knows` nothing of what it would make. Whatever else the file holds is
    the engine itself: a network for the CPU, which takes the place of one for a GPU here."""
    process.built = built
    process.main(handle)


def built(order, tell):
    folder, made = Path(order.folder), Path(order.folder) / "made.onnx"
    content = Path(order.onnx).read_bytes()
    if content == b"knows":
        raise MineHatError("no library is here to build with. Install one.")
    key = f"key of {len(content)}"
    if order.known and order.known.key == key and made.exists():
        return Built(key, str(made), 0.0)
    folder.mkdir(parents=True, exist_ok=True)
    tell(Begun(key))
    tell(Progress(0.4, 30.0))
    if content == b"babbles":
        tell(None)
    if content == b"dies":
        os.abort()
    if content in (b"never", b"babbles"):
        threading.Event().wait()
    if content == b"fails":
        return Unbuilt(key, "an operation is not known.")
    shutil.copy(order.onnx, made)
    return Built(key, str(made), 12.0)
