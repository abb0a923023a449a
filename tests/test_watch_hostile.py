"""Requests that mean harm: for files outside, too large, too slow, from elsewhere, with names that bite."""

from __future__ import annotations

import csv
import io
import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hand_clock import HandClock
from minebench.lab.ports import free_port
from minehat.errors import MineHatError
from minewatch.events.records import Media
from minewatch.web import usher
from minewatch.web.address import address_of, found, listening
from minewatch.web.archive import harmless
from minewatch.web.limits import AT_ONCE, LARGEST_BODY, MOST_HEADERS
from minewatch.web.messages import Failed, Listening, Reload, Viewing
from minewatch.web.process import serve
from minewatch.web.shelter import HEADERS
from minewatch.web.wire import from_wire, to_wire
from page_stage import Stage, bare_head, config_at, live_camera, status_of
from waiting import wait_for

SECRET = "nobody may read this"
UP = ("..", "%2e%2e", "%2E%2e", ".%2e", "..%2f..", "..%5c..", "%252e%252e", "..%c0%af..", "%c0%ae%c0%ae", "..;",
      "....//", "..%00", "%uff0e%uff0e", "..\\..")
ROOTS = ("/static/{}/{}/{}/secret.txt", "/media/{}/{}/{}/secret.txt", "/media/1/{}/{}/{}/secret.txt")
OTHERS = ("//secret.txt", "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/page.css%00.txt", "/media/1/%00",
          "/media/1/snapshot.jpg%00.txt", "/media/1/snapshot.jpg%0d%0aX-Evil: 1", "/media/-1/snapshot.jpg",
          "/media/1e3/snapshot.jpg", "/media/99999999999999999999/snapshot.jpg", "/media/1/..%2fsecret.txt",
          "/media/1/snapshot.JPG", "/static/../openapi.json", "/static/.%00./secret.txt",
          "/events/..%2f..%2fsecret.txt", "/camera/..%2f..%2fsecret.txt/picture.jpg", "/media/1/file:///etc/passwd",
          "/media/%d9%a3/snapshot.jpg", "http://localhost/static/../../secret.txt", "*", "secret.txt")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as stage:
        yield stage


def test_no_way_leads_out_of_the_folders(tmp_path: Path) -> None:
    """G2: more than 40 forms of .., NUL, CRLF and absolute paths, to the real server: 404 or 400, never the file."""
    asked = [root.format(up, up, up) for root in ROOTS for up in UP] + list(OTHERS)
    assert len(asked) >= 40
    with _page(tmp_path) as url:
        for folder in (tmp_path, tmp_path / "state", tmp_path / "state" / "media"):
            folder.mkdir(exist_ok=True)
            (folder / "secret.txt").write_text(SECRET)
        for path in asked:
            answer = _answer_to(url, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            status, _, rest = answer.partition("\r\n")
            assert status.split()[1] in ("400", "404"), (path, status)
            assert SECRET not in rest and "root:" not in rest and "x-evil" not in rest.lower(), path


def test_links_and_rows_that_point_outside_are_not_followed(stage: Stage, tmp_path: Path) -> None:
    """G2: a symbolic link in the media folder, and a path in the store that climbs out."""
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    stage.happen(bare_head(), bare_head(), bare_head())
    (stage.folder / "media").mkdir(exist_ok=True)
    (stage.folder / "media" / "link.jpg").symlink_to(secret)
    for seq, path in ((1, "media/link.jpg"), (2, "../secret.txt"), (3, str(secret))):
        stage.store.set_media(Media(seq, "snapshot", "kept", path, 9))
        assert stage.browser().get(f"/media/{seq}/snapshot.jpg").status_code == 404


def test_other_names_for_this_page_are_refused(stage: Stage) -> None:
    """A stranger's DNS that points here: the browser sends the stranger's name."""
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "localhost:x", "a@localhost",
                 "localhost/..", "[::1", "10.0.0.1:8787", "localhost#x", "mine.example"):
        assert stage.browser().get("/api/status", headers={"Host": host}).status_code == 400, host
    for host in ("localhost", "127.0.0.1:8787", "LOCALHOST:1", "[::1]:8787"):
        assert stage.browser().get("/api/status", headers={"Host": host}).status_code == 200, host
    stage.board.setup = replace(stage.board.setup,
                                web=stage.config.web.model_copy(update={"hosts": ("Mine.example",)}))
    assert stage.browser().get("/api/status", headers={"Host": "mine.example"}).status_code == 200


