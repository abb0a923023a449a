"""What a mine and its cameras do to a picture: darkness, dust, lamp glare, motion blur, sensor noise, JPEG.

Each effect takes a picture (uint8 [h, w, 3] BGR, never written to), a generator and a strength in 0..1, and gives a
picture of the same shape in which nothing has moved. 0 leaves it as it is; at 1 people can still tell a helmet from
a bare head in nearly all pictures. Light adds up in linear light; a square stands for the camera's tone curve, so
that 255 is a light of 255 * 255. Smooth fields are drawn small and grown: an effect takes about a millisecond of a
core at 416 x 416.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]  # [h, w, 3] BGR
Field = npt.NDArray[np.float32]
Effect = Callable[[Picture, np.random.Generator, float], Picture]

WHITE = 255.0**2  # in linear light
DARK_LEVEL = 0.18  # mean brightness that the strongest darkness leaves, of 1
THICKEST = 1.2  # optical depth of the strongest dust, where the view is deepest
LONGEST_BLUR = 10.0  # pixels; OpenCV filters with kernels over 11 x 11 take 40 times as long
SHOT, READ = 12.0, 300.0  # standard deviations of the strongest noise: shown brightness, linear light
BLOTCHES, COLUMNS = 9.0, 4.0  # likewise, shown brightness
WORST_QUALITY = 12  # of JPEG


def seen_in_mine(picture: Picture, rng: np.random.Generator, most: int, strength: tuple[float, float]) -> Picture:
    """One to `most` of the effects, by chance, of a strength in the range; the weaker, the more come together."""
    chosen = rng.permutation(len(EFFECTS))[:rng.integers(1, most + 1)]
    for number, effect in enumerate(EFFECTS.values()):
        if number in chosen:
            picture = effect(picture, rng, float(rng.uniform(*strength)) / math.sqrt(len(chosen)))
    return picture


def darkness(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Little light, in pools and with dim corners; the camera crushes blacks, and its gain brings noise and pale
    colours. Pictures that are dark already keep most of what they have."""
    x, y, light = *_grid(picture, 8), _light_of(picture)
    exposure = min(1.0, DARK_LEVEL / _level(light)) ** (2 * strength)
    left = 1 / (1 + rng.uniform(0.3, 1.3) * ((x - x.mean()) ** 2 + (y - y.mean()) ** 2)) ** 2
    pools = rng.uniform(0.35, 0.7) + sum(_pool(x, y, rng) for _ in range(int(rng.integers(1, 4))))
    field = (left * np.minimum(pools, 1)) ** strength * exposure
    light = cv2.multiply(light, _grown(np.repeat(field[..., None], 3, axis=2), picture))
    paler = _paler(1 - strength * rng.uniform(0.1, 0.8), black=WHITE * strength * rng.uniform(0, 0.003))
    return _noisy(cv2.transform(light, paler), rng, *(0.4 * strength * most for most in (SHOT, READ, BLOTCHES)))


