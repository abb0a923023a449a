"""Who asks, and what they may: a viewer looks, an operator acknowledges, an admin changes and reads the audit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Literal
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..config.schema import Role
from .refusals import refusal

Endpoint = Callable[[Request], Awaitable[Response]]
RANK: dict[Role, int] = {"viewer": 0, "operator": 1, "admin": 2}
LOCAL = "local"  # who sits at the box, where nobody is named in the configuration


@dataclass(frozen=True)
class Person:
    """Somebody who was let in."""

    name: str
    role: Role
    how: Literal["local", "session", "basic"]

    def may(self, role: Role) -> bool:
        """Whether they may do what needs that role."""
        return RANK[self.role] >= RANK[role]


def person_of(request: Request) -> Person | None:
    """Who asks; None for strangers."""
    found: Person | None = request.state.person
    return found


def needs(role: Role, endpoint: Endpoint) -> Endpoint:
    """The endpoint, for those who may. Strangers are sent to log in; programs get 401, and the others 403."""
    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        person = person_of(request)
        if person is None:
            return _to_login(request)
        if not person.may(role):
            await run_in_threadpool(request.state.ledger.refused, "forbidden", person.name,
                                    f"{request.method} {request.scope['path']}")
            return refusal(request, 403, f"this needs the role {role}; {person.name} is {person.role}")
        return await endpoint(request)
    return guarded


def is_for_programs(path: str) -> bool:
    """Whether programs ask for it, who want a status rather than a form to fill in."""
    return path.startswith(("/api/", "/media/")) or path in ("/metrics", "/events.csv")


def _to_login(request: Request) -> Response:
    path = request.scope["path"]
    if is_for_programs(path) or request.method not in ("GET", "HEAD") or "x-refresh" in request.headers:
        answer = refusal(request, 401, "log in first")
        if is_for_programs(path):
            answer.headers["www-authenticate"] = 'Basic realm="minewatch", charset="UTF-8"'
        return answer
    query = request.scope["query_string"].decode("latin-1")
    back = quote(path) + (f"?{query}" if query else "")
    return RedirectResponse(f"/login?next={quote(back, safe='')}", 303)
