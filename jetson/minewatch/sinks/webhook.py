"""A webhook: each event by POST, signed where there is a secret.

The receiver checks the signature over the time and the body as they came, and that the time is near its own:

    def genuine(headers, body: bytes, secret: str, now: float) -> bool:
        parts = dict(part.split("=", 1) for part in headers["X-Minewatch-Signature"].split(","))
        wanted = hmac.new(secret.encode(), parts["t"].encode() + b"." + body, "sha256").hexdigest()
        return hmac.compare_digest(parts["v1"], wanted) and abs(now - int(parts["t"])) <= 300

An event may come twice, with the same X-Minewatch-Id. Any 2xx answer confirms it.
"""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import ssl
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from minehat.errors import MineHatError

from ..clock import Clock
from ..config.schema import WebhookPart
from ..config.secrets import revealed
from ..events.event import Kept
from ..status import Status
from .bell import Bell
from .line import Deadline, Line, dial, told, trusted
from .sink import Refused, Undelivered

SECONDS = 5.0  # for all of one event: name, connection, TLS, request, answer
MOST = 65536  # bytes of an answer, its headers included, that are read
OURS = {400, 413, 415, 422}  # answers that are about this event; any other tells of the receiver
SOON = {408, 425, 429}  # answers of the 4xx that pass by themselves


class Webhook:
    """One address."""

    def __init__(self, part: WebhookPart, clock: Clock) -> None:
        self._part, self._clock = part, clock

    def ready(self, bell: Bell) -> None:
        """Nothing is kept open between events."""

    def deliver(self, events: Sequence[Kept], bell: Bell) -> int:
        """Send the first event that is wanted; those before it are confirmed by themselves."""
        for count, kept in enumerate(events, 1):
            if kept.event.loud or not self._part.loud_only:
                self._judge(*self._post(kept, bell))
                return count
        return len(events)

    def rest(self, seconds: float, bell: Bell) -> None:
        """Wait."""
        bell.wait(seconds)

    def show(self, status: Status) -> bool:
        """Webhooks are told of events alone."""
        return False

    def close(self) -> None:
        """Nothing is open."""

    def _post(self, kept: Kept, bell: Bell) -> tuple[int, str]:
        """Status and what the answer says."""
        url = urlsplit(self._part.url)
        host, port = url.hostname or "", url.port or _usual(url)
        deadline = Deadline(SECONDS, self._clock, bell)
        try:
            sock = dial(host, port, deadline, trusted(self._part.ca) if url.scheme == "https" else None)
            with sock:
                return self._asked(http.client.HTTPConnection(host, port), Line(sock, deadline, MOST), url, kept)
        except MineHatError as exc:
            raise Undelivered(str(exc), slowly=True) from exc
        except (OSError, UnicodeError) as exc:
            raise Undelivered(f"{host}:{port}: {told(exc) if isinstance(exc, OSError) else exc}",
                              slowly=isinstance(exc, ssl.SSLCertVerificationError)) from exc
        except http.client.HTTPException as exc:
            raise Undelivered(f"{host}:{port}: no HTTP: {type(exc).__name__}") from exc

    def _asked(self, connection: http.client.HTTPConnection, line: Line, url: SplitResult,
               kept: Kept) -> tuple[int, str]:
        connection.sock, connection.default_port = line, _usual(url)
        body = json.dumps(kept.to_dict(), ensure_ascii=False).encode()
        connection.request("POST", url._replace(scheme="", netloc="", fragment="").geturl() or "/", body,
                           self._headers(kept, body, url))
        with connection.getresponse() as answer:
            if 200 <= answer.status < 300:
                return answer.status, ""
            return answer.status, _plain(answer.read(200).decode(errors="replace"))

    def _headers(self, kept: Kept, body: bytes, url: SplitResult) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "minewatch", "Connection": "close",
                   "X-Minewatch-Id": kept.event.id}
        if (secret := revealed(self._part.secret)) is not None:
            moment = str(int(self._clock.wall()))
            signature = hmac.new(secret.encode(), moment.encode() + b"." + body, "sha256").hexdigest()
            headers["X-Minewatch-Signature"] = f"t={moment},v1={signature}"
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        return headers

    def _judge(self, status: int, text: str) -> None:
        told = f"the receiver answers {status}{': ' * bool(text)}{text}"
        if 300 <= status < 400:
            raise Undelivered(f"{told}; redirections are not followed, name the address itself", slowly=True)
        if status in OURS:
            raise Refused(told)
        if not 200 <= status < 300:
            raise Undelivered(told, slowly=400 <= status < 500 and status not in SOON)


def _usual(url: SplitResult) -> int:
    return 443 if url.scheme == "https" else 80


def _plain(text: str) -> str:
    """One short line, of letters that do no harm in a log."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()[:100]
