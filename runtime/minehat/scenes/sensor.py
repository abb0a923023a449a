"""From light to the frame that a cheap camera gives: noise, soft optics, compression, a caption."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .guests import opencv
from .noise import Array, cloud, stream


@dataclass(frozen=True)
class Sensor:
    """A camera's weaknesses, the same along a film."""

    noise: Array  # [H + 64, W + 64, 3] float32, in steps of 1/255 of the shown brightness
    blur: float  # pixels
    quality: int  # of JPEG
    caption: str  # empty for none
    clock: int  # seconds of the day at which the film begins


def build_sensor(seed: int, width: int, height: int) -> Sensor:
    """A sensor by chance; the same for the same arguments."""
    rng = stream(seed, 4)
    size = height / 720
    blur = float(rng.uniform(0.45, 1.1)) * max(size, 0.5)
    quality = int(rng.integers(55, 92))
    caption = f"CAM {rng.integers(1, 32):02d}  GALLERY {rng.integers(1, 9)}-{rng.integers(10, 60)}"
    clock = int(rng.integers(0, 86400))
    noise = _noise(rng, (height + 64, width + 64), float(rng.choice([1.5, 3.0, 5.5])) * float(rng.uniform(0.7, 1.3)))
    return Sensor(noise, blur, quality, caption if rng.random() < 0.6 else "", clock)


def as_seen(sensor: Sensor, light: Array, seed: int, index: int, seconds: float) -> Array:
    """The frame, uint8 [h, w, 3] BGR, of linear light [h, w, 3] float32, which is used up."""
    cv2 = opencv()
    height, width = light.shape[:2]
    rng = stream(seed, 5, index)
    top, left = (int(shift) for shift in rng.integers(0, 64, 2))
    cv2.max(light, 0, dst=light)
    cv2.sqrt(light, dst=light)
    shown = cv2.GaussianBlur(cv2.convertScaleAbs(light, alpha=255.0), (0, 0), sensor.blur)
    frame = cv2.add(shown, sensor.noise[top:top + height, left:left + width], dtype=cv2.CV_8U)
    if sensor.caption:
        _write_caption(frame, sensor, seconds)
    coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, sensor.quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _noise(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> Array:
    """Grain of brightness, blotches of colour, and faint lines; float32 [h, w, 3]."""
    cv2 = opencv()
    fine = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), 0.6) * np.float32(1.6)
    blotches = [cloud(rng, shape, 7, 3, fade=0.8) for _ in range(3)]
    lines = rng.standard_normal((shape[0], 1), np.float32) * np.float32(0.25)
    noise = np.stack([fine + lines + 0.7 * blotch for blotch in blotches], axis=2)
    return np.asarray(noise * np.float32(strength), np.float32)


def _write_caption(frame: Array, sensor: Sensor, seconds: float) -> None:
    cv2 = opencv()
    height, width = frame.shape[:2]
    size = height / 900
    now = (sensor.clock + int(seconds)) % 86400
    stamp = f"{now // 3600:02d}:{now // 60 % 60:02d}:{now % 60:02d}"
    thick = max(1, round(2 * size))
    for text, x, y in ((stamp, 0.02, 0.06), (sensor.caption, 0.02, 0.965)):
        at = (int(x * width), int(y * height))
        cv2.putText(frame, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), thick + 2, cv2.LINE_AA)
        cv2.putText(frame, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (225, 225, 225), thick, cv2.LINE_AA)
