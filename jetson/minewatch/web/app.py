"""The page's application: every route, and what stands before all of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ..clock import Clock
from ..events.reading import Reader
from .account import Account
from .acknowledging import Acknowledger
from .alarms import Alarms
from .api import Api
from .archive import Archive
from .board import Board
from .condition import Condition
from .entrance import Entrance
from .health import Health
from .ledger import Ledger
from .limits import Limits
from .live import Live
from .logins import Logins
from .media import MediaFiles
from .messages import FromPage
from .printer import Printer
from .sessions import Sessions
from .shelter import Shelter
from .zones import Zones


def page_app(board: Board, store: Reader, say: Callable[[FromPage], None], clock: Clock) -> Starlette:
    """board: what is known of the watch. store: its events. say: tells the watch."""
    folder = board.setup.state
    sessions, ledger, alarms = Sessions(folder, clock), Ledger(store, clock), Alarms(board, store, clock)
    printer, logins = Printer(board, sessions), Logins(board, ledger, clock)
    acknowledger = Acknowledger(store, alarms, clock)
    rooms = (Live(board, store, printer, alarms, clock), Archive(store, printer, alarms, sessions, acknowledger),
             Condition(board, printer, alarms), Account(board, store, printer, alarms, sessions, logins, ledger),
             Zones(board, printer, alarms, sessions, ledger, say), Api(board, store, sessions, acknowledger, clock),
             MediaFiles(store, folder), Health(board))

    def refused(request: Request, exc: Exception) -> Response:
        status = exc.status_code if isinstance(exc, HTTPException) else 503
        text = str(exc.detail) if isinstance(exc, HTTPException) else "the events cannot be read or written now"
        answer = printer.refused(request, status, text)
        answer.headers.update((isinstance(exc, HTTPException) and exc.headers) or {})
        return answer

    return Starlette(
        routes=[*(route for room in rooms for route in room.routes()),
                Mount("/static", StaticFiles(directory=Path(__file__).with_name("static")))],
        middleware=[Middleware(Shelter), Middleware(Limits),
                    Middleware(Entrance, board=board, sessions=sessions, logins=logins, ledger=ledger)],
        exception_handlers={HTTPException: refused, sqlite3.Error: refused})
