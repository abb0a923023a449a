"""How mode and clocks were before the first change, kept on disk before anything changes, to be put back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.telemetry.sysfs import text

BOOT = Path("/proc/sys/kernel/random/boot_id")
FILE, CLOCKS = "before.json", "clocks.conf"


@dataclass(frozen=True)
class Before:
    """What the first change found."""

    mode: int
    pinned_at: str = ""  # the boot in which clocks were pinned by us, "" while they are not; a restart frees them

    @property
    def pinned(self) -> bool:
        """Whether clocks are pinned by us now."""
        return bool(self.pinned_at) and self.pinned_at == this_boot()


class Memory:
    """In a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.clocks = folder / CLOCKS  # for jetson_clocks
        self._file = folder / FILE

    def read(self) -> Before | None:
        """None where nothing was changed. Raises MineHatError where the file says nothing that we wrote."""
        if not self._file.exists():
            return None
        try:
            told = json.loads(self._file.read_text(encoding="utf-8"))
            return Before(int(told["mode"]), str(told["pinned_at"]))
        except (ValueError, KeyError, TypeError) as exc:
            raise MineHatError(f"{self._file} is damaged: how power was before is not known any more. Remove it, then "
                               "set what you want with --mode.") from exc

    def keep(self, before: Before) -> None:
        """Instead of what was kept."""
        write_whole(self._file, json.dumps(asdict(before)))

    def pinned(self, before: Before, now: bool) -> Before:
        """Note that clocks are pinned now, or are not any more."""
        noted = replace(before, pinned_at=this_boot() if now else "")
        self.keep(noted)
        return noted

    def forget(self) -> None:
        """All is as it was."""
        self._file.unlink(missing_ok=True)
        self.clocks.unlink(missing_ok=True)


def this_boot() -> str:
    """The same until the machine starts again."""
    return text(BOOT) or "unknown"
