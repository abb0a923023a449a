"""Logging in and out, and the audit, which admins read."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..events.reading import Reader
from .alarms import Alarms
from .board import Board
from .entrance import too_soon
from .ledger import Ledger
from .logins import Logins, TooSoon, address_of_client
from .people import needs, person_of
from .posts import BadPost, form_of
from .printer import Printer, set_session
from .sessions import COOKIE, Sessions

A_PAGE = 100  # rows


class Account:
    """Their routes."""

    def __init__(self, board: Board, store: Reader, printer: Printer, alarms: Alarms, sessions: Sessions,
                 logins: Logins, ledger: Ledger) -> None:
        self._board, self._store, self._printer, self._alarms = board, store, printer, alarms
        self._sessions, self._logins, self._ledger = sessions, logins, ledger

    def routes(self) -> list[Route]:
        """/login, /logout and /audit."""
        return [Route("/login", self.login, methods=["GET"]), Route("/login", self.enter, methods=["POST"]),
                Route("/logout", needs("viewer", self.leave), methods=["POST"]),
                Route("/audit", needs("admin", self.audit))]

    async def login(self, request: Request) -> Response:
        """The form, where there is anybody to log in."""
        if not self._board.setup.users:
            return RedirectResponse("/", 303)
        return self._printer.page(request, "login.html", fault="", next=_back(request.query_params.get("next", "")))

    async def enter(self, request: Request) -> Response:
        """The form, filled in."""
        try:
            form = form_of(request, await request.body(), self._sessions)
            user = await self._logins.tried(form.get("name", "")[:64], form.get("password", ""),
                                            address_of_client(request))
        except BadPost as exc:
            return self._printer.refused(request, exc.status, str(exc))
        except TooSoon as exc:
            return too_soon(request, exc)
        back = _back(form.get("next", ""))
        if user is None:
            fault = self._printer.words(request)["login_wrong"]
            return self._printer.page(request, "login.html", 401, fault=fault, next=back)
        await run_in_threadpool(self._noted, "login", user.name, address_of_client(request))
        answer = RedirectResponse(back, 303)
        set_session(request, answer, self._sessions.opened(user)[1])
        return answer

    async def leave(self, request: Request) -> Response:
        """The session is over, for copies of its cookie too."""
        try:
            form_of(request, await request.body(), self._sessions)
        except BadPost as exc:
            return self._printer.refused(request, exc.status, str(exc))
        person = person_of(request)
        if request.state.session is not None:
            await run_in_threadpool(self._sessions.end, request.state.session)
        await run_in_threadpool(self._noted, "logout", person.name if person else "", address_of_client(request))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def audit(self, request: Request) -> Response:
        """Who did what, newest first."""
        before = request.query_params.get("before", "")
        number = int(before) if before.isdecimal() and len(before) < 16 else None
        rows = await run_in_threadpool(self._store.audits, None, A_PAGE + 1, number)
        older = rows[A_PAGE - 1].number if len(rows) > A_PAGE else None
        return self._printer.page(request, "audit.html", rows=rows[:A_PAGE], older=older,
                                  alarms=await self._alarms.now())

    def _noted(self, action: str, who: str, address: str) -> None:
        """Logging in goes on when the disk takes nothing: somebody has to look at it."""
        with suppress(sqlite3.Error):
            self._ledger.wrote(action, who, f"from {address}")


def _back(path: str) -> str:
    """Where to go after logging in: a path of this page, and of no other."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and path.isascii()
    return path if safe and not path.startswith("/login") else "/"
