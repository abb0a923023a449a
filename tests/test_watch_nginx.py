"""The nginx configuration that is shipped, run by a real nginx before a small page."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import httpx
import pytest
import uvicorn
from conftest import ROOT
from minebench.lab.ports import free_port
from minewatch.config import passwords
from page_stage import Stage
from sinks_lab import Receiver, fine
from waiting import eventually

SHIPPED = ROOT / "jetson" / "nginx" / "minewatch.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
AROUND = """
{user} pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; daemon off;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/minewatch.conf;
}}
"""


class Shielded:
    """nginx with the shipped file before a page. A context manager."""

    def __init__(self, folder: Path, page: int) -> None:
        if NGINX is None:
            pytest.skip("nginx is not installed")
        self.folder, self.plain, self.tls = folder, free_port(), free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out",
                        "cert.pem", "-days", "2", "-subj", "/CN=minewatch.local", "-addext",
                        "subjectAltName=DNS:minewatch.local"], cwd=folder, check=True, capture_output=True)
        text = SHIPPED.read_text()
        for old, new in (("127.0.0.1:8787", f"127.0.0.1:{page}"), ("listen 80;", f"listen 127.0.0.1:{self.plain};"),
                         ("listen 443 ssl;", f"listen 127.0.0.1:{self.tls} ssl;"),
                         ("/etc/minewatch/tls/fullchain.pem", f"{folder}/cert.pem"),
                         ("/etc/minewatch/tls/key.pem", f"{folder}/key.pem")):
            assert text.count(old) == 1, f"{old} is not in the shipped file"
            text = text.replace(old, new)
        (folder / "minewatch.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))
        self.trust = ssl.create_default_context(cafile=str(folder / "cert.pem"))

    def command(self, *more: str) -> list[str]:
        """nginx on the files of this folder."""
        return [str(NGINX), "-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c",
                str(self.folder / "nginx.conf"), *more]

    def __enter__(self) -> Shielded:
        self._process = subprocess.Popen(self.command())
        assert eventually(self._up)
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _up(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.tls)) == 0

    def line(self, source: str = "127.0.0.1") -> ssl.SSLSocket:
        """A connection through TLS, by the right name."""
        sock = socket.create_connection(("127.0.0.1", self.tls), 20, (source, 0))
        return self.trust.wrap_socket(sock, server_hostname="minewatch.local")

    def asked(self, path: str, method: str = "GET", body: bytes = b"", source: str = "127.0.0.1",
              **headers: str) -> HTTPResponse:
        """The answer, its body read and forgotten."""
        connection = HTTPConnection("minewatch.local", self.tls)
        connection.sock = self.line(source)
        connection.request(method, path, body, {"Content-Length": str(len(body)), **headers})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


@pytest.fixture
def page() -> Iterator[Receiver]:
    with Receiver(fine) as made:
        yield made


@pytest.fixture
def shielded(tmp_path: Path, page: Receiver) -> Iterator[Shielded]:
    with Shielded(tmp_path, page.port) as made:
        yield made


def test_nginx_has_nothing_to_complain_of(tmp_path: Path) -> None:
    told = subprocess.run(Shielded(tmp_path, 1).command("-t"), capture_output=True, text=True, check=False)
    assert told.returncode == 0
    lines = (told.stdout + told.stderr).splitlines()
    assert len(lines) == 2 and all("syntax is ok" in line or "test is successful" in line for line in lines)


def test_the_page_hears_who_really_asks(shielded: Shielded, page: Receiver) -> None:
    lies = {"X-Forwarded-For": "10.9.9.9", "X-Real-IP": "10.9.9.9", "X-Forwarded-Proto": "http",
            "X-Forwarded-Host": "evil.example", "Forwarded": "for=10.9.9.9"}
    answer = shielded.asked("/api/events?after=3", **lies)
    assert answer.status == 204 and page.paths == ["/api/events?after=3"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["Server"] != "nginx/1" and "/" not in answer.headers["Server"]
    heard = page.headers[0]
    assert heard.get_all("X-Forwarded-For") == heard.get_all("X-Real-IP") == ["127.0.0.1"]
    assert heard.get_all("X-Forwarded-Proto") == ["https"]
    assert heard.get_all("Host") == [f"minewatch.local:{shielded.tls}"]
    assert "10.9.9.9" not in str(heard) and "evil.example" not in str(heard)


def test_plain_http_is_sent_to_tls_and_nowhere_else(shielded: Shielded, page: Receiver) -> None:
    connection = HTTPConnection("127.0.0.1", shielded.plain, timeout=20)
    connection.request("GET", "/events?x=1", headers={"Host": "evil.example"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, "https://minewatch.local/events?x=1")
    connection.close()
    assert not page.paths


def test_old_tls_is_refused(shielded: Shielded) -> None:
    with pytest.warns(DeprecationWarning):
        shielded.trust.minimum_version = ssl.TLSVersion.TLSv1
        shielded.trust.maximum_version = ssl.TLSVersion.TLSv1_1
    shielded.trust.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):  # an alert of the server's
        shielded.line()


def test_g5_logins_are_slowed_down(shielded: Shielded, page: Receiver) -> None:
    """G5: many logins in a row: the page hears a handful, the others are told 429; the rest of it goes on."""
    told = [shielded.asked("/login", "POST", b"user=a&password=b").status for _ in range(40)]
    assert told.count(429) >= 20 and len(page.paths) == told.count(204) == 40 - told.count(429)
    assert shielded.asked("/").status == 204


def test_g4_what_is_too_large_does_not_reach_the_page(shielded: Shielded, page: Receiver) -> None:
    """G4: a body, chunks and a header that are too large: refused by nginx, with nothing for the page to read."""
    assert shielded.asked("/zones/gate", "POST", b"x" * 1_000_000).status == 204
    with shielded.line() as line:
        line.sendall(b"POST /zones/gate HTTP/1.1\r\nHost: minewatch.local\r\nContent-Length: 2000000\r\n\r\n")
        assert b" 413 " in line.recv(4096)
    with shielded.line() as line, suppress(ConnectionError, ssl.SSLError):
        line.sendall(b"POST / HTTP/1.1\r\nHost: minewatch.local\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(48):
            line.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")  # 3 MB, and no end
        assert b" 413 " in line.recv(4096)
    with shielded.line() as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: minewatch.local\r\nX-Big: " + b"a" * 60_000 + b"\r\n\r\n")
        assert b" 400 " in line.recv(4096)
    assert len(page.paths) == 1


def test_figures_are_for_the_machine_itself(shielded: Shielded, page: Receiver) -> None:
    assert shielded.asked("/metrics").status == 204  # of loopback
    allowed = [line.split() for line in SHIPPED.read_text().splitlines() if "allow " in line or "deny " in line]
    assert allowed == [["allow", "127.0.0.1;"], ["allow", "::1;"], ["deny", "all;"]]


def test_a_page_that_is_away_is_a_bad_gateway(tmp_path: Path) -> None:
    with Shielded(tmp_path, free_port()) as shielded:
        assert shielded.asked("/").status == 502


@pytest.fixture
def real_page(tmp_path: Path) -> Iterator[int]:
    """The port of a real page that has a user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "COST", 10)
        ada = {"name": "ada", "role": "admin", "password_hash": passwords.hashed("words")}
    with Stage(tmp_path, users=[ada], hosts=["minewatch.local"]) as stage, \
            socket.create_server(("127.0.0.1", 0)) as ear:
        server = uvicorn.Server(uvicorn.Config(stage.app, http="h11", loop="asyncio", lifespan="off", ws="none",
                                               log_config=None, proxy_headers=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [ear]})
        thread.start()
        yield ear.getsockname()[1]
        server.should_exit = True
        thread.join()


