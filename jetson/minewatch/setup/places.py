"""Where things are on a box, and where they are elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

CONFIGURATIONS, STATES, RELEASE = Path("/etc/minewatch"), Path("/var/lib/minewatch"), Path("/opt/minehat/current")
NAME = "minewatch.yaml"


def usual_config() -> Path:
    """Of a box that was installed; else in the working folder."""
    return CONFIGURATIONS / NAME if CONFIGURATIONS.is_dir() else Path(NAME)


def state_for(folder: Path) -> Path:
    """The folder of events for a configuration in `folder`."""
    return STATES if folder.absolute() == CONFIGURATIONS else folder.absolute() / "state"


def model_folders() -> list[Path]:
    """Where models were shipped to, the likeliest first."""
    release = Path(sys.prefix).resolve().parent
    ours = RELEASE if RELEASE.exists() and RELEASE.resolve() == release else release  # a link that outlives a release
    return [ours / "models", Path(__file__).resolve().parents[3] / "models", Path("models").absolute()]
