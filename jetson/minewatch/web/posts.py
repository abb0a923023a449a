"""What browsers and programs send: forms and JSON, believed only when our own page or a program sent them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from .entrance import is_genuine
from .sessions import Sessions

MOST_FIELDS = 20
STALE = "this form is of another session; load the page again"


class BadPost(Exception):
    """Not to be taken: the status and one line, without an echo."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


def form_of(request: Request, body: bytes, sessions: Sessions) -> dict[str, str]:
    """The fields of a form. Raises BadPost where it is none, or none of ours."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise BadPost(415, "this wants a form")
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as exc:
        raise BadPost(400, "this is no form") from exc
    if not is_genuine(request, sessions, fields.get("token", "")):
        raise BadPost(403, STALE)
    return fields


def told_of(request: Request, body: bytes, sessions: Sessions) -> Any:
    """The value of a JSON body. Raises BadPost likewise."""
    if not is_genuine(request, sessions, request.headers.get("x-csrf-token", "")):
        raise BadPost(403, f"{STALE}, or send the header X-Minewatch")
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise BadPost(415, "this wants application/json")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise BadPost(400, "this is no JSON") from exc
