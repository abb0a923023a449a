"""How a request is refused: JSON for programs, a line of plain text for all others. Never a trace, never an echo."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response


def refusal(request: Request, status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """text: one line, nothing in it that the request brought."""
    if request.scope["path"].startswith("/api/"):
        return JSONResponse({"error": text}, status, headers)
    return PlainTextResponse(f"{text}\n", status, headers)
