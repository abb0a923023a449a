"""For supervisors: whether the watch lives, whether it watches, and its metrics. Silence is never taken for safety."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .board import Board
from .people import needs

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Answers for programs that look after this one."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def routes(self) -> list[Route]:
        """/healthz, /readyz and /metrics."""
        return [Route("/healthz", self.lives), Route("/readyz", self.watches),
                Route("/metrics", needs("viewer", self.metrics))]

    async def lives(self, _: Request) -> Response:
        """200 while the watch tells how it stands and its detector is no lost cause."""
        news = self._board.fresh
        detector = news.status.detector if news else None
        well = detector is not None and (detector.standing != "degraded" or detector.fallback)
        return JSONResponse({"alive": news is not None, "detector": self._detector()}, 200 if well else 503)

    async def watches(self, _: Request) -> Response:
        """200 only while somebody looks through every camera that is on."""
        return JSONResponse({"watching": self._board.watching}, 200 if self._board.watching else 503)

    async def metrics(self, _: Request) -> Response:
        """As the watch wrote them, while they are fresh."""
        news = self._board.fresh
        if news is None:
            return Response("the watch has not told how it stands\n", 503, media_type="text/plain")
        return Response(news.metrics, headers={"content-type": METRICS_TYPE})

    def _detector(self) -> str:
        news = self._board.fresh
        return "unknown" if news is None else news.status.detector.standing
