"""What befalls a camera's lens, done to frames: uint8 [h, w, 3] BGR in and out."""

from __future__ import annotations

import cv2
import numpy as np

_random = np.random.default_rng(0)


def thumb(frame):
    """uint8 [90, 160] grey, as a reader makes it."""
    return cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), (160, 90), interpolation=cv2.INTER_AREA)


def noisy(frame, strength=3.0):
    """With a sensor's noise."""
    return np.clip(frame + _random.normal(0, strength, frame.shape), 0, 255).astype(np.uint8)


def blurred(frame, share):
    """Out of focus: Gaussian, of a share of the width."""
    return noisy(cv2.GaussianBlur(frame, (0, 0), share * frame.shape[1]))


def veiled(frame):
    """A film of dust: little contrast is left, and none that is fine."""
    return noisy(cv2.GaussianBlur(frame, (0, 0), 0.006 * frame.shape[1]) * 0.25 + 110)


def hand(frame, share=1.0):
    """A hand, close by and out of focus, over the left part of the lens."""
    height, width = frame.shape[:2]
    down, across = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    skin = (60 + 40 * np.sin(2 * across + 1) + 30 * down)[..., None] * np.array([0.7, 0.8, 1.0])
    return np.where(across[..., None] < share, noisy(skin, 2.0), frame).astype(np.uint8)


def turned(frame, right=0.0, down=0.0, degrees=0.0, zoom=1.0):
    """The camera looks elsewhere: shifted by shares of the width, turned, zoomed."""
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    matrix[:, 2] += right * width, down * width
    return cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


HARMS = {  # name: what is done, and the causes that may be told
    "lights out": (lambda frame: noisy(frame * 0.05), {"dark"}),
    "black": (lambda frame: noisy(frame * 0.0, 2.0), {"dark"}),
    "white": (lambda frame: noisy(frame * 0.0 + 255), {"glare"}),
    "overexposed": (lambda frame: np.clip(frame * 8.0 + 60, 0, 255).astype(np.uint8), {"glare"}),
    "out of focus": (lambda frame: blurred(frame, 0.005), {"blurred", "covered"}),
    "far out of focus": (lambda frame: blurred(frame, 0.012), {"blurred", "covered"}),
    "hand": (hand, {"covered"}),
    "half a hand": (lambda frame: hand(frame, 0.6), {"covered", "moved"}),
    "dust": (veiled, {"blurred", "covered"}),
    "nudged": (lambda frame: turned(frame, right=0.03), {"moved"}),
    "turned away": (lambda frame: turned(frame, right=0.15, down=0.05), {"moved"}),
    "tilted": (lambda frame: turned(frame, degrees=5.0), {"moved"}),
    "zoomed": (lambda frame: turned(frame, zoom=1.25), {"moved"}),
}
HARMLESS = {  # what happens in a gallery, and is no fault
    "half of the light": lambda frame: (frame * 0.5).astype(np.uint8),
    "light on one side": lambda frame: (frame * np.linspace(0.3, 1, frame.shape[1])[:, None]).astype(np.uint8),
    "more light": lambda frame: np.clip(frame * 1.5, 0, 255).astype(np.uint8),
    "more noise": lambda frame: noisy(frame, 8.0),
}
