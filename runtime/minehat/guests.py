"""Heavy libraries that several modules invite, each when it is first needed."""

from __future__ import annotations

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
