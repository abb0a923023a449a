"""ONNX Runtime sessions for calibration and checking: CPU, and no spinning on a shared machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from minehat import guests
from minehat.errors import MineHatError
from onnx import ModelProto, TensorProto


def load_onnxruntime() -> Any:
    """ONNX Runtime, for what a calibration runs."""
    return guests.load_onnxruntime("run the model on the calibration pictures")


def session_options() -> Any:
    """Options with a quiet log and sleeping (not spinning) threads."""
    options = load_onnxruntime().SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def session_of(model: ModelProto | Path | str, options: Any = None) -> Any:
    """A CPU session of a model in memory or in a file."""
    proto = model if isinstance(model, ModelProto) else onnx.load(model)
    options = options or session_options()
    if _rounds_in_halves(proto):  # it would join pairs around a Concat into a kernel that does not take FP16 scales
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return load_onnxruntime().InferenceSession(proto.SerializeToString(), options,
                                                   providers=["CPUExecutionProvider"])
    except Exception as exc:  # its own kinds, one for each status, share no base of their own
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise MineHatError(f"ONNX Runtime cannot load the model ({reason}). "
                           "Give a detector as `export/to_onnx.py` writes it.") from exc


def _rounds_in_halves(model: ModelProto) -> bool:
    """Are there pairs, and FP16 around them?"""
    return (any(node.op_type == "QuantizeLinear" for node in model.graph.node)
            and any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer))


def rounds_halves() -> bool:
    """Does this ONNX Runtime quantize FP16 tensors rightly? Before 1.30 it cut off where it should round."""
    major, minor = (int(part) for part in load_onnxruntime().__version__.split(".")[:2])
    return (major, minor) >= (1, 30)