def test_every_answer_shuts_out_scripts_frames_and_caches_of_others(stage: Stage) -> None:
    for path in ("/", "/nothing", "/api/status", "/static/page.css", "/media/1/clip.mp4", "/events.csv"):
        headers = stage.browser().get(path).headers
        assert all(headers[name] == value for name, value in HEADERS.items()), path
        assert "server" not in headers
    page = stage.browser().get("/").text
    assert "<style" not in page and " style=" not in page and "javascript:" not in page


def test_requests_that_are_too_large_are_refused_before_they_are_read(stage: Stage) -> None:
    """G4: a large body told or sent in pieces, many headers, a long address."""
    browser, read = stage.browser(), 0

    async def bomb() -> Any:
        nonlocal read
        for _ in range(1000):
            read += 65536
            yield b"x" * 65536

    assert browser.ask("POST", "/login", content=b"x" * (LARGEST_BODY + 1)).status_code == 413
    assert browser.ask("POST", "/login", content=b"", headers={"Content-Length": "9" * 30}).status_code == 413
    assert browser.get("/", headers={f"x-{n}": "1" for n in range(MOST_HEADERS)}).status_code == 431
    assert browser.get("/?" + "x" * 5000).status_code == 414
    assert browser.ask("POST", "/login", content=bomb()).status_code == 413


def test_one_address_has_so_many_requests_under_way_and_others_are_served(stage: Stage) -> None:
    """G4: the 33rd at once waits its turn."""
    import asyncio

    async def crowd() -> tuple[list[int], int]:
        async def ask(address: str, path: str) -> int:
            transport = httpx.ASGITransport(stage.app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return (await client.get(path)).status_code
        many = [asyncio.create_task(ask("10.0.0.1", "/api/events?wait=1")) for _ in range(AT_ONCE + 5)]
        await asyncio.sleep(0.3)
        other = await ask("10.0.0.2", "/healthz")
        return await asyncio.gather(*many), other

    codes, other = stage.loop.run_until_complete(crowd())
    assert codes.count(200) == AT_ONCE and codes.count(429) == 5 and other == 200


def test_names_that_bite_are_shown_as_they_are_written(stage: Stage) -> None:
    """G10: scripts in remarks, names and causes; formulas in a spreadsheet."""
    script, formula = "<script>alert(1)</script>", "=cmd|' /C calc'!A0"
    stage.happen(bare_head(camera="Gate & Sons", zone="x-y", cause=script, remark=f"{script}\"'><img src=x>"),
                 bare_head(camera=formula, remark="\t@SUM(A1)"))
    stage.browser().post("/events/1/acknowledge", {"name": "-1+1", "remark": script})
    stage.tell(status_of([live_camera("Gate 2", standing="waiting", cause=script, text=script)], watching=False,
                         config_fault=script))
    for path in ("/", "/events", "/events/1", "/camera/Gate 2", "/health", "/audit", f"/events?camera={script}"):
        page = stage.browser().get(path).text
        assert "<script>alert" not in page and "<img src=x" not in page, path
    rows = list(csv.reader(io.StringIO(stage.browser().get("/events.csv").content.decode("utf-8-sig"))))
    cells = [cell for row in rows for cell in row]
    assert f"'{formula}" in cells and "'-1+1" in cells and script in cells
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in cells)
    assert harmless(-3) == -3 and harmless("\u3000=1") == "'\u3000=1"


