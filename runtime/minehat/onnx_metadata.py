"""The metadata_props of an ONNX file, read without the onnx package.

An ONNX file is one protobuf message (https://protobuf.dev/programming-guides/encoding/): a run of
(field number, wire type, value). ModelProto keeps its metadata in field 14, each entry a message
of key (1) and value (2); the graph with its weights (field 7) is stepped over, not read.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import MineHatError

CALIBRATION_KEY = "minehat.calibration"  # JSON on how INT8 ranges were found
_GRAPH_FIELD, _METADATA_FIELD = 7, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_metadata(path: str | Path) -> dict[str, str]:
    """Key -> value of the file's metadata. Raises MineHatError when it is not an ONNX file."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            spans = list(fields(content))
            entries = [content[a:b] for number, a, b in spans if number == _METADATA_FIELD]
        if all(number != _GRAPH_FIELD for number, _, _ in spans):
            raise ValueError("no graph")
        return dict(key_and_value(entry) for entry in entries)
    except (ValueError, IndexError, UnicodeDecodeError) as exc:
        raise MineHatError(f"{path} is not an ONNX file, or it is cut short.") from exc
    except OSError as exc:
        raise MineHatError(f"{path} cannot be read: {exc.strerror or exc}.") from exc


def object_under(key: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """The JSON object under a key of a file's metadata; {} where there is none, {"set": ...} around what is none."""
    text = metadata.get(key, "{}")
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    return found if isinstance(found, dict) else {"set": found}


def key_and_value(entry: bytes) -> tuple[str, str]:
    """The two texts of a StringStringEntryProto."""
    parts = {number: entry[a:b].decode() for number, a, b in fields(entry)}
    return parts.get(1, ""), parts.get(2, "")


def fields(content: bytes | mmap.mmap, at: int = 0,
           end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, start, end) of each field's value in the message content[at:end].

    Raises ValueError or IndexError where the message is broken.
    """
    size = len(content) if end is None else end
    while at < size:
        tag, at = _varint(content, at)
        number, wire = tag >> 3, tag & 7
        if wire == _BYTES:
            length, at = _varint(content, at)
        elif wire == _VARINT:
            length = _varint(content, at)[1] - at
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if number == 0 or at + length > size:
            raise ValueError("field runs past the end")
        yield number, at, at + length
        at += length


def varints(content: bytes | mmap.mmap, at: int, end: int) -> Iterator[int]:
    """Yield the numbers in content[at:end] as int64: one, or several that are packed."""
    while at < end:
        value, at = _varint(content, at)
        yield value - (1 << 64) if value >> 63 else value


def _varint(content: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("varint too long")
