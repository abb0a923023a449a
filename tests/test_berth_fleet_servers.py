"""Updates from servers, kind and hostile ones: real ones on loopback."""

import socket
import ssl
import subprocess
import threading

import pytest
from bright_onnx import bright_onnx
from fleet_lab import SITE, Box, Keys, Server, packed
from minewatch.fleet import sources, tasks
from minewatch.fleet.report import name_of
from minewatch.fleet.staging import lying_in


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def box(tmp_path, keys):
    return Box(tmp_path / "box", keys)


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path) as server:
        yield server


def refusal(box, place, **more):
    """The one line that a look tells, and that it tells it once."""
    first = box.does("look", place, **more)
    assert not first.digest and len(first.refusals) == 1
    assert box.does("look", place, **more).refusals == ()
    assert box.config.read_text() == box.text and "\n" not in first.refusals[0][1]
    return first.refusals[0]


def test_an_update_comes_from_a_server_below_any_address(tmp_path, keys, box, server):
    packed(tmp_path / "mine/north 1", keys, models={"file": bright_onnx(tmp_path / "new one.onnx")})
    (tmp_path / "mine/north 1").rename(tmp_path / "mine/north")
    box.takes(f"{server.url}/mine/north")
    assert box.reads().model.file.name == "new one.onnx"
    count = len(server.asked)
    assert not box.does("look", f"{server.url}/mine/north").digest
    assert len(server.asked) == count + 1  # of what runs already the manifest alone is asked for


def test_a_server_with_nothing_is_no_fault(box, server):
    found = box.does("look", f"{server.url}/mine")
    assert not found.digest and not found.refusals


def test_no_redirect_is_followed(tmp_path, keys, box, server):
    """I7: nor is the password told there."""
    packed(tmp_path / "update", keys)

    def elsewhere(handler):
        if not handler.path.startswith("/else"):
            handler.say(302, b"", Location=f"{server.url}/else{handler.path}")
            return True
        return False

    server.answer = elsewhere
    cause, text = refusal(box, f"{server.url}/update")
    assert cause == "source" and "302" in text and "name the address itself" in text
    assert all(not path.startswith("/else") for path, _ in server.asked)


@pytest.mark.parametrize("status", [401, 403, 418, 500, 503])
def test_what_a_server_refuses_is_told_with_its_number(box, server, status):
    server.answer = lambda handler: handler.say(status, b"x" * 1000) is None
    assert str(status) in refusal(box, f"{server.url}/update")[1]


def test_a_server_that_says_nothing_is_left(box, monkeypatch):
    monkeypatch.setattr(sources, "PATIENCE", 0.3)
    with socket.socket() as ear:
        ear.bind(("127.0.0.1", 0))
        ear.listen()
        assert "said nothing" in refusal(box, f"http://127.0.0.1:{ear.getsockname()[1]}")[1]


def test_a_server_that_is_not_there_is_told(box):
    with socket.socket() as ear:
        ear.bind(("127.0.0.1", 0))
        port = ear.getsockname()[1]
    assert "cannot be asked" in refusal(box, f"http://127.0.0.1:{port}")[1]