def test_only_loopback_and_sockets_of_files_are_listened_on(tmp_path: Path) -> None:
    """G6: an address that the network can reach is refused with the cure, before anything listens."""
    for listen in ("0.0.0.0:8787", "[::]:8787", "192.168.1.5:80", ":8787", "*:80", "mine.example:80", "127.0.0.1",
                   "127.0.0.1:x", "127.0.0.1:70000", "unix:page.sock"):
        with pytest.raises(MineHatError, match="nginx"):
            address_of(listen)
    with listening(address_of("127.0.0.1:0")) as ear:
        assert ear.proto == socket.IPPROTO_TCP, "each answer would wait 40 ms for the acknowledgement of its head"
        taken = found(ear, address_of("127.0.0.1:0"))
        with pytest.raises(MineHatError, match="already in use"):
            listening(taken)
    path = tmp_path / "page.sock"
    for _ in range(2):  # the second takes the place of the first's, that nobody answers on any more
        with listening(address_of(f"unix:{path}")):
            assert path.stat().st_mode & 0o777 == 0o660


def test_what_comes_up_from_the_page_is_data_and_nothing_else() -> None:
    for message in (Listening("http://x/"), Viewing(("a", "三")), Failed("no"), Reload()):
        assert from_wire(to_wire(message)) == message
    for content in (b"", b"{}", b"[]", b"null", b'{"kind": "os.system"}', b'{"kind": "Viewing"}', b"\x80\x04.", b"\xff",
                    b'{"kind": "Viewing", "cameras": 7}', b'{"kind": "Reload", "more": 1}'):
        with pytest.raises(ValueError):
            from_wire(content)


class _Connection:
    """As uvicorn keeps them."""

    def __init__(self, cycle: Any = None) -> None:
        self.cycle, self.transport, self.gone = cycle, self, False

    def abort(self) -> None:
        self.gone = True


class _Request:
    response_complete = False


def test_who_never_finishes_the_head_of_a_request_is_shown_out() -> None:
    """G4: on a clock turned by hand; a request under way is left alone, one that is answered begins a new wait."""
    clock, busy, idle = HandClock(0.0), _Connection(_Request()), _Connection()
    there = {busy, idle}
    doorman = usher.Usher(there, clock)
    doorman.look()
    clock.now = usher.HEAD_SECONDS - 1
    busy.cycle.response_complete = True
    doorman.look()
    assert not busy.gone and not idle.gone
    clock.now = usher.HEAD_SECONDS + 1
    doorman.look()
    assert idle.gone and not busy.gone
    crowd = {_Connection() for _ in range(usher.MOST + 40)}
    there.clear()
    there |= crowd
    doorman.look()
    assert sum(one.gone for one in crowd) == 40


@contextmanager
def _page(folder: Path) -> Iterator[str]:
    """A real page process whose watch says that all is well, ten times a second."""
    from minewatch.events.store import Store
    from minewatch.web.messages import News, setup_of

    config, path = config_at(folder)
    setup = setup_of(config, path)
    setup = replace(setup, web=config.web.model_copy(update={"listen": f"127.0.0.1:{free_port()}"}))
    Store.writer(setup.state).close()
    context = multiprocessing.get_context("spawn")
    (ear, down), (up, mouth) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(setup, ear, mouth), daemon=True)
    process.start()
    ear.close()
    mouth.close()
    over = threading.Event()

    def tell() -> None:
        while not over.wait(0.1):
            down.send(News(status_of(), b"up 1\n"))
            while up.poll():
                up.recv_bytes()

    teller = threading.Thread(target=tell)
    try:
        assert isinstance(from_wire(up.recv_bytes()), Listening)
        teller.start()
        yield f"http://{setup.web.listen}"
    finally:
        over.set()
        if teller.ident is not None:
            teller.join()
        down.close()
        up.close()
        process.join(20)
        gone = process.exitcode
        process.kill()
        process.join(5)
        process.close()
        assert gone == 0, "the page's process did not leave when its watch was gone"


def _dawdlers(url: str, stack: ExitStack, count: int, sent: bytes) -> list[socket.socket]:
    port = int(url.rsplit(":", 1)[1])
    ears = []
    for _ in range(count):
        one = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        one.sendall(sent)
        ears.append(one)
    return ears


def _answer_to(url: str, sent: bytes) -> str:
    """All that the server says to these bytes."""
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=10) as ear:
        ear.sendall(sent)
        return b"".join(iter(lambda: ear.recv(65536), b"")).decode("utf-8", "replace")


