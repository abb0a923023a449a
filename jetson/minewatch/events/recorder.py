"""The recorder: one thread that writes events, then their pictures. Nobody who puts something in ever waits."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread

from ..clock import Clock
from ..config.schema import KeepPart
from ..status import StorageStatus
from .archive import Archive
from .event import Event, Kept
from .files import Snapshot as Snapshot
from .records import media_path
from .store import Store

log = logging.getLogger(__name__)

MOST_EVENTS = 10_000  # that wait in memory while the disk takes none
MOST_PIXELS = 48_000_000  # bytes of frames that wait; further snapshots are refused
BATCH = 200  # events in one transaction
IDLE_SECONDS = 0.5
RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class _Waiting:
    """An event that is not on disk yet."""

    event: Event
    snapshot: Snapshot | None
    refused: bool  # it had a snapshot, that found no room in memory
    moment: float


class Recorder:
    """Events in by `put`, numbered ones out by `committed`. The state folder is this process's alone: see `lock`.

    wakeup: readable when `committed` has something, for the loop's wait. suspect: whether the wall clock is not
    trusted now. Raises MineHatError where the folder cannot be made, or a newer minewatch wrote it; a disk that
    refuses is only told in `status`.
    """

    def __init__(self, folder: Path, keep: KeepPart, clock: Clock,
                 suspect: Callable[[], bool] = lambda: False) -> None:
        self._folder, self._clock = folder, clock
        self._change = Condition()
        self._events: deque[_Waiting] = deque()
        self._jobs: deque[Callable[[Store], None]] = deque()  # snapshots and clips, one after another
        self._pixels = 0
        self._lost = 0
        self._batch = BATCH  # events in the next transaction
        self._told: set[str] = set()  # ids that `unwritten` has told
        self._committed: list[tuple[Kept, float]] = []
        self._stopping = self._ended = False
        self._retry = 0.0
        self._archive = Archive(folder, keep, clock, self.put, suspect)
        store = self._archive.store
        self._open_incidents = store.open_incidents() if store else []
        self._newest_time = store.newest_time() if store else 0.0
        self.wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, event: Event, snapshot: Snapshot | None = None, visible: float | None = None) -> None:
        """Take an event. visible: monotonic time when what it tells of was first to be seen; now, else."""
        size = snapshot.frame.nbytes if snapshot else 0
        with self._change:
            if len(self._events) >= MOST_EVENTS:
                self._lost += 1
                return
            refused = bool(snapshot) and self._pixels > 0 and self._pixels + size > MOST_PIXELS
            if not refused:
                self._pixels += size
            moment = self._clock.monotonic() if visible is None else visible
            self._events.append(_Waiting(event, None if refused else snapshot, refused, moment))
            self._change.notify()

    def committed(self) -> list[tuple[Kept, float]]:
        """What has come to be on disk since the last call, in order, each with the seconds from `visible` to then."""
        with self._change:
            fresh, self._committed = self._committed, []
            if fresh and not self._ended:
                os.eventfd_read(self.wakeup)
        return fresh

    def unwritten(self) -> list[Event]:
        """Events that the disk refuses now, each told once: a siren need not wait for a disk."""
        if not self._archive.stuck:
            return []
        with self._change:
            fresh = [one.event for one in self._events if one.event.id not in self._told]
            self._told.update(event.id for event in fresh)
        return fresh

    def open_incidents(self) -> list[Kept]:
        """Opening events without an end, as they were on disk when the recorder began."""
        return self._open_incidents

    def newest_time(self) -> float:
        """The latest trusted wall-clock time of an event, when the recorder began; 0 where there was none."""
        return self._newest_time

    def clip_path(self, kept: Kept) -> Path | None:
        """Where a clip of the event is to be; None where pictures are refused now.

        Its writer fills a file beside it, named for the same number after a dot, and renames that when it is whole.
        """
        if self._archive.standing.word != "well":
            self._archive.shelf.refused += 1
            return None
        self._add(lambda store: self._archive.shelf.expect(store, kept))
        return self._folder / media_path(kept, "clip")

    def clip_done(self, seq: int, bytes: int, fault: str = "") -> None:
        """A clip is whole, or will not grow any more; what is there is kept. bytes: what its writer told."""
        self._add(lambda store: self._archive.shelf.came(store, seq, bytes, fault))

    def replace(self, keep: KeepPart) -> None:
        """Another configuration holds from now on."""
        self._archive.shelf.keep = keep

    def status(self) -> StorageStatus:
        """How it stands."""
        archive, lost = self._archive, self._lost
        word, text = archive.standing.word, archive.standing.text
        if word == "well" and archive.shelf.text:
            word, text = "failing", archive.shelf.text
        if lost:
            text += f"; {lost} events were lost in this run"
        return StorageStatus(word, text.removeprefix("; "), archive.seq, archive.shelf.bytes,
                             round(archive.shelf.keep.media_gb * 1e9), archive.free_bytes, archive.shelf.refused,
                             len(self._events), archive.shelf.text)

    def stop(self, seconds: float = 5.0) -> bool:
        """Write what waits, and end. False where the disk did not let that happen in time."""
        with self._change:
            self._stopping = True
            self._change.notify()
        self._thread.join(seconds)
        if self._thread.is_alive():
            return False
        if not self._ended:
            self._ended = True
            os.close(self.wakeup)
        return not self._events

    def _add(self, job: Callable[[Store], None]) -> None:
        with self._change:
            self._jobs.append(job)
            self._change.notify()

    def _run(self) -> None:
        while self._wait():
            try:
                self._turn()
            except Exception:  # the thread outlives a fault of ours: nothing would be kept any more
                log.exception("the recorder went wrong")
                self._retry = self._clock.monotonic() + RETRY_SECONDS
        self._archive.close()

    def _wait(self) -> bool:
        """Until there is something to do, or half a second; False when it is time to end."""
        with self._change:
            if self._stopping:
                return bool(self._events or self._jobs) and self._clock.monotonic() >= self._retry
            if not (self._events or self._jobs) or self._clock.monotonic() < self._retry:
                self._change.wait(IDLE_SECONDS)
        return True

    def _turn(self) -> None:
        """All events that wait, then one picture: neither holds up the other for long."""
        if self._clock.monotonic() >= self._retry:
            if self._events:
                self._write_events()
            if self._jobs:
                self._write_one()
        self._archive.tend()

    def _write_events(self) -> None:
        with self._change:
            batch = [self._events[index] for index in range(min(self._batch, len(self._events)))]
        kept = self._commit(batch)
        if kept is None:
            self._retry = self._clock.monotonic() + RETRY_SECONDS
            return
        self._batch = BATCH
        for one in kept:
            if one.event.opens:
                self._archive.guarded(lambda _, one=one: self._archive.shelf.ready(one))  # type: ignore[misc]
        self._publish(batch, kept)

    def _commit(self, batch: list[_Waiting]) -> list[Kept] | None:
        """Raises when one of them can never be written; it is found alone, and passed over."""
        try:
            return self._archive.commit([one.event for one in batch], {one.event.id for one in batch if one.snapshot})
        except Exception:
            self._batch = 1
            if len(batch) == 1:
                with self._change:
                    self._lost += 1
                    self._forget(self._events.popleft())
            raise

    def _forget(self, one: _Waiting) -> None:
        self._pixels -= one.snapshot.frame.nbytes if one.snapshot else 0
        self._told.discard(one.event.id)

    def _publish(self, batch: list[_Waiting], kept: list[Kept]) -> None:
        now = self._clock.monotonic()
        with self._change:
            for one, row in zip(batch, kept, strict=True):
                self._events.popleft()
                self._told.discard(row.event.id)
                self._committed.append((row, now - one.moment))
                if one.snapshot or one.refused:
                    self._jobs.append(self._snapshot_job(row, one.snapshot))
            os.eventfd_write(self.wakeup, 1)

    def _snapshot_job(self, kept: Kept, snapshot: Snapshot | None) -> Callable[[Store], None]:
        def job(store: Store) -> None:
            with self._change:
                self._pixels -= snapshot.frame.nbytes if snapshot else 0
            if snapshot is None or self._archive.standing.word != "well":
                self._archive.shelf.refuse(store, kept)
            else:
                self._archive.shelf.put(store, kept, snapshot)
        return job

    def _write_one(self) -> None:
        if self._archive.store is None:
            self._retry = self._clock.monotonic() + RETRY_SECONDS
            return
        with self._change:
            job = self._jobs.popleft()
        self._archive.guarded(job)
