"""Pages for people: one HTML file with everything in it, written where Jinja2 is."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import missing
from .guests import load_cv2


def templates(folder: Path, extra: str) -> Any:
    """The Jinja2 environment of the templates in `folder`: what it prints is escaped, what is not there is an error.

    extra: which of our extras brings Jinja2. Long work that ends in a page asks for it first: raises MineHatError
    where it is absent.
    """
    try:
        import jinja2
    except ModuleNotFoundError as exc:
        raise missing("Jinja2", "write the page", f"`pip install 'minehat[{extra}]'`.") from exc
    return jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=True,
                              undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def picture_uri(frame: npt.NDArray[np.uint8], quality: int) -> str:
    """A uint8 [h, w, 3] BGR frame as a WebP that stands inside the page."""
    cv2 = load_cv2("put pictures into the page")
    _, coded = cv2.imencode(".webp", frame, [cv2.IMWRITE_WEBP_QUALITY, quality])
    return webp_uri(coded.tobytes())


def webp_uri(content: bytes) -> str:
    """A WebP file's content as an address that holds it."""
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"
