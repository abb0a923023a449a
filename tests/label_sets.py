"""Small labelled sets that tests write in each form: the same pictures, the same objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("helmet", "head")
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Shot:
    """A picture that is written: grey, brighter from top to bottom."""

    name: str = "a.jpg"
    things: Sequence[tuple[str, Box]] = (("head", (10, 5, 30, 25)),)  # class, x0 y0 x1 y1 from 0
    size: tuple[int, int] = (60, 40)  # width, height

    @property
    def stem(self) -> str:
        return Path(self.name).stem


def write_picture(folder: Path, shot: Shot) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.linspace(0, 255, shot.size[1]).astype(np.uint8)[:, None].repeat(shot.size[0], 1)
    Image.fromarray(rows).save(folder / shot.name, quality=95)


def thing(name: str, x0: float, y0: float, x1: float, y1: float, extra: str = "") -> str:
    """An object of a Pascal VOC annotation, its corners as they are written."""
    return (f"<object><name>{name}</name>{extra}<bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax>"
            f"<ymax>{y1}</ymax></bndbox></object>")


def annotation(shot: Shot, *objects: str) -> str:
    width, height = shot.size
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{''.join(objects)}</annotation>"


def write_voc(folder: Path, *shots: Shot, split: str = "val") -> Path:
    for part in ("Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for shot in shots:
        write_picture(folder / "JPEGImages", shot)
        objects = [thing(name, x0 + 1, y0 + 1, x1, y1) for name, (x0, y0, x1, y1) in shot.things]
        (folder / f"Annotations/{shot.stem}.xml").write_text(annotation(shot, *objects))
    (folder / f"ImageSets/Main/{split}.txt").write_text("".join(f"{shot.stem}\n" for shot in shots))
    return folder


def yolo_line(label: int, box: Box, size: tuple[int, int]) -> str:
    (x0, y0, x1, y1), (width, height) = box, size
    return (f"{label} {(x0 + x1) / 2 / width:.7f} {(y0 + y1) / 2 / height:.7f} "
            f"{(x1 - x0) / width:.7f} {(y1 - y0) / height:.7f}\n")


def write_yolo(folder: Path, *shots: Shot, split: str = "val", nesting: str = "{part}/{split}",
               classes: Sequence[str] = CLASSES, yaml: str | None = None) -> Path:
    """yaml: the text of data.yaml; the names alone where it is None."""
    pictures, labels = (folder / nesting.format(part=part, split=split) for part in ("images", "labels"))
    labels.mkdir(parents=True, exist_ok=True)
    for shot in shots:
        write_picture(pictures, shot)
        (labels / f"{shot.stem}.txt").write_text(
            "".join(yolo_line(list(classes).index(name), box, shot.size) for name, box in shot.things))
    (folder / "data.yaml").write_text(f"names: [{', '.join(classes)}]\n" if yaml is None else yaml)
    return folder


def coco_of(*shots: Shot, classes: Sequence[str] = CLASSES) -> dict:
    """The content of a COCO file. Ids are odd ones, as in the wild."""
    images = [{"id": 7 * row, "file_name": shot.name, "width": shot.size[0], "height": shot.size[1]}
              for row, shot in enumerate(shots)]
    things = [{"id": 100 * row + column, "image_id": 7 * row, "category_id": 3 + list(classes).index(name),
               "bbox": [x0, y0, x1 - x0, y1 - y0], "area": 1, "iscrowd": 0}
              for row, shot in enumerate(shots) for column, (name, (x0, y0, x1, y1)) in enumerate(shot.things)]
    return {"images": images, "annotations": things,
            "categories": [{"id": 3 + row, "name": name} for row, name in enumerate(classes)]}


def write_coco(folder: Path, *shots: Shot, split: str = "val", file: str = "annotations/instances_{split}.json",
               pictures: str = "images/{split}", classes: Sequence[str] = CLASSES) -> Path:
    for shot in shots:
        write_picture(folder / pictures.format(split=split), shot)
    path = folder / file.format(split=split)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(coco_of(*shots, classes=classes)))
    return folder


WRITERS = {"Pascal VOC": write_voc, "YOLO": write_yolo, "COCO": write_coco}
