"""Webhooks against real HTTP servers, most of them ill: signed, bounded in time and size, never led elsewhere."""

from __future__ import annotations

import hmac
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from minebench.lab.ports import free_port
from minewatch.clock import SystemClock
from minewatch.config.schema import WebhookPart
from minewatch.events.event import Event, Kept
from minewatch.sinks import webhook
from minewatch.sinks.bell import Bell
from minewatch.sinks.sink import Refused, Undelivered
from minewatch.sinks.webhook import Webhook
from sinks_lab import Receiver, fine

LOUD = Kept(7, Event("bare_head", 1.8e9, "3号 gate", loud=True))
QUIET = Kept(8, Event("bare_head", 1.8e9, "gate"))
Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


@pytest.fixture
def bell() -> Iterator[Bell]:
    with Bell() as made:
        yield made


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline of five seconds, made shorter."""
    monkeypatch.setattr(webhook, "SECONDS", 0.5)


def hook(port: int, path: str = "/in", **told: Any) -> Webhook:
    return Webhook(WebhookPart(name="one", url=f"http://127.0.0.1:{port}{path}", **told), SystemClock())


def answering(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
    return answer


def genuine(headers: Any, body: bytes, secret: str, now: float) -> bool:
    """As the module's docstring tells receivers to check it."""
    scope: dict[str, Any] = {"hmac": hmac}
    told = (webhook.__doc__ or "").split("\n")
    code = [line[4:] for line in told if line.startswith("    ")]
    exec("\n".join(code), scope)
    return bool(scope["genuine"](headers, body, secret, now))


def test_an_event_comes_whole_and_signed(bell: Bell) -> None:
    with Receiver(fine) as receiver:
        assert hook(receiver.port, "/in?site=1", secret={"value": "k3y"}).deliver([LOUD], bell) == 1
    headers, body = receiver.headers[0], receiver.bodies[0]
    assert json.loads(body) == LOUD.to_dict()
    assert receiver.paths == ["/in?site=1"] and headers["X-Minewatch-Id"] == LOUD.event.id
    assert headers["Content-Type"] == "application/json" and headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert genuine(headers, body, "k3y", time.time())
    assert not genuine(headers, body, "other", time.time())
    assert not genuine(headers, body.replace(b"gate", b"yard"), "k3y", time.time())
    assert not genuine(headers, body, "k3y", time.time() + 3600)  # a replay of an hour ago


def test_without_a_secret_nothing_is_signed(bell: Bell) -> None:
    with Receiver(fine) as receiver:
        hook(receiver.port).deliver([LOUD], bell)
    assert "X-Minewatch-Signature" not in receiver.headers[0]


def test_a_password_in_the_address_is_used_and_never_told(bell: Bell) -> None:
    with Receiver(answering(500)) as receiver:
        part = WebhookPart(name="one", url=f"http://me:p%40ss@127.0.0.1:{receiver.port}/x")
        with pytest.raises(Undelivered) as told:
            Webhook(part, SystemClock()).deliver([LOUD], bell)
    assert receiver.headers[0]["Authorization"] == "Basic bWU6cEBzcw=="
    assert "ss" not in str(told.value).replace("answers", "")


def test_loud_only_confirms_the_others_by_itself(bell: Bell) -> None:
    with Receiver(fine) as receiver:
        one = hook(receiver.port, loud_only=True)
        assert one.deliver([QUIET, QUIET, LOUD, QUIET], bell) == 3
        assert one.deliver([QUIET, QUIET], bell) == 2
    assert [json.loads(body)["seq"] for body in receiver.bodies] == [7]


@pytest.mark.parametrize("status, kind, slowly", [
    (500, Undelivered, False), (503, Undelivered, False), (408, Undelivered, False), (429, Undelivered, False),
    (401, Undelivered, True), (403, Undelivered, True), (404, Undelivered, True), (410, Undelivered, True),
    (400, Refused, True), (413, Refused, True), (422, Refused, True)])
def test_f3_what_an_answer_means(bell: Bell, status: int, kind: type[Undelivered], slowly: bool) -> None:
    """F3: 500 and the like are retried with backoff; what somebody must mend slowly; both told in words."""
    with Receiver(answering(status, b"no \x1b[31mroom\r\nhere")) as receiver, pytest.raises(Undelivered) as told:
        hook(receiver.port).deliver([LOUD], bell)
    assert type(told.value) is kind and told.value.slowly is slowly
    assert str(status) in str(told.value) and "room  here" in str(told.value)
    assert str(told.value).isprintable()


def test_f3_a_redirection_to_another_host_is_not_followed(bell: Bell) -> None:
    """F3: redirect to another host: not followed, told."""
    with Receiver(fine) as other, Receiver(answering(307, Location=f"http://127.0.0.1:{other.port}/")) as receiver:
        with pytest.raises(Undelivered, match="redirections are not followed"):
            hook(receiver.port).deliver([LOUD], bell)
        assert not other.bodies


def seconds_of(port: int, bell: Bell, match: str) -> float:
    began = time.monotonic()
    with pytest.raises(Undelivered, match=match):
        hook(port).deliver([LOUD], bell)
    return time.monotonic() - began


