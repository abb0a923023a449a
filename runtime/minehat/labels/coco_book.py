"""What a COCO file holds, sorted by picture; entries of it that are of no use are told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from .marked import Thing

LISTS = ("images", "annotations", "categories")
Row = Mapping[str, Any]
Id = int | str
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """One picture and what is in it."""

    name: str  # file_name, with / between its parts
    where: str
    size: tuple[Any, Any]  # width and height as they are written; None where they are not
    annotations: list[tuple[Row, str]] = field(default_factory=list)  # each with how a person finds it


@dataclass(frozen=True)
class Book:
    """The pictures of a file and the names of its categories."""

    images: list[Image]
    categories: Mapping[Id, str]

    def things_in(self, image: Image, tell: Tell) -> Iterator[Thing]:
        """The objects of a picture."""
        for row, where in image.annotations:
            box = row.get("bbox")
            if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
                tell(f"{where}: bbox wants four numbers, x y width height, and is {box!r}")
                continue
            x, y, width, height = map(_float, box)
            ignored = any(row.get(key) in (1, "1") for key in ("iscrowd", "ignore"))
            yield Thing(self._name_of(row.get("category_id")), (x, y, x + width, y + height), ignored, f"{where} {box}")

    def _name_of(self, category: Any) -> str:
        """The name of a category, or its number where it has none."""
        return self.categories.get(category, str(category)) if _is_id(category) else str(category)


def book_of(content: Any, tell: Tell) -> Book:
    """The book of a file's content. Raises ValueError where it is no COCO file."""
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in LISTS):
        raise ValueError(f"it must hold lists called {', '.join(LISTS)}")
    images: dict[Id, Image] = {}
    for row, where in _rows(content, "images", tell):
        name, key = row.get("file_name"), row.get("id")
        if not (isinstance(name, str) and name and _is_id(key)):
            tell(f"{where} wants an id and a file_name")
        elif key in images:
            tell(f"{where} has the id {key}, as {images[key].where} has")
        else:
            images[key] = Image(name.replace("\\", "/"), where, (row.get("width"), row.get("height")))
    for row, where in _rows(content, "annotations", tell):
        key = row.get("image_id")
        if _is_id(key) and key in images:
            images[key].annotations.append((row, where))
        else:
            tell(f"{where} is of image {key!r}, which is not there")
    categories = {row["id"]: str(row.get("name", row["id"])).strip()
                  for row, _ in _rows(content, "categories", tell) if _is_id(row.get("id"))}
    return Book(list(images.values()), categories)


def _rows(content: Row, key: str, tell: Tell) -> Iterator[tuple[Row, str]]:
    for number, row in enumerate(content[key]):
        if isinstance(row, dict):
            yield row, f"{key}[{number}]"
        else:
            tell(f"{key}[{number}] holds no names and values")


def _is_id(value: Any) -> TypeGuard[Id]:
    return isinstance(value, int | str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # JSON's whole numbers have no end
        return math.inf
