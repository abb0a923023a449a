"""Where things lie on a box; all of it may lie under another root than /."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SERVICE = "minewatch.service"
USER = "minewatch"
COMMANDS = ("minehat", "minewatch")
COMPLETE = "complete"  # written last into a release; without it a folder is none


@dataclass(frozen=True)
class Layout:
    """The places, under `root`."""

    root: Path

    @property
    def live(self) -> bool:
        """Whether this is the system that runs, with users and perhaps systemd, and no folder to look at."""
        return self.root == Path("/")

    @property
    def home(self) -> Path:
        return self.root / "opt/minehat"

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def current(self) -> Path:
        return self.home / "current"

    @property
    def previous(self) -> Path:
        return self.home / "previous"

    @property
    def unsettled(self) -> Path:
        """There from before the links are turned until the watch runs with what they point at."""
        return self.home / "unsettled"

    @property
    def placed(self) -> Path:
        """The list of what was put outside of `home`."""
        return self.home / "placed.json"

    @property
    def settings(self) -> Path:
        return self.root / "etc/minewatch"

    @property
    def config(self) -> Path:
        return self.settings / "minewatch.yaml"

    @property
    def trusted(self) -> Path:
        """The public key that bundles and updates must be signed with."""
        return self.settings / "trusted.pem"

    @property
    def state(self) -> Path:
        return self.root / "var/lib/minewatch"

    @property
    def cache(self) -> Path:
        return self.root / "var/cache/minewatch"

    @property
    def commands(self) -> Path:
        return self.root / "usr/local/bin"

    def complete(self, name: str) -> bool:
        """Whether a release of that name is all there."""
        return (self.releases / name / COMPLETE).is_file()

    def linked(self, link: Path) -> str | None:
        """The name of the complete release that `current` or `previous` points at."""
        try:
            name = Path(os.readlink(link)).name
        except OSError:
            return None
        return name if self.complete(name) else None

    def incomplete(self) -> list[Path]:
        """What attempts that were cut short have left among the releases."""
        return [folder for folder in _inside(self.releases) if not self.complete(folder.name)]

    def superseded(self) -> list[Path]:
        """Releases that neither `current` nor `previous` points at."""
        linked = {self.linked(self.current), self.linked(self.previous)}
        return [folder for folder in _inside(self.releases) if folder.name not in linked]

    def foreign_commands(self) -> list[Path]:
        """Commands of our names that another installation has put there."""
        paths = [self.commands / name for name in COMMANDS]
        return [path for path in paths if os.path.lexists(path) and not self.ours(path)]

    def ours(self, command: Path) -> bool:
        """Whether a link leads into `home`."""
        target = os.path.normpath(command.parent / os.readlink(command)) if command.is_symlink() else ""
        return target.startswith(f"{self.home}/")

    def nearest(self) -> Path:
        """The folder that is there already and in which `home` lies or will lie."""
        return next(folder for folder in (self.home, *self.home.parents) if folder.is_dir())


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
