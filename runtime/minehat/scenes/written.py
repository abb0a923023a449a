"""Scenes as files: a film with its truth beside it, or a Pascal VOC folder of pictures."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MineHatError
from ..files import write_whole, written_whole
from ..pictures import write_picture
from ..progress import bar
from ..video_writer import VideoWriter
from .films import film, picture
from .stage import SceneFrame

CLASSES = ("helmet", "head")


def write_film(path: str | os.PathLike[str], seed: int, seconds: float, width: int = 1280, height: int = 720,
               fps: float = 12.5, people: int | None = None) -> None:
    """Write an mp4 and, at `path` + ".json", what is in each frame: boxes, labels, identities, seconds.

    people: as for `film`. Raises MineHatError for odd sides or another suffix, and where the film cannot
    be written whole; then nothing is.
    """
    if Path(path).suffix.lower() != ".mp4":
        raise MineHatError(f"{os.fspath(path)}: a film's name must end in .mp4.")
    if width % 2 or height % 2:
        raise MineHatError(f"A film of {width}x{height} cannot be coded: both sides must be even.")
    count = max(1, round(seconds * fps))
    frames: list[dict[str, Any]] = []
    with written_whole(f"{os.fspath(path)}.json") as truth, written_whole(path) as scratch:
        with VideoWriter(scratch, width, height, fps) as video:
            for scene in bar(film(seed, count, width, height, fps, people), total=count, label="film"):
                video.add(scene.frame)
                frames.append(_told(len(frames), scene))
        truth.write_text(json.dumps({
            "film": Path(path).name, "seed": seed, "width": width, "height": height, "fps": fps,
            "classes": list(CLASSES), "frames": frames}) + "\n", encoding="utf-8")


def write_pictures(folder: str | os.PathLike[str], count: int, seed: int = 0, split: str = "val",
                   width: int = 1280, height: int = 720) -> None:
    """Write `count` pictures, of the seeds from `seed` on, as a split that `minehat.labels.read_split` reads.

    Corners of boxes are rounded outwards to whole pixels. The list of the split is written last.
    """
    folder = Path(folder)
    stems = [f"scene_{number:06d}" for number in range(seed, seed + count)]
    for number, stem in enumerate(bar(stems, label="pictures"), seed):
        scene = picture(number, width, height)
        write_picture(folder / "JPEGImages" / f"{stem}.jpg", scene.frame)
        write_whole(folder / "Annotations" / f"{stem}.xml", _annotation(stem, scene))
    write_whole(folder / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{stem}\n" for stem in stems))


def _told(index: int, scene: SceneFrame) -> dict[str, Any]:
    heads = [{"box": [round(float(side), 2) for side in box], "label": CLASSES[label], "identity": int(identity)}
             for box, label, identity in zip(scene.boxes, scene.labels, scene.identities, strict=True)]
    return {"frame": index, "seconds": round(scene.seconds, 4), "heads": heads}


def _annotation(stem: str, scene: SceneFrame) -> bytes:
    height, width = scene.frame.shape[:2]
    root = ElementTree.Element("annotation")
    _leaf(root, "filename", f"{stem}.jpg")
    size = ElementTree.SubElement(root, "size")
    for key, value in (("width", width), ("height", height), ("depth", 3)):
        _leaf(size, key, value)
    for box, label in zip(scene.boxes, scene.labels, strict=True):
        thing = ElementTree.SubElement(root, "object")
        _leaf(thing, "name", CLASSES[label])
        _leaf(thing, "difficult", 0)
        corners = ElementTree.SubElement(thing, "bndbox")
        x0, y0 = np.floor(box[:2]).astype(int) + 1  # VOC counts pixels from 1
        x1, y1 = np.ceil(box[2:]).astype(int)
        for key, value in (("xmin", x0), ("ymin", y0), ("xmax", x1), ("ymax", y1)):
            _leaf(corners, key, value)
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8")
    return written


def _leaf(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = str(value)
