"""Protobuf's text form, as Triton's config.pbtxt is written: https://protobuf.dev/reference/protobuf/textformat-spec/"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Word(str):
    """A name of an enum, which stands without quotes."""


def text_of(message: Mapping[str, Any], depth: int = 0) -> str:
    """A message: texts are quoted, lists of numbers stand in brackets, of messages one after the other."""
    return "".join(_field(name, value, "  " * depth, depth) for name, value in message.items())


def _field(name: str, value: Any, indent: str, depth: int) -> str:
    if isinstance(value, Mapping):
        return f"{indent}{name} {{\n{text_of(value, depth + 1)}{indent}}}\n"
    if isinstance(value, Sequence) and not isinstance(value, str):
        if value and isinstance(value[0], Mapping):
            return "".join(_field(name, one, indent, depth) for one in value)
        return f"{indent}{name}: [{', '.join(map(_scalar, value))}]\n"
    return f"{indent}{name}: {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not isinstance(value, Word):
        return '"' + "".join(map(_escaped, value.encode())) + '"'
    return str(value)


def _escaped(byte: int) -> str:
    """Octal for what is not printable ASCII."""
    if byte in b'"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
