"""Which topics a broker keeps for us, over runs of the watch: what a camera that is gone left there is taken back.

Without it `online` of a camera that was removed while the watch was down would stand there for ever.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from minehat.errors import MineHatError
from minehat.files import write_whole

log = logging.getLogger(__name__)


class Retained:
    """Names of topics in a file of the state folder. One that cannot be read or written is as none."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "mqtt-topics.json"
        self.topics = _read(self._file)

    def remember(self, topics: Iterable[str]) -> None:
        """Before they are told, and again when some were taken back."""
        if (wanted := frozenset(topics)) == self.topics:
            return
        self.topics = wanted
        try:
            write_whole(self._file, json.dumps(sorted(wanted), ensure_ascii=False))
        except MineHatError as exc:
            log.warning("sink mqtt: %s", exc)


def _read(file: Path) -> frozenset[str]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return frozenset()
    return frozenset(one for one in told if isinstance(one, str)) if isinstance(told, list) else frozenset()
