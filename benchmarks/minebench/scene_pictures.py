"""Rendered scenes as a Pascal VOC folder, for where no labelled pictures are at hand."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from minehat import scenes
from minehat.files import write_whole
from minehat.pictures import write_picture
from minehat.progress import bar


def write_scenes(folder: Path, count: int, classes: Sequence[str], seed: int, width: int, height: int) -> None:
    """Write JPEGImages, Annotations and ImageSets/Main/val.txt; picture i is of scene `seed` + i."""
    stems = [f"scene_{row:04}" for row in range(count)]
    for row, stem in enumerate(bar(stems, label="scenes")):
        seen = scenes.picture(seed + row, width, height)
        write_picture(folder / "JPEGImages" / f"{stem}.jpg", seen.frame)
        names = [classes[label] for label in seen.labels]
        write_whole(folder / "Annotations" / f"{stem}.xml", _annotation(stem, seen, names))
    write_whole(folder / "ImageSets" / "Main" / "val.txt", "".join(f"{stem}\n" for stem in stems))


def _annotation(stem: str, seen: scenes.SceneFrame, names: Sequence[str]) -> bytes:
    """VOC counts pixels from 1 and names the last one inside."""
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = f"{stem}.jpg"
    height, width = seen.frame.shape[:2]
    _numbers(ElementTree.SubElement(root, "size"), width=width, height=height, depth=3)
    for (x0, y0, x1, y1), name in zip(seen.boxes.round().astype(int).tolist(), names, strict=True):
        node = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(node, "name").text = name
        _numbers(ElementTree.SubElement(node, "bndbox"), xmin=x0 + 1, ymin=y0 + 1, xmax=x1, ymax=y1)
    return bytes(ElementTree.tostring(root))


def _numbers(parent: ElementTree.Element, **numbers: int) -> None:
    for name, number in numbers.items():
        ElementTree.SubElement(parent, name).text = str(number)