def test_f3_a_receiver_that_hangs(bell: Bell, short: None) -> None:
    """F3: an endpoint that accepts and never answers is left at the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert seconds_of(silent.getsockname()[1], bell, "no answer within 0.5 s") >= 0.5


def test_f3_a_receiver_that_drips(bell: Bell, short: None) -> None:
    """F3: one byte every 50 ms, in the headers: the deadline is of the whole, not of each byte."""
    stop = threading.Event()

    def drip(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _row in range(200):
            if stop.wait(0.05):
                return
            handler.wfile.write(b"a")
            handler.wfile.flush()

    with Receiver(drip) as receiver:
        assert 0.5 <= seconds_of(receiver.port, bell, "no answer within") < 5
        stop.set()


def test_f3_a_receiver_that_never_reads(bell: Bell, short: None) -> None:
    """F3: a receiver whose buffers are full: sending ends at the deadline too."""
    big = Kept(9, Event("bare_head", 1.8e9, "gate", remark="x" * 30_000_000))
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Undelivered, match="no answer within"):
        hook(silent.getsockname()[1]).deliver([big], bell)


def test_f3_an_answer_of_ten_megabytes(bell: Bell) -> None:
    """F3: 10 MB of body: a 2xx confirms without reading it; of an error only the first words are read."""
    with Receiver(answering(200, b"x" * 10_000_000)) as receiver:
        assert hook(receiver.port).deliver([LOUD], bell) == 1
    with Receiver(answering(500, b"y" * 10_000_000)) as receiver, pytest.raises(Undelivered) as told:
        hook(receiver.port).deliver([LOUD], bell)
    assert len(str(told.value)) < 200


def test_f3_endless_headers(bell: Bell) -> None:
    """F3: headers without end: at most 64 KB are read."""
    sent = [0]

    def flood(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for row in range(4000):
            sent[0] = row
            handler.wfile.write(b"X-%d: " % (row % 90) + b"a" * 4000 + b"\r\n")

    with Receiver(flood) as receiver, pytest.raises(Undelivered):
        hook(receiver.port).deliver([LOUD], bell)
    assert sent[0] < 3999


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"\x00\xff" * 50, b"HTTP/1.1 abc\r\n\r\n",
                                    b"HTTP/1.1 2", b"HTTP/1.1 999999 x\r\n\r\n"])
def test_an_answer_that_is_no_http(bell: Bell, answer: bytes) -> None:
    def speak(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.wfile.write(answer)

    with Receiver(speak) as receiver, pytest.raises(Undelivered) as told:
        hook(receiver.port).deliver([LOUD], bell)
    assert str(told.value).isprintable()


def test_a_stop_does_not_wait_for_the_deadline(bell: Bell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stop = threading.Timer(0.1, bell.stop)
        stop.start()
        assert seconds_of(silent.getsockname()[1], bell, "ending") < 3
        stop.join()


def test_no_proxy_of_the_environment_is_asked(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver(fine) as proxy, Receiver(fine) as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        hook(receiver.port).deliver([LOUD], bell)
        assert not proxy.bodies and len(receiver.bodies) == 1


def test_a_secret_that_cannot_be_read_is_told(bell: Bell, tmp_path: Path) -> None:
    with Receiver(fine) as receiver, pytest.raises(Undelivered, match="cannot be read") as told:
        hook(receiver.port, secret={"file": tmp_path / "absent"}).deliver([LOUD], bell)
    assert told.value.slowly and not receiver.bodies


def test_tls_needs_the_right_name_and_authority(bell: Bell, tmp_path: Path) -> None:
    for name, san in (("right", "IP:127.0.0.1"), ("wrong", "DNS:elsewhere.example")):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out",
                        f"{name}.pem", "-days", "2", "-subj", "/CN=x", "-addext", f"subjectAltName={san}"],
                       cwd=tmp_path, check=True, capture_output=True)

    def sent(name: str, ca: str | None) -> int:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        with Receiver(fine, tls=tls) as receiver:
            part = WebhookPart(name="one", url=f"https://127.0.0.1:{receiver.port}/",
                               ca=tmp_path / f"{ca}.pem" if ca else None)
            return Webhook(part, SystemClock()).deliver([LOUD], bell) and len(receiver.bodies)

    assert sent("right", "right") == 1
    for name, ca in (("wrong", "wrong"), ("right", None), ("right", "wrong")):
        with pytest.raises(Undelivered, match="certificate is not trusted"):
            sent(name, ca)


def test_an_address_that_nobody_has(bell: Bell) -> None:
    with pytest.raises(Undelivered, match="Connection refused"):
        hook(free_port()).deliver([LOUD], bell)
    part = WebhookPart(name="one", url="http://nobody.invalid/")
    with pytest.raises(Undelivered, match=r"nobody\.invalid:80: the host's name is not known"):
        Webhook(part, SystemClock()).deliver([LOUD], bell)


@pytest.mark.soak
def test_f3_soak_the_deadline_on_the_wall_clock(bell: Bell, figure: Callable[[str, str], None]) -> None:
    """F3: a receiver that hangs and one that drips a byte every second are both left after 5 s."""
    stop = threading.Event()

    def drip(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        while not stop.wait(1):
            handler.wfile.write(b"H")

    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = seconds_of(silent.getsockname()[1], bell, "no answer within 5 s")
    with Receiver(drip) as receiver:
        dripped = seconds_of(receiver.port, bell, "no answer within 5 s")
        stop.set()
    figure("F3", f"left after {hung:.2f} s where it hangs, {dripped:.2f} s where it drips")
    assert max(hung, dripped) < 6
