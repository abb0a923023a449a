"""How networks want their pixels: the order of colours, and what is taken off and multiplied, as cards say it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pixels:
    """The network's input is (pixel - mean) * scale, pixels 0..255."""

    channel_order: str
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)


_ONE = (1 / 255, 1 / 255, 1 / 255)
PIXELS = {
    "rgb01": Pixels("RGB", scale=_ONE),
    "bgr01": Pixels("BGR", scale=_ONE),
    "rgb255": Pixels("RGB"),
    "bgr255": Pixels("BGR"),
    "imagenet": Pixels("RGB", (255 * 0.485, 255 * 0.456, 255 * 0.406),  # of 0..1, mean off, over the deviation
                       (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225))),
}
