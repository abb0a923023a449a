"""The page's application: every route, and what stands before all of them."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette

from .board import Board
from .health import Health
from .messages import FromPage


def page_app(board: Board, say: Callable[[FromPage], None]) -> Starlette:
    """board: what is known of the watch. say: tells the watch."""
    return Starlette(routes=[*Health(board).routes()])
