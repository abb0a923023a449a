"""The first configuration out of a file of answers, by the release that was just installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..errors import Refused
from . import told
from .layout import Layout


def hold_answers(answers: Path) -> None:
    """Raises Refused where there is no such file: better now than when all is installed."""
    try:
        answers.open("rb").close()
    except OSError as exc:
        raise Refused(f"{answers} cannot be read: {exc.strerror}. --answers wants a file, see "
                      "`minewatch setup --help`.") from exc


def configure(layout: Layout, answers: Path) -> None:
    """Have `minewatch setup` write the configuration; one that is there stays. Raises Refused where it does not."""
    if layout.config.exists():
        return told.say(f"{layout.config} is there already and stays as it is")
    command = [layout.commands / "minewatch", "setup", layout.config, "--answers", answers]
    if subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL).returncode:
        raise Refused("the release is installed, but no configuration was written; see above. Mend that, then type: "
                      f"sudo minewatch setup --answers {answers}")