def dust(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Haze that grows with a depth-like field and is lit by a lamp, and bright specks out of focus around the lamp."""
    x, y, light = *_grid(picture, 8), _light_of(picture)
    lamp = rng.uniform(0, 1, 2) * [x.max(), y.max()]
    far = _pool(x, y, rng, wide=(0.3, 0.7))
    thick = strength * THICKEST * rng.uniform(0.5, 1) * np.maximum(0.35 + 0.65 * far + 0.3 * _cloud(x, y, rng), 0)
    through = np.exp(-thick)[..., None]
    near_lamp = np.exp(-((x - lamp[0]) ** 2 + (y - lamp[1]) ** 2) / rng.uniform(0.02, 0.2))
    bright = WHITE * np.clip(_level(light) ** 2 * rng.uniform(0.8, 2.5), 0.015, 0.4)
    veil = bright * (1 - through) * (1 + rng.uniform(0, 2) * near_lamp[..., None]) * _warm(rng.uniform(0, 0.3))
    veil = _grown(veil, picture[::2, ::2])
    _add_specks(veil, lamp, rng, strength)
    through = _grown(np.repeat(through, 3, axis=2), picture)
    return _shown(cv2.add(cv2.multiply(light, through), _grown(veil, picture)))


def glare(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """A cap lamp that shines into the lens: a burnt-out core with bloom, a halo, streaks, and a veil over all."""
    x, y = _grid(picture, 4)
    across, down = x - rng.uniform(0, x.max()), y - rng.uniform(0, y.max())
    off = np.sqrt(across**2 + down**2)
    core = rng.uniform(0.008, 0.022)
    shine = rng.uniform(2, 8) / (1 + (off / core) ** 3) + rng.uniform(0.1, 0.5) * np.exp(-off / rng.uniform(0.04, 0.12))
    turn, arms, reach = rng.uniform(0, math.pi), int(rng.integers(1, 4)), rng.uniform(0.05, 0.25)
    fading = rng.uniform(0.2, 1.0) * np.exp(-off / reach)
    for angle in turn + np.arange(arms) * math.pi / arms:
        beside = across * math.sin(angle) - down * math.cos(angle)
        shine += fading * np.exp(-(beside / 0.008) ** 2)
    shine += rng.uniform(0, 0.07)
    shine = WHITE * strength * shine[..., None] * _warm(rng.uniform(-0.15, 0.2))
    return _shown(cv2.add(_light_of(picture), _grown(shine, picture)))


def blur(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Motion along a line of any direction, up to LONGEST_BLUR pixels long."""
    reach, turn = int(LONGEST_BLUR / 2), rng.uniform(0, math.pi)
    along = strength * LONGEST_BLUR * np.linspace(-0.5, 0.5, 24)[:, None]
    places = np.arange(-reach, reach + 1)
    across, down = (np.maximum(0, 1 - np.abs(places - along * side)) for side in (math.cos(turn), math.sin(turn)))
    kernel = down.T @ across / len(along)  # the mean of so many points, each spread over the nearest four places
    return np.asarray(cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)


def noise(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Shot and read noise, blotches of colour that a denoiser leaves, and now and then uneven columns."""
    shot, read, blotches = strength * rng.uniform(0.3, 1, 3) * [SHOT, READ, BLOTCHES]
    columns = strength * COLUMNS * rng.uniform(0.3, 1) * (rng.random() < 0.25)
    return _noisy(_light_of(picture), rng, shot, read, blotches, columns)


def jpeg(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Coded at low quality with halved colour, as CCTV does; every second time before that once more, and smaller."""
    if strength <= 0:
        return picture
    height, width = picture.shape[:2]
    if rng.random() < 0.5:
        shrink = 1 - strength * rng.uniform(0.1, 0.45)
        size = max(1, round(width * shrink)), max(1, round(height * shrink))
        smaller = _coded(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), rng, 0.7 * strength)
        picture = np.asarray(cv2.resize(smaller, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return _coded(picture, rng, strength)


# in the order in which light meets them: the gallery, the air, the lens, the shutter, the sensor, the recorder
EFFECTS: dict[str, Effect] = {"darkness": darkness, "dust": dust, "glare": glare, "blur": blur, "noise": noise,
                              "jpeg": jpeg}


def _light_of(picture: Picture) -> Field:
    return np.asarray(cv2.LUT(picture, np.arange(256, dtype=np.float32) ** 2), np.float32)


def _shown(light: Field) -> Picture:
    return np.asarray(cv2.convertScaleAbs(cv2.sqrt(light)), np.uint8)


def _level(light: Field) -> float:
    """Mean brightness as shown, 0..1 and above 0, from a sparse look."""
    return max(math.sqrt(float(light[::7, ::7].mean()) / WHITE), 0.01)


def _grid(picture: Picture, step: int) -> tuple[Field, Field]:
    """Where the cells of a field lie that is `step` times smaller: x [1, columns] and y [rows, 1], in units of the
    picture's longer side."""
    height, width = picture.shape[:2]
    x, y = (((np.arange(-(-side // step)) + 0.5) * step / max(height, width)).astype(np.float32)
            for side in (width, height))
    return x[None], y[:, None]


def _grown(field: npt.NDArray[np.floating], picture: Picture) -> Field:
    """A field [rows, columns, 3] at the picture's size."""
    return np.asarray(cv2.resize(field.astype(np.float32), picture.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def _pool(x: Field, y: Field, rng: np.random.Generator, wide: tuple[float, float] = (0.12, 0.4)) -> Field:
    """A soft round spot of height 1 somewhere on the grid."""
    at, width = rng.uniform(0, 1, 2) * [x.max(), y.max()], rng.uniform(*wide)
    return np.asarray(np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * width**2)), np.float32)


def _cloud(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Billows on the grid, about -2..2."""
    return np.asarray(cv2.resize(rng.standard_normal((4, 4), np.float32), (x.size, y.size),
                                 interpolation=cv2.INTER_CUBIC)).reshape(y.size, x.size)


def _add_specks(veil: Field, lamp: npt.NDArray[np.float64], rng: np.random.Generator, strength: float) -> None:
    """Add grains of dust close to the lens; those nearest to the lamp at x y are the brightest."""
    height, width = veil.shape[:2]
    for away in rng.normal(0, 0.22, (int(strength * rng.integers(0, 40)), 2)):
        disc = _disc(float(max(height, width) * rng.choice([0.006, 0.008, 0.011, 0.015])))
        left, top = ((lamp + away) * max(height, width) - len(disc) / 2).astype(int).tolist()
        if 0 <= left < width - len(disc) and 0 <= top < height - len(disc):
            shine = WHITE * strength * rng.uniform(0.1, 0.6) * math.exp(-float(away @ away) / 0.15)
            veil[top:top + len(disc), left:left + len(disc)] += np.float32(shine) * disc


@lru_cache(maxsize=64)
def _disc(radius: float) -> Field:
    """A round spot of height 1 with a soft rim, float32 [n, n, 1]."""
    reach = math.ceil(radius)
    off = np.hypot(*np.mgrid[-reach:reach + 1, -reach:reach + 1])
    return np.clip(radius + 0.5 - off, 0, 1).astype(np.float32)[..., None]


def _warm(share: float) -> npt.NDArray[np.float64]:
    """BGR of white light, warm over 0 and cold below."""
    return np.array([1 - share, 1 - 0.4 * share, 1.0])


def _paler(saturation: float, black: float) -> npt.NDArray[np.float32]:
    """[3, 4] that fades BGR columns (with a 1 below) and takes the light of `black` from them."""
    faded = saturation * np.eye(3) + (1 - saturation) * np.array([0.11, 0.59, 0.30])
    return np.asarray(np.column_stack([faded, np.full(3, -black)]), np.float32)


def _noisy(light: Field, rng: np.random.Generator, shot: float, read: float, blotches: float,
           columns: float = 0.0) -> Picture:
    """Read noise is added to the light; shot noise to its root, in which it is the same for dark and bright."""
    height, width = light.shape[:2]
    light = cv2.scaleAdd(_grain(height, width, rng), read, light)
    shown = cv2.scaleAdd(_grain(height, width, rng), shot, np.sqrt(np.maximum(light, 0)))
    coarse = rng.standard_normal((-(-height // 12), -(-width // 12), 3), np.float32)
    coarse -= coarse.mean(axis=2, keepdims=True)
    if columns:
        shown += columns * rng.standard_normal((1, width, 1), np.float32)
    return np.asarray(cv2.add(shown, _grown(blotches * coarse, light), dtype=cv2.CV_8U), np.uint8)


def _grain(height: int, width: int, rng: np.random.Generator) -> Field:
    """A random window of a tile of noise: drawing new noise for each picture would take six milliseconds."""
    tile = _tile(128 * (max(height, width) // 128 + 2))
    top, left = rng.integers(0, [len(tile) - height + 1, len(tile) - width + 1])
    return tile[top:top + height, left:left + width]


@lru_cache(maxsize=8)
def _tile(side: int) -> Field:
    """Noise of standard deviation 1, float32 [side, side, 3], a little soft and partly alike in the three colours, as
    it is after a camera has made colours of its mosaic."""
    rng = np.random.default_rng(side)
    grain = rng.standard_normal((side, side, 3), np.float32) + rng.standard_normal((side, side, 1), np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), 0.55)
    return np.asarray(soft / soft.std(), np.float32)


def _coded(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    quality = round(75 - strength * rng.uniform(0.6, 1.0) * (75 - WORST_QUALITY))
    written = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                                             cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420])[1]
    return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), np.uint8)
