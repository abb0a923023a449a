"""The entrance, which every request passes: whose house was asked for, from where, and who asks."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .board import Board
from .ledger import Ledger
from .logins import Logins, TooSoon, address_of_client
from .people import LOCAL, Person
from .refusals import refusal
from .sessions import COOKIE, Session, Sessions

OURS = ("localhost", "127.0.0.1", "::1")
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via")
OPEN_TO_ALL = ("/healthz", "/readyz")  # they say nothing but yes or no
NOBODY_NAMED = ("this request came through a proxy, and nobody is named who may log in. Name users in the "
                "configuration: web: users: [{name: ..., role: ..., password_hash: of `minewatch hash-password`}]")


class Entrance:
    """Sets `person`, `session` and `ledger` of the request's state; both of the first are None for strangers."""

    def __init__(self, app: ASGIApp, board: Board, sessions: Sessions, logins: Logins, ledger: Ledger) -> None:
        self._app, self._board, self._sessions = app, board, sessions
        self._logins, self._ledger = logins, ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        answer = self._turned_away(request) or await self._let_in(request)
        await (answer or self._app)(scope, receive, send)

    def _turned_away(self, request: Request) -> Response | None:
        """The answer for those who need not be asked for their names."""
        if not is_our_name(request.headers.get("host", ""), self._board.setup.web.hosts):
            return refusal(request, 400, "this page is not called that. Names that a proxy gives it are told in the "
                                         "configuration: web: hosts: [...]")
        forwarded = any(name in request.headers for name in FORWARDED)
        if forwarded and not self._board.setup.users and request.scope["path"] not in OPEN_TO_ALL:
            return refusal(request, 403, NOBODY_NAMED)
        if request.method not in ("GET", "HEAD") and _is_of_another_site(request.headers):
            return refusal(request, 403, "another site sent this")
        return None

    async def _let_in(self, request: Request) -> Response | None:
        """None, and the state knows who asks; or why not."""
        state, users = request.state, self._board.setup.users
        state.ledger = self._ledger
        state.session = await self._session(request)
        state.person = None
        if not users:
            state.person = Person(LOCAL, "admin", "local")
        elif state.session and state.session.user:
            user = next(one for one in users if one.name == state.session.user)
            state.person = Person(user.name, user.role, "session")
        elif "authorization" in request.headers:
            try:
                found = await self._logins.basic(request.headers["authorization"], address_of_client(request))
            except TooSoon as exc:
                return too_soon(request, exc)
            state.person = Person(found.name, found.role, "basic") if found else None
        return None

    async def _session(self, request: Request) -> Session | None:
        cookie, users = request.cookies.get(COOKIE), self._board.setup.users
        session = self._sessions.read(cookie, users) if cookie else None
        if cookie and session is None and users:
            await run_in_threadpool(self._ledger.refused, "session_refused", "", f"from {address_of_client(request)}")
        return session


def too_soon(request: Request, exc: TooSoon) -> Response:
    """The answer to one who guesses."""
    return refusal(request, 429, f"too many wrong passwords; try again in {exc.seconds} s",
                   {"retry-after": str(exc.seconds)})


def is_our_name(host: str, others: tuple[str, ...]) -> bool:
    """Whether a Host header names this page; another name may be one that a stranger's DNS lets point here."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        _ = parts.port  # ValueError where it is none
    except ValueError:
        return False
    plain = not parts.path and not parts.query and not parts.fragment and "@" not in host
    return plain and name in {*OURS, *(one.lower() for one in others)}


def is_genuine(request: Request, sessions: Sessions, token: str) -> bool:
    """Whether our own page, or a program, sent this: no other site can know the token, or send that header unasked."""
    session: Session | None = request.state.session
    if session is not None and sessions.is_token(session, token):
        return True
    person: Person | None = request.state.person
    return "x-minewatch" in request.headers and person is not None and person.how != "session"


def _is_of_another_site(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
