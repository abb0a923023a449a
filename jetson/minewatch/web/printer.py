"""Pages as they leave the house: a template, the words of a language, who looks at it, and how the watch stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from . import times
from .bar import bar_of, work_of
from .board import Board
from .people import is_for_programs, person_of
from .refusals import refusal
from .sessions import COOKIE, SHIFT, Sessions
from .words import COOKIE as LANGUAGE
from .words import LANGUAGES, Words, language_of

THEMES = ("dark", "light", "auto")
YEAR = 365 * 86400


class Printer:
    """Renders templates."""

    def __init__(self, board: Board, sessions: Sessions) -> None:
        self._board, self._sessions = board, sessions
        self._sheets = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
                                          autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
                                          lstrip_blocks=True)
        self._sheets.filters["day_and_time"] = times.day_and_time
        self._sheets.filters["time_of_day"] = times.time_of_day
        self._sheets.filters["zone"] = times.zone_of
        self._sheets.filters["path"] = lambda text: quote(text, safe="")
        self._sheets.filters["size"] = size

    def page(self, request: Request, sheet: str, code: int = 200, /, **values: Any) -> Response:
        """The template of that name. Everyone who sees a page has a session: forms need its token."""
        session, cookie = request.state.session, None
        if session is None:
            session, cookie = self._sessions.opened()
        words = self.words(request)
        theme = _chosen(request, "theme", THEMES)
        told = {"t": words, "languages": LANGUAGES, "theme": theme, "setup": self._board.setup,
                "person": person_of(request), "token": self._sessions.token(session), "board": self._board,
                "bar": bar_of(self._board, words), "work": work_of(self._board, words),
                "here": request.scope["path"], "with_": _with(request),
                "span": lambda seconds: times.span(seconds, words)}
        answer = HTMLResponse(self._sheets.get_template(sheet).render(**told, **values), code)
        if cookie:
            set_session(request, answer, cookie)
        for asked, kept in (("lang", LANGUAGE), ("theme", "theme")):
            if asked in request.query_params:
                answer.set_cookie(kept, words.language if asked == "lang" else theme, YEAR, samesite="strict",
                                  secure=is_https(request))
        return answer

    def refused(self, request: Request, status: int, text: str) -> Response:
        """A page that says so, for people; a line for programs."""
        if is_for_programs(request.scope["path"]) or not hasattr(request.state, "session"):
            return refusal(request, status, text)
        return self.page(request, "refused.html", status, status=status, text=text)

    def words(self, request: Request) -> Words:
        """In the language of whoever asks."""
        return Words(language_of(request, self._board.setup.web.language))


def is_https(request: Request) -> bool:
    """Whether the browser speaks TLS to the proxy before us."""
    return request.headers.get("x-forwarded-proto", "").lower() == "https"


def set_session(request: Request, answer: Response, cookie: str) -> None:
    """For as long as a shift, out of reach of scripts and other sites."""
    answer.set_cookie(COOKIE, cookie, int(SHIFT), httponly=True, samesite="strict", secure=is_https(request))


def size(count: float) -> str:
    """Bytes as people say them: 1.5 GB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _chosen(request: Request, name: str, known: tuple[str, ...]) -> str:
    wishes = (request.query_params.get(name), request.cookies.get(name))
    return next((wish for wish in wishes if wish in known), known[0])


def _with(request: Request) -> Any:
    """A function for templates: this address with other values in its query."""
    def changed(**values: Any) -> str:
        query = {**request.query_params, **values}
        return f"{quote(request.scope['path'])}?{urlencode({key: one for key, one in query.items() if one != ''})}"
    return changed
