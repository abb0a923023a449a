"""The pages of events: the list with its filters, one event with its pictures, its acknowledgement, the list as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from ..events.event import Kept
from ..events.reading import Reader
from ..events.records import Incident
from . import times
from .acknowledging import Acknowledger
from .alarms import Alarms
from .people import needs, person_of
from .posts import BadPost, form_of
from .printer import Printer
from .seeking import KINDS, LARGEST, OPENING, Filter, filter_of
from .sessions import Sessions

A_PAGE = 40  # events
A_PIECE = 500  # rows of CSV
COLUMNS = ("seq", "time", "kind", "camera", "zone", "began", "ended", "count", "score", "loud", "cause", "remark",
           "acknowledged_by", "acknowledged_at", "acknowledged_remark", "id", "incident")
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # what a spreadsheet would reckon with


class Archive:
    """Their routes."""

    def __init__(self, store: Reader, printer: Printer, alarms: Alarms, sessions: Sessions,
                 acknowledger: Acknowledger) -> None:
        self._store, self._printer, self._alarms = store, printer, alarms
        self._sessions, self._acknowledger = sessions, acknowledger

    def routes(self) -> list[Route]:
        """/events, /events.csv, /events/SEQ, and the acknowledgement of one and of those listed."""
        return [Route("/events", needs("viewer", self.events)), Route("/events.csv", needs("viewer", self.table)),
                Route("/events/{seq:int}", needs("viewer", self.event)),
                Route("/events/{seq:int}/acknowledge", needs("operator", self.acknowledge), methods=["POST"]),
                Route("/events/acknowledge", needs("operator", self.acknowledge_listed), methods=["POST"])]

    async def events(self, request: Request) -> Response:
        """The list, newest first."""
        chosen = filter_of(request.query_params)
        found = await run_in_threadpool(self._found, chosen)
        shown = found[:A_PAGE]
        older = shown[-1].began.seq if len(found) > A_PAGE else None
        unseen = [one.began.seq for one in shown if one.began.event.opens and not one.acknowledged]
        return self._printer.page(request, "events.html", chosen=chosen, found=shown, older=older, unseen=unseen,
                                  name=_remembered(request), kinds=KINDS if chosen.show == "all" else OPENING,
                                  alarms=await self._alarms.now())

    async def event(self, request: Request) -> Response:
        """One, with all that is known of it."""
        return await self._shown(request, request.path_params["seq"])

    async def acknowledge(self, request: Request) -> Response:
        """Of the form: somebody has seen it."""
        seq = request.path_params["seq"]
        try:
            form = form_of(request, await request.body(), self._sessions)
            done = await self._acknowledger.acknowledge(seq, person_of(request), form.get("name", ""),
                                                        form.get("remark", ""))
        except BadPost as exc:
            if exc.status == 422:
                return await self._shown(request, seq, 422, self._printer.words(request)["name_wanted"])
            return self._printer.refused(request, exc.status, str(exc))
        if not done:
            return self._printer.refused(request, 404, self._printer.words(request)["no_such_event"])
        return _back(f"/events/{seq}", form.get("name", ""))

    async def acknowledge_listed(self, request: Request) -> Response:
        """Of the form below the list: somebody has seen all that it shows, and nothing that came later."""
        try:
            form = form_of(request, await request.body(), self._sessions)
            for seq in _numbers(form.get("listed", "")):
                await self._acknowledger.acknowledge(seq, person_of(request), form.get("name", ""),
                                                     form.get("remark", ""))
        except BadPost as exc:
            return self._printer.refused(request, exc.status, str(exc))
        return _back("/events", form.get("name", ""))

    async def table(self, request: Request) -> Response:
        """All that the filters let through, as CSV for a spreadsheet."""
        name = "events.csv"
        return StreamingResponse(self._rows(filter_of(request.query_params)), media_type="text/csv; charset=utf-8",
                                 headers={"content-disposition": f'attachment; filename="{name}"'})

    async def _shown(self, request: Request, seq: int, status: int = 200, fault: str = "") -> Response:
        kept = await run_in_threadpool(self._store.event, seq) if seq <= LARGEST else None
        if kept is None:
            return self._printer.refused(request, 404, self._printer.words(request)["no_such_event"])
        incident = await run_in_threadpool(self._incident, kept)
        audits = await run_in_threadpool(self._store.audits, seq)
        return self._printer.page(request, "event.html", status, one=incident, audits=audits, fault=fault,
                                  name=_remembered(request), alarms=await self._alarms.now())

    def _found(self, chosen: Filter) -> list[Incident]:
        if chosen.show == "incidents":
            return self._store.incidents(chosen.sought, chosen.before, A_PAGE + 1)
        return [self._incident(kept) for kept in self._store.latest(A_PAGE + 1, chosen.before, chosen.sought)]

    def _incident(self, kept: Kept) -> Incident:
        """What is known of an event; one that opens nothing never ends."""
        found = self._store.incident(kept.seq) if kept.event.opens else None
        return found or Incident(kept, None, self._store.media_of(kept.seq), None)

    def _rows(self, chosen: Filter) -> Iterator[bytes]:
        yield b"\xef\xbb\xbf" + _line(COLUMNS)  # the mark by which spreadsheets know UTF-8
        before = None
        while found := self._store.latest(A_PIECE, before, chosen.sought):
            kept = [one for one in found if chosen.show == "all" or one.event.opens]
            yield b"".join(_line(_cells(self._incident(one))) for one in kept)
            before = found[-1].seq


def _cells(one: Incident) -> list[Any]:
    event, seen = one.began.event, one.acknowledged
    return [one.began.seq, _iso(event.time), event.kind, event.camera, event.zone, _iso(event.began),
            _iso(one.ended.event.time) if one.ended else "", event.count, f"{event.score:.2f}", int(event.loud),
            event.cause, event.remark, seen.who if seen else "", _iso(seen.time) if seen else "",
            seen.remark if seen else "", event.id, event.incident]


def _iso(seconds: float) -> str:
    return times.local(seconds).isoformat(timespec="seconds")


def _line(cells: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([harmless(cell) for cell in cells])
    return text.getvalue().encode()


def harmless(cell: Any) -> Any:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip().startswith(FORMULAS) else cell


def _numbers(text: str) -> list[int]:
    """Of a list such as `7,9,12`. Raises BadPost for anything else, and for more than a page shows."""
    parts = text.split(",") if text else []
    if len(parts) > A_PAGE or not all(part.isdecimal() and len(part) < 16 for part in parts):
        raise BadPost(422, "this wants the numbers of a page's events")
    return [int(part) for part in parts]


def _back(path: str, name: str) -> Response:
    """To that page, and the name is remembered."""
    answer = RedirectResponse(path, 303)
    if name:
        answer.set_cookie("name", name[:64].encode("unicode_escape").decode("ascii"), 30 * 86400, httponly=True,
                          samesite="strict")
    return answer


def _remembered(request: Request) -> str:
    """The name that this browser gave last."""
    try:
        return request.cookies.get("name", "").encode("ascii").decode("unicode_escape")[:64]
    except (UnicodeError, ValueError):
        return ""
