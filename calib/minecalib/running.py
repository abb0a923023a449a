"""ONNX Runtime sessions for calibration and checking: CPU, and no spinning on a shared machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minehat.errors import MineHatError, missing
from onnx import ModelProto


def load_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as exc:
        raise missing("ONNX Runtime", "run the model on the calibration pictures",
                      "`pip install 'minehat[cpu]'`.") from exc
    return onnxruntime


def session_options() -> Any:
    """Options with a quiet log and sleeping (not spinning) threads."""
    options = load_onnxruntime().SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def session_of(model: ModelProto | Path | str, options: Any = None) -> Any:
    """A CPU session of a model in memory or in a file."""
    content = model.SerializeToString() if isinstance(model, ModelProto) else str(model)
    try:
        return load_onnxruntime().InferenceSession(content, options or session_options(),
                                                   providers=["CPUExecutionProvider"])
    except Exception as exc:  # its own kinds, one for each status, share no base of their own
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise MineHatError(f"ONNX Runtime cannot load the model ({reason}). "
                           "Give a detector as `export/to_onnx.py` writes it.") from exc


def rounds_halves() -> bool:
    """Does this ONNX Runtime quantize FP16 tensors rightly? Before 1.30 it cut off where it should round."""
    major, minor = (int(part) for part in load_onnxruntime().__version__.split(".")[:2])
    return (major, minor) >= (1, 30)
