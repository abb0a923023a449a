"""The tables of the race: which lanes run in each, ours first. What they run is in `lanes`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "models/helmet-nano/helmet-nano.pt"
ONNX_NMS, BLOB = "NonMaxSuppression in ONNX Runtime", "cv2.dnn.blobFromImage"
COMMON, NAIVE, TRTUTILS = "common code", "naive numpy", "trtutils"
PLANES, TENSORS = "ultralytics LetterBox + transpose", "ultralytics LetterBox + its tensors"
OURS, OURS_OPENVINO, NNCF = "ours INT8", "ours INT8, backend openvino", "OpenVINO INT8 by NNCF"
OURS_DEFAULTS, WIDE, WIDE_DEFAULTS = "ours INT8, defaults", "ours INT8, 416x256", "ours INT8, 416x256, defaults"
GRAFTED = "ours INT8, uint8 input, decode outside"
PLAIN, PLAIN_DEFAULTS = "ONNX Runtime FP32 + common code", "ONNX Runtime FP32, defaults + common code"
ENGINES = (OURS, OURS_OPENVINO, NNCF, "ONNX Runtime FP32", "ONNX Runtime FP32, defaults", "OpenCV DNN FP32",
           "torch eager FP32")
FRAMES = (OURS, OURS_DEFAULTS, GRAFTED, WIDE, WIDE_DEFAULTS, OURS_OPENVINO, PLAIN, PLAIN_DEFAULTS)


@dataclass(frozen=True)
class Table:
    """One race. Lanes run on one thread, but for those called defaults."""

    told: str  # its heading
    lanes: tuple[str, ...]
    turns: int
    compared: bool = False  # whether all lanes shall answer alike


TABLES = {
    "letterbox": Table("Letterbox to 416, CHW float32",
                       ("ours", "plain numpy", COMMON, TRTUTILS, PLANES, TENSORS, BLOB), 40, compared=True),
    "kept": Table("10,647 boxes x 2 classes -> kept, at 20 and 300 candidates",
                  ("ours", NAIVE, "ultralytics", "supervision", ONNX_NMS), 60, compared=True),
    "engines-nano": Table("Engines on nano, as shipped", ENGINES, 30),
    "frames-nano": Table("1080p frame -> boxes on nano, as shipped", FRAMES, 30),
    "engines-full": Table("Engines on full, random weights", ENGINES, 15),
    "frames-full": Table("1080p frame -> boxes on full, random weights", FRAMES, 20),
    "attention": Table("Attention in full, random weights, ONNX Runtime",
                       ("INT8, both", "INT8, none", "FP32, both", "FP32, none"), 20),
}


def model_of(folder: Path, name: str) -> Path:
    """The file NAME of the race: nano.onnx and nano.int8-cpu.onnx are the shipped ones."""
    return SHIPPED.with_name(f"helmet-{name}") if name in ("nano.onnx", "nano.int8-cpu.onnx") else folder / name
