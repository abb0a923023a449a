"""How it all stands, twice a second: for the page, the metrics, the sinks and systemd; and its own faults told."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from . import outlook
from .board.thrift import Thrift
from .building.smithy import Smithy
from .cameras.picture import Picture
from .clock import Clock
from .config.schema import Config
from .desk import Desk
from .detection.supervisor import Detector
from .events.recorder import Recorder
from .events.wall import Wall
from .faults import Faults
from .metrics import Metrics
from .notify import Notifier
from .posts import Posts
from .resident import resident_bytes
from .sinks.senders import Senders
from .status import BoardStatus, CameraStatus, Status
from .web.server import Page

EVERY = 0.5  # seconds


class Bulletin:
    """Gathers what the parts say of themselves."""

    def __init__(self, config: Config, clock: Clock, posts: Posts, detector: Detector[Picture],
                 smithy: Smithy, recorder: Recorder, senders: Senders, wall: Wall, page: Page) -> None:
        self.config, self.config_fault = config, ""
        self.board = BoardStatus()
        self._clock, self._posts, self._detector, self._recorder = clock, posts, detector, recorder
        self._smithy, self._senders, self._wall, self._page = smithy, senders, wall, page
        self._began, self._due, self._version = clock.wall(), float("-inf"), _version()

    def due(self, now: float) -> bool:
        """Whether it is time again."""
        if now < self._due:
            return False
        self._due = now + EVERY
        return True

    def status(self, now: float) -> Status:
        """All of it, as it is now."""
        cameras = (*(post.status(now) for post in self._posts.values()),
                   *(CameraStatus(part.name, "off") for part in self.config.cameras if not part.enabled))
        detector, storage, sinks = self._detector.status(), self._recorder.status(), self._senders.status()
        engine = self._smithy.status()
        reasons = outlook.unwatched(cameras, detector)
        others = outlook.troubles(detector, engine, storage, sinks, self.config_fault, self._wall.suspect,
                                  self._page.fault)
        others += outlook.strained(self.board)
        text = outlook.said(reasons, others, len(self._posts))
        return Status(self._clock.wall(), now, self._version, self.config.site, self._began, not reasons, text,
                      tuple(others), cameras, detector, storage, sinks, self.config_fault, self._wall.suspect,
                      resident_bytes(), engine, self.board)


def spread(status: Status, page: Page, metrics: Metrics, senders: Senders, notifier: Notifier) -> None:
    """Tell everybody who asks how it stands."""
    metrics.update(status)
    page.publish(status, metrics.text())
    senders.show(status)
    notifier.status(status.text)


def note_looks(status: Status, thrift: Thrift, posts: Posts, desk: Desk, now: float) -> None:
    """The budget of heat and power says how often each camera is looked at. Too seldom for an alarm is a fault."""
    for name, verdicts in thrift.turn(status.cameras, now):
        desk.tell(verdicts, name)
    posts.paces = thrift.paces


def note_storage(status: Status, faults: Faults, desk: Desk, now: float) -> None:
    """Pictures that cannot be kept are a fault. One of the disk as a whole is told by the store itself."""
    if status.storage.pictures:
        desk.tell(faults.began("storage_fault", now, "disk", status.storage.pictures))
    else:
        desk.tell(faults.ended("storage_fault", now, "pictures are kept again"))


def _version() -> str:
    try:
        return version("minehat")
    except PackageNotFoundError:
        return "unknown"
