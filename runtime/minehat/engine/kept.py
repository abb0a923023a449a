"""Engines kept between builds, found again by all that they were made of: the same build twice costs nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import MineHatError
from ..files import cache_folder, sha256_of, written_whole
from ..progress import say
from .card import EngineCard, card_beside, read_engine_card

SCHEMA = 1  # raise it when the same facts make another engine
MOST_BYTES = 2 << 30  # of all engines kept; the ones not used for longest go


def key_of(facts: Mapping[str, Any]) -> str:
    """The name of an engine that is made of these facts (JSON): what is parsed, the library, the GPU, the options."""
    return hashlib.sha256(json.dumps({"schema": SCHEMA, **facts}, sort_keys=True).encode()).hexdigest()


def kept_engine(key: str) -> tuple[Path, EngineCard] | None:
    """The engine that was kept under `key`, whole, or None. A damaged one is removed."""
    path = _place(key)
    if not path.is_file():
        return None
    try:
        card = read_engine_card(path)
        if card.engine_bytes == path.stat().st_size and card.engine_sha256 == sha256_of(path):
            os.utime(path)
            return path, card
    except (MineHatError, OSError):
        pass
    _remove(path)
    return None


def keep(key: str, engine: Path, card: EngineCard) -> None:
    """Keep an engine of ours. Where that cannot be, it is told: the engine itself is written already."""
    path = _place(key)
    try:
        with written_whole(card_beside(path)) as beside, written_whole(path) as scratch:
            place(engine, scratch)
            beside.write_text(card.to_json(), encoding="utf-8")
        _clear(path.parent)
    except (MineHatError, OSError) as exc:
        say(f"the engine is not kept for the next time: {exc}")


def place(engine: Path, scratch: Path) -> None:
    """Put an engine's content where `scratch` is, without a second copy where both lie on one disk."""
    scratch.unlink()
    try:
        os.link(engine, scratch)
    except OSError:
        shutil.copyfile(engine, scratch)


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