def test_one_logs_in_to_the_real_page_through_it(real_page: int, tmp_path: Path) -> None:
    (tmp_path / "nginx").mkdir()
    with Shielded(tmp_path / "nginx", real_page) as shielded, httpx.Client(
            base_url=f"https://minewatch.local:{shielded.tls}", transport=Loopback(shielded)) as browser:
        assert browser.get("/api/status").status_code == 401
        form = browser.get("/login")
        token = re.search(r'data-token="(\w+)"', form.text)
        assert form.status_code == 200 and token
        fields = {"token": token[1], "name": "ada", "password": "words", "next": "/events"}
        foreign = browser.post("/login", data=fields, headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
        answer = browser.post("/login", data=fields, headers={"Origin": str(browser.base_url).rstrip("/")})
        assert (answer.status_code, answer.headers["location"]) == (303, "/events")
        assert "secure" in answer.headers["set-cookie"].lower()
        told = browser.get("/api/status").json()
        assert told["status"]["site"] == "North mine"
        assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400


class Loopback(httpx.HTTPTransport):
    """As httpx's own, with a name server that knows where minewatch.local is."""

    def __init__(self, shielded: Shielded) -> None:
        super().__init__(verify=shielded.trust, trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return super().handle_request(httpx.Request(
            request.method, request.url.copy_with(host="127.0.0.1"), headers=request.headers, stream=request.stream,
            extensions={**request.extensions, "sni_hostname": "minewatch.local"}))


HALVES = {"header": b"GET / HTTP/1.1\r\nHost: minewatch.local\r\nX-Slow: ",
          "body": b"POST /login HTTP/1.1\r\nHost: minewatch.local\r\nContent-Length: 1000\r\n\r\nuser=",
          "handshake": b""}


@pytest.mark.soak
@pytest.mark.parametrize("half", HALVES)
def test_g4_two_hundred_slow_clients_are_dropped(shielded: Shielded, half: str,
                                                 figure: Callable[[str, str], None]) -> None:
    """G4: 200 half-sent requests (header, body, TLS): dropped within 7 s, good clients elsewhere served meanwhile."""
    lines: list[socket.socket] = [socket.create_connection(("127.0.0.1", shielded.tls)) if half == "handshake"
                                  else shielded.line() for _ in range(200)]
    for line in lines:
        line.settimeout(20)
        if HALVES[half]:
            line.sendall(HALVES[half])
    ends: list[float] = []
    sent = time.monotonic()
    waits = [threading.Thread(target=lambda line=line: ends.append(ended(line) - sent)) for line in lines]
    for one in waits:
        one.start()
    taken = [good(shielded) for _ in range(30)]
    for one in waits:
        one.join()
    for line in lines:
        line.close()
    figure("G4", f"nginx, 200 half-sent requests ({half}): all dropped {max(ends):.1f} s after the last byte; a good "
                 f"client meanwhile: slowest of 30 requests, TLS included, {1000 * max(taken):.0f} ms")
    assert len(ends) == 200 and max(ends) <= 7
    assert max(taken) <= 0.5


def good(shielded: Shielded) -> float:
    """Seconds that a client of another address waits."""
    began = time.monotonic()
    assert shielded.asked("/", source="127.0.0.2").status == 204
    return time.monotonic() - began


def ended(line: socket.socket) -> float:
    """When the other side hung up."""
    with suppress(ConnectionError, ssl.SSLError):
        while line.recv(4096):
            pass
    return time.monotonic()
