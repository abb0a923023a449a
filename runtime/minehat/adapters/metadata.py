"""What an exporter wrote into an ONNX file's metadata: names of classes, stride, size, task.

Values are Python literals as text ("{0: 'helmet', 1: 'head'}", "[640, 640]"); they are read as literals, never run.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import MineHatError


@dataclass(frozen=True)
class Metadata:
    """None where the file says nothing."""

    names: tuple[str, ...] | None = None  # of the classes, in the order of the columns
    stride: int | None = None
    size: tuple[int, int] | None = None  # height, width
    task: str | None = None

    @property
    def by_ultralytics(self) -> bool:
        """Whether it is in the manner of Ultralytics' exporters, v5 to v26; YOLOX's and Darknet's write none."""
        return self.names is not None and self.stride is not None


def metadata_from(texts: Mapping[str, str], source: str) -> Metadata:
    """Read what there is. Raises MineHatError for a value that is not what its key says."""
    size = _literal(texts, "imgsz", source)
    stride = _literal(texts, "stride", source)
    size = (size, size) if _is_side(size) else size
    if size is not None and not (isinstance(size, (list, tuple)) and len(size) == 2 and all(map(_is_side, size))):
        raise _senseless("imgsz", size, "two sides", source)
    if stride is not None and not _is_side(stride):
        raise _senseless("stride", stride, "a whole number", source)
    return Metadata(_names(_literal(texts, "names", source), source), stride, tuple(size) if size else None,
                    texts.get("task"))


def _names(found: Any, source: str) -> tuple[str, ...] | None:
    """A list, or a dict from 0 on."""
    if isinstance(found, dict):
        if sorted(found, key=str) != sorted(range(len(found)), key=str):
            raise _senseless("names", found, "numbered from 0 on", source)
        found = [found[row] for row in range(len(found))]
    if found is None:
        return None
    if not isinstance(found, (list, tuple)) or not found:
        raise _senseless("names", found, "a list or a dict of names", source)
    return tuple(str(name) for name in found)


def _literal(texts: Mapping[str, str], key: str, source: str) -> Any:
    if key not in texts:
        return None
    try:
        return ast.literal_eval(texts[key])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as exc:
        raise _senseless(key, texts[key], "a Python literal", source) from exc


def _is_side(value: object) -> bool:
    return type(value) is int and value > 0


def _senseless(key: str, found: object, wanted: str, source: str) -> MineHatError:
    return MineHatError(f"{source}: its metadata's {key} is {str(found)[:60]!r}, wanted {wanted}. Export it again.")
