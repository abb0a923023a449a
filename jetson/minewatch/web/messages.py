"""What the watch and the page's process say to each other, as these classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..config.schema import Config, LogPart, UserPart, WebPart, ZonePart
from ..status import Status


@dataclass(frozen=True)
class Shown:
    """One camera, as far as the page may know it: no address, no password."""

    name: str
    enabled: bool
    zones: tuple[ZonePart, ...]


@dataclass(frozen=True)
class Setup:
    """What the page needs of the configuration."""

    site: str
    state: Path  # folder of events and media, absolute
    config: Path  # the file itself, where drawn zones are written
    web: WebPart
    log: LogPart
    cameras: tuple[Shown, ...]

    @property
    def users(self) -> tuple[UserPart, ...]:
        """Who may log in. Nobody is named: only who sits at the box is let in, and needs no name."""
        return self.web.users

    def camera(self, name: str) -> Shown | None:
        """The camera of this name."""
        return next((one for one in self.cameras if one.name == name), None)


@dataclass(frozen=True)
class News:
    """How the watch stands, and its metrics in Prometheus' text form."""

    status: Status
    metrics: bytes


@dataclass(frozen=True)
class Live:
    """The newest picture of a camera, people drawn in it."""

    camera: str
    jpeg: bytes
    moment: float  # monotonic


@dataclass(frozen=True)
class Listening:
    """The page's process is at work; its address, for people."""

    url: str


@dataclass(frozen=True)
class Viewing:
    """These cameras are being looked at. Said every second: it shows that the process lives, too."""

    cameras: tuple[str, ...]


@dataclass(frozen=True)
class Failed:
    """The page's process cannot begin, and ends: why, one line."""

    text: str


@dataclass(frozen=True)
class Reload:
    """Somebody changed the configuration file through the page: it is to be read again."""


ToPage = Setup | News | Live
FromPage = Listening | Viewing | Failed | Reload
Request = Reload


def setup_of(config: Config, path: Path) -> Setup:
    """What the page may know of a configuration that was read from `path`."""
    cameras = tuple(Shown(one.name, one.enabled, one.zones) for one in config.cameras)
    return Setup(config.site, (path.parent / config.state).absolute(), path.absolute(), config.web, config.log, cameras)
