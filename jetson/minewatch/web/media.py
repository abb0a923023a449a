"""Snapshots and clips. A file is found by its event's number in the store, never by a path that somebody sends."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ..events.reading import Reader
from .people import needs
from .refusals import refusal
from .seeking import LARGEST

FILES = {"snapshot.jpg": ("snapshot", "image/jpeg"), "clip.mp4": ("clip", "video/mp4")}


class MediaFiles:
    """Their route."""

    def __init__(self, store: Reader, folder: Path) -> None:
        """folder: of the watch's state; nothing outside it is ever sent."""
        self._store, self._folder = store, folder

    def routes(self) -> list[Route]:
        """/media/SEQ/snapshot.jpg and clip.mp4."""
        return [Route("/media/{seq:int}/{name}", needs("viewer", self.media))]

    async def media(self, request: Request) -> Response:
        """Whole or in ranges, as players ask for it."""
        seq, name = request.path_params["seq"], request.path_params["name"]
        if name not in FILES or seq > LARGEST:
            return refusal(request, 404, "there is no such file")
        kind, media_type = FILES[name]
        path = await run_in_threadpool(self._path, seq, kind)
        if path is None:
            return refusal(request, 404, "there is no such file")
        return FileResponse(path, media_type=media_type, headers={"cache-control": "private, max-age=3600"})

    def _path(self, seq: int, kind: str) -> Path | None:
        """The file, where it is kept and truly lies in our folder, whatever links are on the way."""
        for one in self._store.media_of(seq):
            if one.kind == kind and one.state == "kept" and one.path:
                path = (self._folder / one.path).resolve()
                inside = path.is_relative_to(self._folder.resolve())
                return path if inside and path.is_file() else None
        return None
