"""What is kept how long: media by bytes and by the disk, rows by days. A bounded piece of work at a time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..config.schema import KeepPart
from .disk import used_share
from .records import Media
from .store import Store

MOST_FILES = 20
MOST_ROWS = 500
DAY = 86400.0


def surplus(keep: KeepPart, media_bytes: int) -> int:
    """Bytes of media beyond the quota."""
    return max(0, media_bytes - round(keep.media_gb * 1e9))


def thin_media(folder: Path, store: Store, keep: KeepPart, media_bytes: int) -> int:
    """Delete the oldest media while they are too many, or the disk too full; returns the bytes that went."""
    def enough() -> bool:
        return gone >= surplus(keep, media_bytes) and used_share(folder) <= keep.disk_share
    gone = 0
    for media in () if enough() else store.oldest_media(MOST_FILES):
        drop(folder, store, media)
        gone += media.bytes
        if enough():
            break
    return gone


def drop(folder: Path, store: Store, media: Media) -> None:
    """The row first: a file without a row is swept at the next start, a row without a file would be a lie."""
    store.set_media(replace(media, state="gone", path=None))
    remove(folder, media)


def remove(folder: Path, media: Media) -> None:
    """Delete the file, and its folder with the last one."""
    if media.path is None:
        return
    path = folder / media.path
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()


def thin_rows(folder: Path, store: Store, keep: KeepPart, wall: float) -> int:
    """Delete events that are older than they need be, with their media; returns how many media went."""
    media = store.forget(wall - keep.event_days * DAY, wall, MOST_ROWS)
    for one in media:
        remove(folder, one)
    return len(media)
