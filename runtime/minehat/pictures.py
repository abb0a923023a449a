"""Picture files, read as people see them: rotated by EXIF, CMYK and grey as colour, alpha over white."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import MineHatError, missing

ORIENTATION = 0x0112  # EXIF's tag
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


def read_picture(path: str | Path) -> npt.NDArray[np.uint8]:
    """The picture as uint8 [h, w, 3] BGR. Raises MineHatError when it cannot be decoded whole."""
    with _opened(path) as image:
        image.load()
        return _as_seen(image)


def picture_size(path: str | Path) -> tuple[int, int]:
    """Width and height of the picture as `read_picture` gives it, from its header alone: nothing is decoded.

    Raises MineHatError where the header cannot be read; what follows it may still be broken.
    """
    with _opened(path) as image:
        tags = getattr(image, "tag_v2", None)  # TIFF: whether `size` is turned already depends on Pillow's version
        width, height = (int(tags[256]), int(tags[257])) if tags else image.size
        return (height, width) if _lies_on_its_side(image) else (width, height)


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """The picture, not decoded yet. What goes wrong with it inside the block rises as MineHatError."""
    image_module = _load_pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd metadata; errors stay
            with image_module.open(path) as image:
                yield image
    except FileNotFoundError as exc:
        raise MineHatError(f"{path}: no such picture.") from exc
    except image_module.DecompressionBombError as exc:
        most = 2 * image_module.MAX_IMAGE_PIXELS / 1e6
        raise MineHatError(f"{path} is too large: pictures of at most {most:.0f} megapixels are read. Make it "
                           "smaller, or cut it into parts.") from exc
    except Exception as exc:  # Pillow's decoders raise many kinds for broken files
        raise MineHatError(f"{path} cannot be decoded as a picture ({_reason(exc)}).") from exc


def write_picture(path: str | Path, frame: npt.NDArray[np.uint8], quality: int = 90) -> None:
    """Write a uint8 [h, w, 3] BGR frame whole, in the format of the path's suffix."""
    from .files import written_whole
    image = _load_pillow().fromarray(np.ascontiguousarray(frame[..., ::-1]))
    with written_whole(path) as scratch:
        try:
            image.save(scratch, quality=quality)
        except ValueError as exc:
            raise MineHatError(f"{path}: pictures are not written in that format. "
                               "Name it .jpg or .png.") from exc


def _as_seen(image: Any) -> npt.NDArray[np.uint8]:
    upright = _upright(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        upright = _eight_bits(upright)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        white = _load_pillow().new("RGBA", upright.size, (255, 255, 255, 255))
        upright = _load_pillow().alpha_composite(white, upright)
    rgb = np.asarray(upright.convert("RGB"))
    return np.ascontiguousarray(rgb[..., ::-1])


def _upright(image: Any) -> Any:
    """Rotated as its EXIF says; as it is where that cannot be parsed."""
    from PIL import ImageOps
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF raises many kinds, and is no reason to refuse the picture
        return image


def _lies_on_its_side(image: Any) -> bool:
    """Whether EXIF swaps width and height. What stands behind a PNG's pixels is not looked for."""
    try:
        return _load_pillow().Image.getexif(image).get(ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception:  # as in `_upright`
        return False


def _eight_bits(image: Any) -> Any:
    """A 16-bit, 32-bit or float grey picture scaled to 0..255, which Pillow would clip instead.

    32 bits may hold 8 (nothing over 255) or 16 (nothing over 65535); others and floats count up to their maximum.
    """
    grey = np.nan_to_num(np.asarray(image, np.float64))
    top = max(float(grey.max()), 1e-9)
    full = top if image.mode == "F" else 255 if image.mode == "I" and top <= 255 else max(top, 65535)
    return _load_pillow().fromarray(np.clip(grey / full * 255 + 0.5, 0, 255).astype(np.uint8))


def _reason(exc: Exception) -> str:
    text = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
    return "not a picture that is known here" if text.startswith("cannot identify") else text


def _load_pillow() -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError as exc:
        raise missing("Pillow", "read pictures", "`pip install pillow`.") from exc
    return Image