def _closed(ears: list[socket.socket]) -> int:
    """How many of them the server has closed, whatever it said before."""
    count = 0
    for one in ears:
        one.setblocking(False)
        try:
            while one.recv(65536):
                pass
            count += 1
        except BlockingIOError:
            pass
        except OSError:
            count += 1
    return count


def test_a_good_client_is_served_among_two_hundred_who_dawdle(tmp_path: Path) -> None:
    """G4: half a head and half a body on 100 connections each; nothing fails for the one who asks rightly."""
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    body = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\ntoken="
    with _page(tmp_path) as url, ExitStack() as stack, httpx.Client(base_url=url, trust_env=False, timeout=30) as good:
        _wait_until_ready(good)
        _dawdlers(url, stack, 100, head)
        _dawdlers(url, stack, 100, body)
        large = _dawdlers(url, stack, 3, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * 200_000)
        assert [good.get("/readyz").status_code for _ in range(20)] == [200] * 20
        wait_for(lambda: _closed(large) == 3)


def test_the_page_s_port_is_open_on_loopback_alone(tmp_path: Path) -> None:
    """G6: as the kernel lists who listens on that port, IPv6 included."""
    with _page(tmp_path) as url:
        port = f"{int(url.rsplit(':', 1)[1]):04X}"
        lines = "".join(Path(f"/proc/net/{table}").read_text() for table in ("tcp", "tcp6")).splitlines()
        there = [line.split()[1] for line in lines if f":{port} " in line and line.split()[3] == "0A"]
    assert there == [f"0100007F:{port}"]


def test_who_waits_for_events_and_goes_away_holds_no_place(tmp_path: Path) -> None:
    """G4: waiting requests that were given up do not count against their address."""
    wait = b"GET /api/events?wait=25 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with _page(tmp_path) as url, httpx.Client(base_url=url, trust_env=False, timeout=30) as good:
        _wait_until_ready(good)
        with ExitStack() as stack:
            _dawdlers(url, stack, AT_ONCE, wait)

            def is_full() -> bool:
                """One more each time: some are refused, since the good client holds a place while it asks."""
                _dawdlers(url, stack, 1, wait)
                return good.get("/healthz").status_code == 429

            wait_for(is_full)
        wait_for(lambda: good.get("/healthz").status_code == 200)


@pytest.mark.soak
def test_slow_and_many_clients_for_a_minute(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    """G4: 200 half heads, 200 half bodies, 20 chunked bombs and a flood; the good client's p99 on the wall clock."""
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    body = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\ntoken="
    bomb = b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" * 9000
    taken: list[float] = []
    with _page(tmp_path) as url, ExitStack() as stack, httpx.Client(base_url=url, trust_env=False) as good:
        _wait_until_ready(good)
        stop = threading.Event()
        flood = threading.Thread(target=_flood, args=(url, stop))
        ears = _dawdlers(url, stack, 100, head) + _dawdlers(url, stack, 100, body)
        _dawdlers(url, stack, 20, bomb)
        flood.start()
        try:
            began = time.monotonic()
            while time.monotonic() - began < 60:
                at = time.monotonic()
                assert good.get("/readyz").status_code in (200, 429)
                taken.append(1000 * (time.monotonic() - at))
                stop.wait(0.05)
        finally:
            stop.set()
            flood.join()
        assert _closed(ears) == len(ears)
    p99 = statistics.quantiles(taken, n=100)[98]
    figure("G4", f"good client's p50 {statistics.median(taken):.0f} ms, p99 {p99:.0f} ms over {len(taken)} requests; "
                 f"all {len(ears)} dawdlers were shown out")
    assert p99 <= 500


def _flood(url: str, stop: threading.Event) -> None:
    with httpx.Client(base_url=url, trust_env=False) as client:
        while not stop.is_set():
            began = time.monotonic()
            for _ in range(50):
                client.get("/healthz")
            stop.wait(max(0.0, 0.25 - (time.monotonic() - began)))


def _wait_until_ready(good: httpx.Client) -> None:
    def is_ready() -> bool:
        try:
            return good.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    wait_for(is_ready)
