"""XML of strangers: bounded, without entities, and read by the names of its elements alone."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from xml.sax.saxutils import escape as escaped

MOST_BYTES = 256 * 1024

__all__ = ["MOST_BYTES", "Element", "all_of", "child", "escaped", "read", "text_of"]

Element = ElementTree.Element


def read(content: bytes) -> Element | None:
    """The root; None for what is no XML, too long, or declares things of its own."""
    if len(content) > MOST_BYTES or b"\0" in content or b"<!doctype" in content.lower():
        return None
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None


def all_of(root: Element, name: str) -> Iterator[Element]:
    """All elements of that name, in whatever namespace, however deep."""
    return (each for each in root.iter() if isinstance(each.tag, str) and each.tag.rpartition("}")[2] == name)


def child(root: Element, *names: str) -> Element | None:
    """The first element of the last name, inside the first ones of those before it."""
    found: Element | None = root
    for name in names:
        found = None if found is None else next(all_of(found, name), None)
    return found


def text_of(root: Element, *names: str) -> str:
    """What stands in it; "" where it is not there."""
    found = child(root, *names)
    return (found.text or "").strip() if found is not None else ""
