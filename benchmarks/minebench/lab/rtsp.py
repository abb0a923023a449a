"""RTSP's own lines (RFC 2326): requests read, answers written, passwords checked, transports chosen."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

REASONS = {200: "OK", 302: "Moved Temporarily", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
           454: "Session Not Found", 461: "Unsupported Transport"}
REALM = "faultcam"


@dataclass(frozen=True)
class Request:
    """What a client asks for."""

    method: str
    url: str
    headers: dict[str, str]  # names in lower case

    @property
    def mount(self) -> str:
        """The camera's name, the first part of the path."""
        return urlsplit(self.url).path.strip("/").split("/")[0]

    def answer(self, status: int = 200, headers: dict[str, str] | None = None, body: str = "") -> bytes:
        """The answer's bytes."""
        lines = [f"RTSP/1.0 {status} {REASONS[status]}", f"CSeq: {self.headers.get('cseq', '0')}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@dataclass(frozen=True)
class Transport:
    """Where packets go: channels of the connection, or ports of the client."""

    udp: bool
    first: int  # channel or port of RTP
    second: int  # of RTCP


@dataclass(frozen=True)
class Guard:
    """Who may look. Nobody is asked where there is no user."""

    user: str = ""
    password: str = field(default="", repr=False)
    digest: bool = False

    def challenge(self, nonce: str) -> dict[str, str]:
        """The header of a 401."""
        told = f'Digest realm="{REALM}", nonce="{nonce}"' if self.digest else f'Basic realm="{REALM}"'
        return {"WWW-Authenticate": told}

    def lets_in(self, request: Request, nonce: str) -> bool:
        """Whether the request shows the right password, in the form that is asked for."""
        if not self.user:
            return True
        way, _, told = request.headers.get("authorization", "").partition(" ")
        if not self.digest:
            wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return way.lower() == "basic" and hmac.compare_digest(told.strip(), wanted)
        return way.lower() == "digest" and self._digest_is_right(request.method, _fields(told), nonce)

    def _digest_is_right(self, method: str, told: dict[str, str], nonce: str) -> bool:
        first = _md5(f"{self.user}:{REALM}:{self.password}")
        second = _md5(f"{method}:{told.get('uri', '')}")
        return told.get("nonce") == nonce and hmac.compare_digest(
            told.get("response", ""), _md5(f"{first}:{nonce}:{second}"))


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request, or None at the end. Reports of receivers, which come between, are passed over."""
    while first := await reader.read(1):
        if first == b"$":
            head = await reader.readexactly(3)
            await reader.readexactly(int.from_bytes(head[1:], "big"))
        elif first not in b"\r\n":
            text = (first + await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
            begin, *rest = text.split("\r\n")
            headers = {name.strip().lower(): value.strip() for name, _, value in
                       (line.partition(":") for line in rest if line)}
            await reader.readexactly(int(headers.get("content-length", "0")))
            method, url, _version = begin.split(" ", 2)
            return Request(method, url, headers)
    return None


def transport_of(header: str) -> Transport | None:
    """The first of the client's choices that can be had: interleaved or unicast UDP."""
    for choice in header.split(","):
        pair = re.search(r"(interleaved|client_port)=(\d+)(?:-(\d+))?", choice)
        if pair and "multicast" not in choice:
            first = int(pair[2])
            return Transport(pair[1] == "client_port", first, int(pair[3] or first + 1))
        if "TCP" in choice:
            return Transport(False, 0, 1)
    return None


def _fields(told: str) -> dict[str, str]:
    return {name.lower(): value for name, value in re.findall(r'(\w+)="([^"]*)"', told)}


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
