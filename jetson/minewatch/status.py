"""How the watch stands, at one moment, in plain values: for the page, the metrics and the health checks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

CameraStanding = Literal["connecting", "live", "blind", "waiting", "ended", "off"]


@dataclass(frozen=True)
class TrackStatus:
    """A person as the judge sees them now."""

    track: int
    box: tuple[float, float, float, float]  # shares of the frame's sides
    wears: Literal["helmet", "bare", "unknown", "ignored"]
    alarmed: bool  # an incident of theirs is open
    zone: str = ""


@dataclass(frozen=True)
class CameraStatus:
    """One camera."""

    name: str
    standing: CameraStanding  # live only while fresh frames that can be judged are being judged
    cause: str = ""  # why it is not live: refused, auth, stalled, dark, covered, ...
    text: str = ""  # the same for people, one line
    since: float = 0.0  # wall clock, of this standing
    next_try: float | None = None  # seconds until it is opened again
    width: int = 0
    height: int = 0
    fps: float = 0.0  # frames a second that arrive
    looked: float = 0.0  # frames a second that are looked at
    age_ms: float | None = None  # of the newest result, from decoded to judged
    last_frame: float | None = None  # seconds since the newest frame
    last_looked: float | None = None  # seconds since the newest frame that was judged
    opened: int = 0  # connections so far
    quarantined: int = 0
    dropped: int = 0  # frames that gave way to newer ones
    tracks: tuple[TrackStatus, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)  # zone -> people who entered since the day began
    open_incidents: int = 0
    faults: tuple[str, ...] = ()  # of the picture: dark, glare, blurred, covered, frozen, moved


@dataclass(frozen=True)
class DetectorStatus:
    """The detector."""

    standing: Literal["starting", "ready", "replacing", "degraded"]
    model: str = ""
    backend: str = ""
    sha256: str = ""
    text: str = ""
    fallback: bool = False  # the second choice is running
    batch_ms: float | None = None  # of the last batch
    replaced: int = 0  # processes that had to be replaced so far
    trial: str = ""  # of a new model, while it runs
    looking: bool = False  # a process is there that answers, however it stands
    lost: int = 0  # pictures that a process was given, and nobody looked at


@dataclass(frozen=True)
class EngineStatus:
    """The engine that is built beside the watch's work."""

    standing: Literal["off", "building", "waiting", "trial", "taken", "refused"] = "off"  # waiting for its trial
    share: float | None = None  # of the build, 0 to 1
    left: float | None = None  # seconds that it will take yet
    text: str = ""  # one line: why it was refused, or what it waits for


@dataclass(frozen=True)
class StorageStatus:
    """The store and the disk below it."""

    standing: Literal["well", "full", "failing"]
    text: str = ""
    seq: int = 0  # of the newest event
    media_bytes: int = 0
    quota_bytes: int = 0
    free_bytes: int = 0
    refused_media: int = 0  # snapshots and clips that could not be kept
    waiting: int = 0  # events that are not on disk yet
    pictures: str = ""  # why the newest picture could not be kept, though events can


@dataclass(frozen=True)
class SinkStatus:
    """One receiver of events."""

    name: str
    standing: Literal["well", "retrying", "off"]
    behind: int = 0  # events that it has not confirmed
    text: str = ""
    next_try: float | None = None  # seconds
    skipped: int = 0  # events that it refused so often that they were passed over, in this run


@dataclass(frozen=True)
class BoardStatus:
    """Heat and power of the machine, and what the budget makes of them."""

    share: float = 1.0  # of the looks that could be spared, those that are made: 1 all, 0 what alarms need alone
    text: str = ""  # why fewer than all are made
    celsius: dict[str, float] = field(default_factory=dict)  # by zone; empty where the machine does not tell
    watts: float | None = None  # of all of it
    throttled: tuple[str, ...] = ()  # why it slowed itself down a moment ago
    short: tuple[str, ...] = ()  # cameras that get fewer looks than an alarm needs, because of it


@dataclass(frozen=True)
class Status:
    """All of it. `watching` is never true unless somebody looks through every camera that is on."""

    wall: float
    monotonic: float
    version: str
    site: str
    started: float  # wall clock
    watching: bool
    text: str  # one line: why not, or that all is watched
    troubles: tuple[str, ...]  # what is not well although all is watched; only without any is all well
    cameras: tuple[CameraStatus, ...]
    detector: DetectorStatus
    storage: StorageStatus
    sinks: tuple[SinkStatus, ...]
    config_fault: str = ""  # of a reload that was refused
    clock_suspect: bool = False
    rss_bytes: int = 0
    engine: EngineStatus = EngineStatus()
    board: BoardStatus = BoardStatus()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)
