"""The page that tells how each part of the watch stands."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .alarms import Alarms
from .board import Board
from .live import tiles_of
from .people import needs
from .printer import Printer


class Condition:
    """Its route."""

    def __init__(self, board: Board, printer: Printer, alarms: Alarms) -> None:
        self._board, self._printer, self._alarms = board, printer, alarms

    def routes(self) -> list[Route]:
        """/health."""
        return [Route("/health", needs("viewer", self.health))]

    async def health(self, request: Request) -> Response:
        """Detector, storage, receivers, cameras, clock."""
        tiles = tiles_of(self._board, self._printer.words(request))
        news = self._board.fresh
        return self._printer.page(request, "health.html", tiles=tiles, status=news.status if news else None,
                                  alarms=await self._alarms.now())
