"""Films made on the spot: small videos of soft random scenes, written with chosen key frames and time stamps."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def scene(seed: int, light: float = 110.0, height: int = 120, width: int = 160) -> np.ndarray:
    """Soft random patches around a mean brightness, uint8 BGR."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((7, 9, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse / coarse.mean() * light, 0, 255).astype(np.uint8)


def film_of(path: Path, frames: Sequence[np.ndarray], times: Sequence[float], keys: int = 8,
            codec: str = "mpeg4", clock: int = 1000) -> Path:
    """Frames at those seconds, every so many-th of them a key frame. clock: ticks a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=clock)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, clock)
        stream.codec_context.gop_size = keys
        stream.options = {"sc_threshold": "1000000000"}  # no key frames but those
        for frame, seconds in zip(frames, times, strict=True):
            shown = av.VideoFrame.from_ndarray(frame, format="bgr24").reformat(format=stream.pix_fmt)
            shown.pts, shown.time_base = round(clock * seconds), Fraction(1, clock)
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))
    return path


def even_film(path: Path, seconds: int, fps: int = 4, keys: int = 8, codec: str = "mpeg4") -> Path:
    """Another scene every second, its frames a little brighter one by one; after twenty the first comes again."""
    frames = [scene(1000 + number // fps % 20, 90 + number % fps, height=48, width=64)
              for number in range(seconds * fps)]
    return film_of(path, frames, [number / fps for number in range(len(frames))], keys, codec, fps)
