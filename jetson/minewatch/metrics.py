"""What Prometheus reads. Names, units and help texts pass `promtool check metrics`.

Cameras and sinks are labels only while they are configured: what is read from the newest status vanishes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from minehat import __version__
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from .status import BoardStatus, CameraStatus, SinkStatus, Status

AGES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0)  # seconds
BATCHES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
ALARMS = (0.5, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 3.0, 5.0, 10.0)
COMMITS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 5.0)
Row: TypeAlias = "tuple[str, str, Callable[[Any], float | None]]"  # name, help, value or None for none
CAMERA_GAUGES: tuple[Row, ...] = (
    ("live", "1 while the camera's pictures are judged", lambda c: c.standing == "live" and not c.faults),
    ("fps", "Frames a second that arrive", lambda c: c.fps),
    ("looked_fps", "Frames a second that are looked at", lambda c: c.looked),
    ("last_frame_seconds", "Seconds since the newest frame", lambda c: c.last_frame),
    ("tracks", "People who are seen now", lambda c: len(c.tracks)),
    ("open_incidents", "Incidents that are open", lambda c: c.open_incidents))
CAMERA_COUNTERS: tuple[Row, ...] = (
    ("connections", "Times that the camera was opened", lambda c: c.opened),
    ("frames_quarantined", "Damaged frames that were held back", lambda c: c.quarantined),
    ("frames_dropped", "Frames that gave way to newer ones", lambda c: c.dropped))
SINK_GAUGES: tuple[Row, ...] = (
    ("behind", "Events that the receiver has not confirmed", lambda s: s.behind),
    ("well", "1 while the receiver is reached", lambda s: s.standing == "well"))
SINK_COUNTERS: tuple[Row, ...] = (
    ("skipped", "Events that were refused so often that they were passed over", lambda s: s.skipped),)
GAUGES: tuple[Row, ...] = (
    ("watching", "1 while somebody looks through every camera that is on", lambda s: s.watching),
    ("rss_bytes", "Memory of the main process", lambda s: s.rss_bytes),
    ("clock_suspect", "1 while the wall clock is not trusted", lambda s: s.clock_suspect),
    ("start_time_seconds", "When the watch began, since 1970", lambda s: s.started),
    ("config_refused", "1 while the newest configuration was refused", lambda s: bool(s.config_fault)),
    ("detector_ready", "1 while the detector answers", lambda s: s.detector.standing == "ready"),
    ("detector_fallback", "1 while the second-choice model runs", lambda s: s.detector.fallback),
    ("engine_build_share", "Of the engine that is being built, 0 to 1", lambda s: s.engine.share or 0),
    ("engine_taken", "1 where an engine that was built here stood its trial", lambda s: s.engine.standing == "taken"),
    ("looks_share", "1 while no look is spared, 0 where alarms get what they need alone", lambda s: s.board.share),
    ("board_throttled", "1 where the board slowed itself down a moment ago", lambda s: bool(s.board.throttled)),
    ("storage_well", "1 while events and pictures can be kept", lambda s: s.storage.standing == "well"),
    ("storage_media_bytes", "Snapshots and clips", lambda s: s.storage.media_bytes),
    ("storage_quota_bytes", "What snapshots and clips may take", lambda s: s.storage.quota_bytes),
    ("storage_free_bytes", "Free on the disk", lambda s: s.storage.free_bytes),
    ("events_waiting", "Events that are not on disk yet", lambda s: s.storage.waiting),
    ("event_newest_seq", "Number of the newest event", lambda s: s.storage.seq))
COUNTERS: tuple[Row, ...] = (
    ("detector_replaced", "Detector processes that had to be replaced", lambda s: s.detector.replaced),
    ("detector_frames_lost", "Frames that a detector process took and nobody saw", lambda s: s.detector.lost),
    ("storage_media_refused", "Snapshots and clips that could not be kept", lambda s: s.storage.refused_media))


class Metrics:
    """All figures of one watch, in a registry of their own. Used by one thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._status: Status | None = None
        self._age = Histogram("minewatch_result_age_seconds", "From a frame decoded to the frame judged", ["camera"],
                              buckets=AGES, registry=self._registry)
        self._batch = Histogram("minewatch_detector_batch_seconds", "Time that the detector took for one batch",
                                buckets=BATCHES, registry=self._registry)
        self._frames = Counter("minewatch_detector_frames", "Frames that the detector looked at",
                               registry=self._registry)
        self._events = Counter("minewatch_events_committed", "Events that are safely on disk", ["kind"],
                               registry=self._registry)
        self._commit = Histogram("minewatch_event_commit_seconds", "From an event decided to its row on disk",
                                 buckets=COMMITS, registry=self._registry)
        self._raised = Histogram("minewatch_alarm_seconds", "From the first sight of a person to their alarm on disk",
                                 buckets=ALARMS, registry=self._registry)
        self._cameras: set[str] = set()
        self._registry.register(self)

    def update(self, status: Status) -> None:
        """How all stands now; what is gone from it is gone from the figures."""
        self._status = status
        known = {camera.name for camera in status.cameras}
        for name in self._cameras - known:
            self._age.remove(name)
        self._cameras &= known

    def looked(self, camera: str, age_seconds: float) -> None:
        """A frame was judged, so long after it was decoded."""
        self._cameras.add(camera)
        self._age.labels(camera).observe(max(0.0, age_seconds))

    def batch(self, ms: float, frames: int) -> None:
        """The detector has answered."""
        self._batch.observe(ms / 1000)
        self._frames.inc(frames)

    def committed(self, kind: str, seconds: float) -> None:
        """An event is on disk, so long after it was decided."""
        self._events.labels(kind).inc()
        self._commit.observe(max(0.0, seconds))

    def raised(self, seconds: float) -> None:
        """An alarm is on disk, so long after its person was seen first."""
        self._raised.observe(max(0.0, seconds))

    def text(self) -> bytes:
        """As /metrics gives it."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """For the registry: what the newest status tells."""
        build = GaugeMetricFamily("minewatch_build_info", "What runs", labels=["version", "model", "backend"])
        detector = self._status.detector if self._status else None
        build.add_metric([__version__, detector.model if detector else "", detector.backend if detector else ""], 1)
        yield build
        if self._status is not None:
            yield from _plain(self._status)
            yield from _board(self._status.board)
            yield from _families("camera", self._status.cameras, CAMERA_GAUGES, CAMERA_COUNTERS)
            yield from _families("sink", self._status.sinks, SINK_GAUGES, SINK_COUNTERS)


def _plain(status: Status) -> Iterator[Metric]:
    for name, told, value in GAUGES:
        yield GaugeMetricFamily(f"minewatch_{name}", told, value=value(status))
    for name, told, value in COUNTERS:
        yield CounterMetricFamily(f"minewatch_{name}", told, value=value(status))


def _board(board: BoardStatus) -> Iterator[Metric]:
    heat = GaugeMetricFamily("minewatch_board_celsius", "Temperature of a part", labels=["zone"])
    for zone, celsius in board.celsius.items():
        heat.add_metric([zone], celsius)
    yield heat
    if board.watts is not None:
        yield GaugeMetricFamily("minewatch_board_watts", "What the board takes", value=board.watts)


def _families(label: str, rows: Sequence[CameraStatus | SinkStatus], gauges: tuple[Row, ...],
              counters: tuple[Row, ...]) -> Iterator[Metric]:
    for kind, table in ((GaugeMetricFamily, gauges), (CounterMetricFamily, counters)):
        for name, told, value in table:
            family = kind(f"minewatch_{label}_{name}", told, labels=[label])
            for row in rows:
                found = value(row)
                if found is not None:
                    family.add_metric([row.name], float(found))
            yield family
