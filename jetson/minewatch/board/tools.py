"""A Jetson's own commands of power: nvpmodel picks a mode, jetson_clocks pins clocks at the mode's highest.

Unverified on a board: what they print, and that they ask, is as owners of boards published it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minehat.errors import MineHatError
from minehat.telemetry.sysfs import text

from ..config.rules import close_to

SECONDS = 60.0  # that a command may take
PLACES = os.pathsep.join(("/usr/sbin", "/usr/bin"))  # where they lie, should PATH not say
WANTS_RESTART = "reboot required"
AS_ROOT = "Only root may: put sudo before it."


@dataclass(frozen=True)
class Mode:
    """A power mode, as /etc/nvpmodel.conf numbers and names it."""

    number: int
    name: str


def modes_of(root: Path) -> tuple[Mode, ...]:
    """All modes of this board; none where it is no Jetson. root: the folder that stands for `/`."""
    found = re.findall(r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", text(root / "etc/nvpmodel.conf") or "", re.M)
    return tuple(Mode(int(number), name) for number, name in found)


def mode_named(modes: tuple[Mode, ...], wanted: str) -> Mode:
    """The mode of a name or number. Raises MineHatError where there is none."""
    for mode in modes:
        if wanted.casefold() == mode.name.casefold() or wanted == str(mode.number):
            return mode
    raise MineHatError(f"found mode {wanted!r}; wanted one of {', '.join(mode.name for mode in modes)}"
                       f"{close_to(wanted, [mode.name for mode in modes])}.")


class PowerTools:
    """Runs them. Each call raises MineHatError where the command is absent, refuses or hangs."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.modes = modes_of(root)
        if not self.modes:
            raise MineHatError("found no power modes in /etc/nvpmodel.conf; wanted a Jetson, other machines have none.")

    def mode(self) -> Mode:
        """The one that holds now."""
        said = _run("nvpmodel", "-q")
        number = re.search(r"^\s*(\d+)\s*$", said, re.M)
        found = next((mode for mode in self.modes if number and mode.number == int(number[1])), None)
        if found is None:
            raise MineHatError(f"nvpmodel -q said {_short(said)!r}; wanted the number of a mode.")
        return found

    def set_mode(self, mode: Mode) -> None:
        """Change it now. One that needs a restart is refused: a box that watches is not restarted from here."""
        said = _run("nvpmodel", "-m", str(mode.number), stdin="no\n", refusals=True)
        if WANTS_RESTART in said.casefold():
            raise MineHatError(f"{mode.name} wants a restart of the box, which was not done. When it suits, type "
                               f"`sudo nvpmodel -m {mode.number}` and answer yes.")
        if self.mode() != mode:
            raise MineHatError(f"the mode is {self.mode().name} still; nvpmodel said: {_short(said)}. {AS_ROOT}")

    def store_clocks(self, file: Path) -> None:
        """Write how the clocks are set now."""
        file.unlink(missing_ok=True)  # it would ask whether to write over it
        _run("jetson_clocks", "--store", str(file))
        if not file.is_file():
            raise MineHatError(f"jetson_clocks --store wrote no {file}. {AS_ROOT}")

    def pin_clocks(self) -> None:
        """All at the highest that the mode allows."""
        _run("jetson_clocks")

    def restore_clocks(self, file: Path) -> None:
        """As `store_clocks` found them."""
        _run("jetson_clocks", "--restore", str(file))


def _run(name: str, *arguments: str, stdin: str = "", refusals: bool = False) -> str:
    """What it printed. refusals: it may fail, the caller reads why."""
    program = shutil.which(name) or shutil.which(name, path=PLACES)
    if program is None:
        raise MineHatError(f"found no {name}; wanted the one that comes with JetPack.")
    try:
        done = subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, errors="replace",
                              timeout=SECONDS, check=False, env=_plain(os.environ))
    except subprocess.TimeoutExpired as exc:
        raise MineHatError(f"{name} did not end within {SECONDS:.0f} s. Try `{name} {' '.join(arguments)}`.") from exc
    said = f"{done.stdout}\n{done.stderr}"
    if done.returncode and not refusals:
        raise MineHatError(f"`{' '.join([name, *arguments])}` failed: {_short(said)}. {AS_ROOT}")
    return said


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    return {**environ, "LC_ALL": "C"}


def _short(said: str) -> str:
    return " ".join(said.split())[:300] or "nothing"