@pytest.mark.parametrize("drip", [b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"], ids=["headers", "body"])
def test_a_server_that_drips_has_its_time_and_no_more(box, monkeypatch, drip):
    monkeypatch.setattr(tasks, "SOURCE_SECONDS", 0.6)
    stop = threading.Event()

    def dripping(ear):
        while not stop.is_set():
            try:
                line, _ = ear.accept()
            except OSError:
                return
            with line:
                try:
                    line.sendall(drip)
                    while not stop.wait(0.1):
                        line.sendall(b"T" if drip == b"H" else b" ")
                except OSError:
                    pass

    with socket.socket() as ear:
        ear.bind(("127.0.0.1", 0))
        ear.listen()
        ear.settimeout(0.2)
        thread = threading.Thread(target=dripping, args=(_patient(ear, stop),))
        thread.start()
        try:
            assert "within 0.6 s" in refusal(box, f"http://127.0.0.1:{ear.getsockname()[1]}")[1]
        finally:
            stop.set()
            thread.join()


class _patient:
    """A listening socket whose accept is given up when the test is over."""

    def __init__(self, ear, stop):
        self._ear, self._stop = ear, stop

    def accept(self):
        while not self._stop.is_set():
            try:
                line, address = self._ear.accept()
                line.settimeout(None)
                return line, address
            except TimeoutError:
                continue
        raise OSError


@pytest.mark.parametrize("length", [10 << 30, None], ids=["said before", "never said"])
def test_ten_gigabytes_are_not_read(tmp_path, keys, box, server, length):
    """I7: of a file more than was signed is never kept, whatever the server says of its length."""
    made = packed(tmp_path / "update", keys)
    sent = []

    def flood(handler):
        if not handler.path.endswith("change.yaml"):
            return False
        handler.send_response(200)
        if length:
            handler.send_header("Content-Length", str(length))
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        try:
            for _ in range(10_000):
                handler.wfile.write(b"x" * (1 << 20))
                sent.append(1)
        except OSError:
            return True
        return True

    server.answer = flood
    cause, text = refusal(box, f"{server.url}/update")
    assert cause == "source" and "more than" in text
    assert len(sent) < 100 and not list(lying_in(box.state, made.digest).rglob("*.part"))


def test_a_manifest_without_end_is_not_read(tmp_path, keys, box, server):
    packed(tmp_path / "update", keys)
    server.answer = lambda handler: handler.say(200, b" " * (3 << 20), 10 << 30) is None
    assert "longer than" in refusal(box, f"{server.url}/update")[1]


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_copy_that_broke_off_goes_on(tmp_path, keys, box, server, ranges):
    """With a server that knows ranges from where it stopped, with others from the beginning."""
    made = packed(tmp_path / "update", keys, models={"file": bright_onnx(tmp_path / "new.onnx")})
    whole = (tmp_path / "update/models/new.onnx").read_bytes()
    breaks = [True]

    def breaking(handler):
        if not handler.path.endswith(".onnx"):
            return False
        if breaks:
            breaks.pop()
            handler.say(200, whole[:700], len(whole))
            handler.close_connection = True
        elif ranges:
            handler.give()
        else:
            handler.say(200, whole)
        return True

    server.answer = breaking
    first = box.does("look", f"{server.url}/update")
    assert not first.digest and first.refusals[0][0] == "source"
    assert box.does("look", f"{server.url}/update").digest == made.digest
    last = [headers for path, headers in server.asked if path.endswith(".onnx")][-1]
    assert last.get("Range") == "bytes=700-"
    assert (lying_in(box.state, made.digest) / "models/new.onnx").read_bytes() == whole


def test_a_line_that_breaks_off_again_and_again_is_told_once(tmp_path, keys, box, server):
    """I7: as of a stick that is pulled out."""
    packed(tmp_path / "update", keys, models={"file": bright_onnx(tmp_path / "new.onnx")})

    def breaking(handler):
        if not handler.path.endswith(".onnx"):
            return False
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        handler.say(206 if start else 200, (tmp_path / "new.onnx").read_bytes()[start:start + 100], 1000)
        handler.close_connection = True
        return True

    server.answer = breaking
    assert "broke off" in refusal(box, f"{server.url}/update")[1]


def test_a_packed_answer_is_no_bomb(tmp_path, keys, box, server):
    """An answer that claims to be compressed is not unpacked; it is simply not what was signed."""
    import gzip

    packed(tmp_path / "update", keys)
    body = gzip.compress(b" " * (40 << 20), 9)
    server.answer = lambda handler: handler.say(200, body, Content_Encoding="gzip") is None
    assert "MANIFEST.sig there is longer" in refusal(box, f"{server.url}/update")[1]


def certificate(folder):
    """One of this machine's own, and its key."""
    told = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "tls.key",
            "-out", folder / "tls.pem"]
    subprocess.run(told, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    return folder / "tls.pem", context


def test_over_tls_certificates_count_and_the_password_goes_with_it(tmp_path, keys, box):
    ca, tls = certificate(tmp_path)
    made = packed(tmp_path / "update", keys)
    with Server(tmp_path, tls) as server:
        login = {"user": "boxes", "password": "geheim", "ca": str(ca)}
        assert "certificate" in refusal(box, f"{server.url}/update", login={**login, "ca": ""})[1]
        assert not server.asked
        found = box.does("look", f"{server.url}/update", login=login, report=f"{server.url}/reports",
                         about={"text": "x"})
        assert found.digest == made.digest
        assert {headers.get("Authorization") for _, headers in server.asked} == {"Basic Ym94ZXM6Z2VoZWlt"}
        assert b'"text": "x"' in server.had[f"/reports/{name_of(SITE, 'north-1')}"]


def test_a_report_that_is_not_taken_is_told_once(tmp_path, box, server):
    server.answer = lambda handler: False
    gone = f"http://127.0.0.1:{_free()}/reports"
    first = box.does("look", tmp_path, report=gone)
    assert len(first.refusals) == 1 and "(report)" in first.refusals[0][1]
    assert not box.does("look", tmp_path, report=gone).refusals


def _free():
    with socket.socket() as ear:
        ear.bind(("127.0.0.1", 0))
        return ear.getsockname()[1]


def test_a_proxy_of_the_environment_is_not_asked(tmp_path, keys, box, server, monkeypatch):
    packed(tmp_path / "update", keys)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{_free()}")
    assert box.does("look", f"{server.url}/update").digest


def test_the_alarm_of_a_look_is_put_back(box, tmp_path):
    import signal

    before = signal.getsignal(signal.SIGALRM)
    box.does("look", tmp_path)
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
