"""The opset that our tools want: 19 is the first whose Q/DQ pairs take FP16, and TensorRT 10 reads up to 20."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WANTED, LEAST = 19, 11  # LEAST: what the grafts need


def raised(model: Any, onnx: Any, answers_alike: Callable[[Any], bool]) -> tuple[Any, tuple[str, ...]]:
    """The model in opset 19 where it has a lower one and onnx's converter can, and what a person should know.

    answers_alike: whether a model answers as `model` does; a converted one that does not is dropped.
    """
    found = opset_of(model)
    if found >= WANTED:
        return model, ()
    from onnx import version_converter
    try:
        converted = version_converter.convert_version(model, WANTED)
    except Exception as exc:  # C++ errors of many kinds
        return model, (_stays(found, " ".join(str(exc).split())[:120]),)
    if not answers_alike(converted):
        return model, (_stays(found, "what it made answers otherwise"),)
    del converted.metadata_props[:]
    converted.metadata_props.extend(model.metadata_props)
    return converted, (f"its opset was {found} and is {WANTED} now",)


def opset_of(model: Any) -> int:
    """Of ONNX's own operators."""
    return int(next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0))


def _stays(found: int, why: str) -> str:
    return (f"it stays at opset {found}, onnx's converter does not serve ({why}); calib/quantize.py wants {WANTED}: "
            "export it again with that one")
