"""What a person types for sets of training pictures: `FOLDER[:PREFIX][@SHARE]`, and `COUNT[@SHARE]` scenes."""

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
    folder, share = (text, 1.0) if os.path.exists(text) else _share_off(text, "--data")
    colons = [place for place, sign in enumerate(folder) if sign == ":"]
    for end in [len(folder), *reversed(colons)]:
        if os.path.exists(folder[:end]):
            return AskedSet(Path(folder[:end]), folder[end + 1:], share)
    return AskedSet(Path(folder), "", share)


def asked_scenes(text: str | None) -> tuple[int, float]:
    """How many rendered scenes `COUNT[@SHARE]` means, and how often an epoch shows each; 0 for None."""
    if text is None:
        return 0, 1.0
    count, share = _share_off(text, "--scenes")
    if not count.isdecimal() or int(count) < 1:
        raise MineHatError(f"--scenes {text}: give how many, and after @ how often an epoch shows each, as in "
                           "400@0.25.")
    return int(count), share


def _share_off(text: str, flag: str) -> tuple[str, float]:
    rest, found, share = text.rpartition("@")
    if not found:
        return text, 1.0
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if not 0 < value <= MOST_SHARE:
        raise MineHatError(f"{flag} {text}: the share after @ must be over 0 and at most {MOST_SHARE:g}, as in "
                           f"{rest}@0.3 (three pictures in ten an epoch) or {rest}@2 (each twice).")
    return rest, value
