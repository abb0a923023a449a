"""OpenCV, invited when a scene is drawn."""

from __future__ import annotations

from typing import Any

from ..errors import missing


def opencv() -> Any:
    """The cv2 module. Raises MineHatError where it is absent."""
    try:
        import cv2
    except ModuleNotFoundError as exc:
        raise missing("OpenCV", "draw mine scenes", "`pip install 'minehat[cpu]'`.") from exc
    return cv2
