"""Engines kept between builds, found again by all that they were made of: the same build twice costs nothing."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import MineHatError
from ..files import cache_folder, written_whole
from ..progress import say
from .card import EngineCard, card_beside, read_engine_card

SCHEMA = 1  # raise it when the same facts make another engine
MOST_BYTES = 2 << 30  # of all engines kept; the ones not used for longest go


def key_of(facts: Mapping[str, Any]) -> str:
    """The name of an engine that is made of these facts (JSON): what is parsed, the library, the GPU, the options."""
    told = {"schema": SCHEMA, "minehat": __version__, "machine": platform.machine(), **facts}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def kept_engine(key: str) -> tuple[bytes, EngineCard] | None:
    """The engine that was kept under `key`, whole, or None. A damaged one is removed."""
    try:
        path = _place(key)
        return _whole(path) if path.is_file() else None
    except (MineHatError, OSError):  # nowhere to keep anything, or not ours to read
        return None


def _whole(path: Path) -> tuple[bytes, EngineCard] | None:
    content = path.read_bytes()
    try:
        card = read_engine_card(path)
        if card.engine_sha256 == hashlib.sha256(content).hexdigest():
            os.utime(path)
            return content, card
    except MineHatError:
        pass
    _remove(path)
    return None


def keep(key: str, engine: bytes, card: EngineCard) -> None:
    """Keep an engine: a copy, for people write over theirs. Where that cannot be, it is told."""
    try:
        path = _place(key)
        write_engine(path, engine, card)
        _clear(path.parent)
    except (MineHatError, OSError) as exc:
        say(f"the engine is not kept for the next time: {exc}")


def write_engine(path: Path, engine: bytes, card: EngineCard) -> None:
    """Write an engine and, last, the card beside it; both whole."""
    with written_whole(card_beside(path)) as beside, written_whole(path) as scratch:
        scratch.write_bytes(engine)
        beside.write_text(card.to_json(), encoding="utf-8")


def _place(key: str) -> Path:
    return cache_folder("engines") / f"{key}.engine"


def _clear(folder: Path) -> None:
    engines = sorted(folder.glob("*.engine"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in engines:
        total += path.stat().st_size
        if total > MOST_BYTES:
            _remove(path)


def _remove(path: Path) -> None:
    card_beside(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
