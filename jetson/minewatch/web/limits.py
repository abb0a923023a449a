"""What one request may take: bytes, headers, seconds, and how many of one address may be under way."""

from __future__ import annotations

import asyncio
from collections import Counter

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .logins import address_of_client
from .refusals import refusal

MOST_HEADERS = 64
LONGEST_PATH = 4096  # characters of path and query together
LARGEST_BODY = 128 * 1024  # bytes
BODY_SECONDS = 10.0
ANSWER_SECONDS = 45.0  # waiting for news included
FILE_SECONDS = 900.0  # for clips and lists, over slow lines
AT_ONCE = 32  # requests of one address


class Limits:
    """The body is read whole before anything else is done with a request, so that dawdlers hold nothing up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        try:
            body = await asyncio.wait_for(_read(request, receive), BODY_SECONDS)
        except (TimeoutError, asyncio.TimeoutError):
            await refusal(request, 408, "the body did not come")(scope, receive, send)
        except TooMuch as exc:
            await refusal(request, exc.status, str(exc), {"connection": "close"})(scope, receive, send)
        else:
            await self._limited(request, _Told(body, receive), send)

    async def _limited(self, request: Request, receive: Receive, send: Send) -> None:
        address = address_of_client(request)
        if self._under_way[address] >= AT_ONCE:
            await refusal(request, 429, "too many requests at once", {"retry-after": "1"})(request.scope, receive, send)
            return
        self._under_way[address] += 1
        try:
            await self._in_time(request, receive, send)
        finally:
            self._under_way[address] -= 1
            if not self._under_way[address]:
                del self._under_way[address]

    async def _in_time(self, request: Request, receive: Receive, send: Send) -> None:
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        seconds = FILE_SECONDS if request.scope["path"].startswith(("/media/", "/events.csv")) else ANSWER_SECONDS
        try:
            await asyncio.wait_for(self._app(request.scope, receive, sent), seconds)
        except (TimeoutError, asyncio.TimeoutError):
            if started:
                raise
            await refusal(request, 503, "this took too long")(request.scope, receive, send)


class TooMuch(Exception):
    """More than a request may bring."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


class _Told:
    """Tells a body that was read already, and then what the connection says."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _read(request: Request, receive: Receive) -> bytes:
    """The body. Raises TooMuch as soon as it is known."""
    if len(request.scope["headers"]) > MOST_HEADERS:
        raise TooMuch(431, f"more than {MOST_HEADERS} headers")
    if len(request.scope.get("raw_path") or b"") + len(request.scope["query_string"]) > LONGEST_PATH:
        raise TooMuch(414, f"the address is longer than {LONGEST_PATH} characters")
    length = request.headers.get("content-length", "0")
    if "transfer-encoding" not in request.headers and length == "0":
        return b""
    if length.isdecimal() and int(length[:20]) > LARGEST_BODY:
        raise TooMuch(413, f"more than {LARGEST_BODY} bytes")
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False) and message["type"] == "http.request"
        if len(body) > LARGEST_BODY:
            raise TooMuch(413, f"more than {LARGEST_BODY} bytes")
    return bytes(body)
