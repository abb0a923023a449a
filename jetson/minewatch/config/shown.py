"""A configuration as it may be shown, whatever is wrong with it: secrets out, comments too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from minehat.inputs import is_url, without_secrets

from .positions import Node
from .suggest import Loc, is_secret

SOUNDS_SECRET = re.compile(r"(?i)pas|pwd|pw|token|key|secret|auth|hash|sig")
HIDDEN = "***"


def shown(node: Node, loc: Loc = ()) -> Any:
    """As JSON has it."""
    if node.items is None and node.entries is None:
        return HIDDEN if _is_hidden(node, loc) else without_secrets(node.value) if _is_url(node) else node.value
    told = {step: shown(child, (*loc, step)) for step, child in node.children()}
    return list(told.values()) if node.items is not None else told


def words_of(node: Node, loc: Loc = ()) -> Iterator[str]:
    """The secrets themselves, to be taken out of other texts."""
    if node.items is None and node.entries is None and _is_hidden(node, loc):
        yield str(node.value)
    for step, child in node.children():
        yield from words_of(child, (*loc, step))


def _is_hidden(node: Node, loc: Loc) -> bool:
    """Whether it is, or by its key may be, a secret; names of files and variables are none."""
    if node.value is None or isinstance(node.value, bool) or loc[-1:] in (("file",), ("env",)):
        return False
    return is_secret(loc) or any(isinstance(step, str) and SOUNDS_SECRET.search(step) for step in loc)


def _is_url(node: Node) -> bool:
    return isinstance(node.value, str) and is_url(node.value)
