"""The interface for programs: JSON over HTTP. What is true of it is written in openapi.json beside this file."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..clock import Clock
from ..config.schema import plain
from ..events.event import Kept
from ..events.reading import Reader
from ..events.records import Incident
from .acknowledging import Acknowledger
from .board import Board
from .people import needs, person_of
from .posts import BadPost, told_of
from .refusals import refusal
from .seeking import LARGEST, Asked, BadQuery, asked
from .sessions import Sessions

DESCRIPTION = Path(__file__).with_name("openapi.json")
LONGEST_WAIT = 25.0  # seconds; the proxy before us gives an answer half a minute
LOOK_AGAIN = 2.0  # seconds after which the store is asked again, though the watch has told of nothing


class Api:
    """Its routes."""

    def __init__(self, board: Board, store: Reader, sessions: Sessions, acknowledger: Acknowledger,
                 clock: Clock) -> None:
        self._board, self._store, self._sessions = board, store, sessions
        self._acknowledger, self._clock = acknowledger, clock

    def routes(self) -> list[Route]:
        """All below /api."""
        return [Route("/api/status", needs("viewer", self.status)),
                Route("/api/cameras", needs("viewer", self.cameras)),
                Route("/api/events", needs("viewer", self.events)),
                Route("/api/events/{seq:int}", needs("viewer", self.event)),
                Route("/api/events/{seq:int}/acknowledge", needs("operator", self.acknowledge), methods=["POST"]),
                Route("/api/openapi.json", needs("viewer", self.description))]

    async def status(self, _: Request) -> Response:
        """How the watch stands. `watching` is false whenever that is not known for sure."""
        news = self._board.news
        return JSONResponse({"watching": self._board.watching, "fresh": self._board.fresh is not None,
                             "age_seconds": self._board.age, "status": news.status.to_dict() if news else None})

    async def cameras(self, _: Request) -> Response:
        """Each camera with its zones; its state, where that is fresh."""
        news = self._board.fresh
        known = {one["name"]: one for one in news.status.to_dict()["cameras"]} if news else {}
        return JSONResponse({"cameras": [
            {"name": one.name, "enabled": one.enabled, "zones": [plain(zone) for zone in one.zones],
             "status": known.get(one.name)} for one in self._board.setup.cameras]})

    async def events(self, request: Request) -> Response:
        """Those after a number, in order; with `wait`, as soon as there is one."""
        try:
            wanted = asked(request.query_params)
        except BadQuery as exc:
            return refusal(request, 422, str(exc))
        found = await self._awaited(wanted, request)
        return JSONResponse({"events": [kept.to_dict() for kept in found],
                             "next": found[-1].seq if found else wanted.after})

    async def event(self, request: Request) -> Response:
        """One, with what is known of it by now."""
        seq = request.path_params["seq"]
        told = await run_in_threadpool(self._told, seq) if seq <= LARGEST else None
        return JSONResponse(told) if told else refusal(request, 404, "no event has that number")

    async def acknowledge(self, request: Request) -> Response:
        """Somebody has seen it."""
        seq = request.path_params["seq"]
        try:
            told = told_of(request, await request.body(), self._sessions)
            if not isinstance(told, dict) or not all(isinstance(told.get(key, ""), str) for key in ("name", "remark")):
                raise BadPost(422, 'this wants {"name": "...", "remark": "..."}')
            done = await self._acknowledger.acknowledge(seq, person_of(request), told.get("name", ""),
                                                        told.get("remark", ""))
        except BadPost as exc:
            return refusal(request, exc.status, str(exc))
        if not done:
            return refusal(request, 404, "no incident has that number")
        return JSONResponse(await run_in_threadpool(self._told, seq))

    async def description(self, _: Request) -> Response:
        """This interface, for generators of clients and of tests."""
        return JSONResponse(json.loads(DESCRIPTION.read_text("utf-8")))

    async def _awaited(self, wanted: Asked, request: Request) -> list[Kept]:
        end = self._clock.monotonic() + min(wanted.wait, LONGEST_WAIT)
        while True:
            found = await run_in_threadpool(self._store.after, wanted.after, wanted.limit, wanted.sought)
            left = end - self._clock.monotonic()
            if found or left <= 0 or await request.is_disconnected():
                return found
            await self._newer(min(left, LOOK_AGAIN))

    async def _newer(self, seconds: float) -> None:
        """Until the watch tells of another event than it did, or for so long."""
        end, known = self._clock.monotonic() + seconds, self._newest()
        while self._newest() == known and (left := end - self._clock.monotonic()) > 0:
            await self._board.news_or(left)

    def _newest(self) -> int:
        return self._board.news.status.storage.seq if self._board.news else 0

    def _told(self, seq: int) -> dict[str, object] | None:
        kept = self._store.event(seq)
        if kept is None:
            return None
        incident = self._store.incident(seq) or Incident(kept, None, self._store.media_of(seq), None)
        return incident.to_dict()
