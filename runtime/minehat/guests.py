"""Heavy libraries that several modules invite, each when it is first needed."""

from __future__ import annotations

import os
from typing import Any

from .errors import missing


def load_cv2(purpose: str) -> Any:
    """OpenCV. Raises MineHatError, telling what it was wanted for, where it is absent."""
    try:
        import cv2
    except ModuleNotFoundError as exc:
        raise missing("OpenCV", purpose, "`pip install opencv-python-headless`, or on a Jetson make the "
                      "venv with --system-site-packages.") from exc
    return cv2


def load_onnx(purpose: str) -> Any:
    """The onnx package. Raises MineHatError, telling what it was wanted for, where it is absent."""
    try:
        import onnx
    except ModuleNotFoundError as exc:
        raise missing("The onnx package", purpose, "`pip install onnx`.") from exc
    return onnx


def load_onnxruntime(purpose: str) -> Any:
    """ONNX Runtime, its telemetry off. Raises MineHatError, telling what it was wanted for, where it is absent.

    From 1.29 on its Linux wheels send what they run, and on what machine, to their maker unless this variable is set
    before the library is loaded (https://github.com/microsoft/onnxruntime/pull/27379).
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ModuleNotFoundError as exc:
        raise missing("ONNX Runtime", purpose, "`pip install 'minehat[cpu]'`.") from exc
    return onnxruntime


def quiet_cv2(purpose: str) -> Any:
    """OpenCV for videos, with its voice and libav's turned off: what fails is said by us, once."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read when the first video is opened
    cv2 = load_cv2(purpose)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
