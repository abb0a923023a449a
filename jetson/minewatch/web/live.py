"""The live pages: all cameras at once, one camera, and the pictures that both are made of."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..clock import Clock
from ..events.reading import Reader
from ..events.records import Sought
from ..status import CameraStatus
from .alarms import Alarms
from .bar import why_not
from .board import Board
from .messages import Shown
from .people import needs
from .printer import Printer
from .words import Words

LATEST = 8  # events of a camera beside its picture
NEXT_SECONDS = 2.0  # for which a browser may wait for a newer picture


@dataclass(frozen=True)
class Tile:
    """A camera as the page shows it. Without fresh news nothing is known of it."""

    shown: Shown
    status: CameraStatus | None
    fault: str  # why it is not watched; "" where it is

    @property
    def mark(self) -> str:
        """Which of the signs it bears: alarm, live, fault, off."""
        if not self.shown.enabled or (self.status is not None and self.status.standing == "off"):
            return "off"
        if self.fault:
            return "fault"
        return "alarm" if self.status and self.status.open_incidents else "live"

    @property
    def bare(self) -> int:
        """People whose incident is open."""
        return sum(track.alarmed for track in self.status.tracks) if self.status else 0

    @property
    def people(self) -> int:
        """Heads that are being followed."""
        return sum(track.wears != "ignored" for track in self.status.tracks) if self.status else 0


class Live:
    """Their routes."""

    def __init__(self, board: Board, store: Reader, printer: Printer, alarms: Alarms, clock: Clock) -> None:
        self._board, self._store, self._printer = board, store, printer
        self._alarms, self._clock = alarms, clock

    def routes(self) -> list[Route]:
        """/, /camera/NAME and its picture."""
        return [Route("/", needs("viewer", self.mosaic)), Route("/camera/{name}", needs("viewer", self.camera)),
                Route("/camera/{name}/picture.jpg", needs("viewer", self.picture))]

    async def mosaic(self, request: Request) -> Response:
        """All cameras."""
        tiles = tiles_of(self._board, self._printer.words(request))
        return self._printer.page(request, "mosaic.html", tiles=tiles, alarms=await self._alarms.now())

    async def camera(self, request: Request) -> Response:
        """One of them, large."""
        name, words = request.path_params["name"], self._printer.words(request)
        tile = next((one for one in tiles_of(self._board, words) if one.shown.name == name), None)
        if tile is None:
            return self._printer.refused(request, 404, words["no_such_camera"])
        latest = await run_in_threadpool(self._store.incidents, Sought(camera=name), None, LATEST)
        return self._printer.page(request, "camera.html", tile=tile, latest=latest, alarms=await self._alarms.now())

    async def picture(self, request: Request) -> Response:
        """The newest JPEG; with `after` of the one before, a newer one as soon as there is; 204 where there is none."""
        name, known = request.path_params["name"], request.query_params.get("after", "")
        if self._board.setup.camera(name) is None:
            return Response(status_code=404)
        end = self._clock.monotonic() + (NEXT_SECONDS if known else 0.0)
        while True:
            picture = self._board.glance(name)
            if picture is not None and f"{picture.moment:.3f}" != known:
                return Response(picture.jpeg, media_type="image/jpeg", headers={"x-moment": f"{picture.moment:.3f}"})
            if (left := end - self._clock.monotonic()) <= 0:
                return Response(status_code=204)
            await self._board.news_or(left)


def tiles_of(board: Board, words: Words) -> list[Tile]:
    """One for each camera of the configuration, in its order."""
    news = board.fresh
    known = {camera.name: camera for camera in news.status.cameras} if news else {}
    return [_tile(shown, known.get(shown.name), words) for shown in board.setup.cameras]


def _tile(shown: Shown, status: CameraStatus | None, words: Words) -> Tile:
    if status is None:
        return Tile(shown, None, words["nothing_known"])
    return Tile(shown, status, "" if status.standing == "off" else why_not(status, words))
