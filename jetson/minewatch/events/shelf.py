"""Snapshots and clips: written, found again after a crash, thinned out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ..clock import Clock
from ..config.schema import KeepPart
from .event import Kept
from .files import Snapshot, days, finish_clip, kind_of, numbered, ready_day, relative, write_snapshot
from .opening import database
from .records import Media, media_path
from .retention import remove, thin_media, thin_rows
from .store import Store

log = logging.getLogger(__name__)

THIN_SECONDS = 5.0
ROWS_SECONDS = 3600.0
CLIP_SECONDS = 600.0  # after which nobody will tell of a clip any more
STRAY_DAYS = 30.0  # that a picture is kept whose event is lost


class Shelf:
    """What lies below media/. Methods raise sqlite3.Error, OSError or MineHatError where the disk refuses."""

    def __init__(self, folder: Path, keep: KeepPart, clock: Clock, suspect: Callable[[], bool]) -> None:
        self._folder, self._clock, self._suspect = folder, clock, suspect
        self.keep = keep
        self.bytes = 0
        self.refused = 0
        self.text = ""  # why the last picture could not be kept
        self._clips: dict[int, float] = {}  # number of the event -> monotonic time at which it is given up
        self._tidying: Iterator[None] = iter(())
        self._thin_due = self._rows_due = clock.monotonic()

    def begin(self, store: Store) -> None:
        """Look at what an earlier run left; `tend` tidies it up piece by piece."""
        self.bytes = store.media_bytes()
        self._tidying = self._tidied(store, store.highest())

    def tend(self, store: Store) -> None:
        """A bounded piece of work."""
        next(self._tidying, None)
        now = self._clock.monotonic()
        for seq in [seq for seq, until in self._clips.items() if until <= now]:
            self._settle_clip(store, seq)
        if now >= self._thin_due:
            self._thin_due = now + THIN_SECONDS
            self.bytes -= thin_media(self._folder, store, self.keep, self.bytes)
        if now >= self._rows_due and not self._suspect():
            self._rows_due = now + ROWS_SECONDS
            if thin_rows(self._folder, store, self.keep, self._clock.wall()):
                self.bytes = store.media_bytes()

    def ready(self, kept: Kept) -> None:
        """Make the folder for what comes of this event."""
        ready_day(self._folder / media_path(kept, "snapshot"))

    def put(self, store: Store, kept: Kept, snapshot: Snapshot) -> None:
        """Draw and write a snapshot. Where that fails its row says so."""
        path = media_path(kept, "snapshot")
        try:
            size = write_snapshot(self._folder / path, snapshot)
        except BaseException:
            self.refuse(store, kept)
            raise
        store.set_media(Media(kept.seq, "snapshot", "kept", path, size))
        self.bytes += size
        self.text = ""

    def refuse(self, store: Store, kept: Kept) -> None:
        """A snapshot that will not come."""
        self.refused += 1
        store.set_media(Media(kept.seq, "snapshot", "refused", None))

    def expect(self, store: Store, kept: Kept) -> None:
        """A clip is being written."""
        self._clips[kept.seq] = self._clock.monotonic() + CLIP_SECONDS
        store.set_media(Media(kept.seq, "clip", "coming", media_path(kept, "clip")))

    def came(self, store: Store, seq: int, told: int, fault: str) -> None:
        """A clip is whole, or will not grow any more. told: bytes, by its writer."""
        self._settle_clip(store, seq)
        found = next((media.bytes for media in store.media_of(seq) if media.kind == "clip"), 0)
        if fault:
            log.warning("clip of event %d: %s; %d bytes of it are kept", seq, fault, found)
        elif found != told:
            log.warning("clip of event %d: %d bytes are kept of %d that were written", seq, found, told)

    def _settle_clip(self, store: Store, seq: int) -> None:
        self._clips.pop(seq, None)
        for media in store.media_of(seq):
            if media.kind == "clip" and media.state == "coming":
                self._settle(store, media)

    def _settle(self, store: Store, media: Media) -> None:
        """What is there of a medium that was coming is kept; there may be nothing."""
        path = self._folder / str(media.path)
        size = finish_clip(path) if media.kind == "clip" else path.stat().st_size if path.exists() else 0
        if size:
            store.set_media(replace(media, state="kept", bytes=size))
            self.bytes += size
        else:
            self.refused += 1
            store.set_media(replace(media, state="refused", path=None))

    def _tidied(self, store: Store, highest: int) -> Iterator[None]:
        """What was coming when the last run ended, then one day's folder after another."""
        for scratch in (database(self._folder).with_name(".events.db.tmp"), self._folder / "backups" / ".events.tmp"):
            scratch.unlink(missing_ok=True)
        for media in store.media_in("coming"):
            if media.seq <= highest and media.seq not in self._clips:
                self._settle(store, media)
        yield
        for day in days(self._folder):
            for seq, path in numbered(day):
                if seq <= highest and seq not in self._clips:
                    self._place(store, seq, path)
            yield

    def _place(self, store: Store, seq: int, path: Path) -> None:
        """Whole files without a row get one, where their event is there; half-written ones go."""
        kind = kind_of(path)
        state = next((media.state for media in store.media_of(seq) if media.kind == kind), None)
        if state == "kept":
            return
        if kind is None or state == "gone":
            path.unlink(missing_ok=True)
        elif store.event(seq) is not None:
            size = path.stat().st_size
            store.set_media(Media(seq, kind, "kept", relative(self._folder, path), size))
            self.bytes += size
        elif not self._suspect() and self._clock.wall() - path.stat().st_mtime > STRAY_DAYS * 86400:
            remove(self._folder, Media(seq, kind, "gone", relative(self._folder, path)))
