"""What a person types for a set of training pictures: `FOLDER[:PREFIX][@SHARE]`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from minehat.errors import MineHatError

MOST_SHARE = 20.0


@dataclass(frozen=True)
class AskedSet:
    """A set of labelled pictures, the part of it that is wanted, and how often."""

    place: Path
    prefix: str = ""  # only pictures whose names begin so
    share: float = 1.0  # how many times an epoch shows each picture on average

    @property
    def told(self) -> str:
        """As it was typed, without the share."""
        return f"{self.place}:{self.prefix}" if self.prefix else str(self.place)


def asked_set(text: str) -> AskedSet:
    """The set that a text tells. A colon or @ that belongs to the name of a folder that is there stays with it.

    Raises MineHatError for a share that is none.
    """
    folder, share = (text, 1.0) if os.path.exists(text) else _folder_and_share(text)
    colons = [place for place, sign in enumerate(folder) if sign == ":"]
    for end in [len(folder), *reversed(colons)]:
        if os.path.exists(folder[:end]):
            return AskedSet(Path(folder[:end]), folder[end + 1:], share)
    return AskedSet(Path(folder), "", share)


def _folder_and_share(text: str) -> tuple[str, float]:
    folder, found, share = text.rpartition("@")
    if not found:
        return text, 1.0
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if not 0 < value <= MOST_SHARE:
        raise MineHatError(f"--data {text}: the share after @ must be over 0 and at most {MOST_SHARE:g}, as in "
                           f"{folder}@0.3 (three pictures in ten an epoch) or {folder}@2 (each twice).")
    return folder, value
