"""For tests of updates: keys, packed updates, a box without a watch, and a server that does as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from bright_onnx import bright_onnx
from hand_clock import NOON
from minewatch.berth import signing
from minewatch.config.load import read_config
from minewatch.fleet.ledger import folder_of
from minewatch.fleet.packing import Wish, pack
from minewatch.fleet.tasks import Done, Task, done

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
SITE = "North shaft"
TEXT = """# of the north
version: 1
site: North shaft
state: state
model: {{file: {model}}}
cameras:
  - name: gate  # the old one
    url: rtsp://192.0.2.1/live
    user: watch
    password: geheimnis
  - name: belt
    url: rtsp://192.0.2.2/live
rules:
  seconds: 2  # as agreed
"""


class Keys:
    """A pair of keys."""

    def __init__(self, folder: Path, name: str = "mine") -> None:
        self.private, self.public = folder / f"{name}.key", folder / f"{name}.pem"
        signing.new_key(self.private, self.public)


class Box:
    """A configuration and a state folder; errands are done in this process, as theirs would."""

    def __init__(self, folder: Path, keys: Keys, **updates: object) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.model = bright_onnx(folder / "old.onnx")
        self.config = folder / "minewatch.yaml"
        self.text = TEXT.format(model=self.model) + f"updates: {json.dumps(updates)}\n"
        self.config.write_text(self.text)
        self.config.chmod(0o600)
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        self.key = keys.public

    def task(self, what: str, *sources: object, **more: object) -> Task:
        told = {"key": str(self.key), "site": SITE, "box": "north-1", "wall": NOON, **more}
        return Task(what, str(self.config), str(self.state), sources=tuple(map(str, sources)), **told)

    def does(self, what: str, *sources: object, **more: object) -> Done:
        """An errand, here and now."""
        return done(self.task(what, *sources, **more))

    def takes(self, place: object) -> Done:
        """Look there, try and keep what is found, as when all goes well."""
        found = self.does("look", place)
        assert found.digest, found
        assert self.does("apply", digest=found.digest).digest
        self.does("keep", digest=found.digest)
        return found

    @property
    def ledger(self) -> dict:
        return json.loads((folder_of(self.state) / "ledger.json").read_text())

    def reads(self):
        """What its configuration says now."""
        return read_config(self.config)


def packed(out: Path, keys: Keys, later: float = 0.0, site: str = SITE, **wish: object):
    """An update of so many seconds after noon; without a wish one that changes a rule."""
    if not wish.keys() & {"models", "change"}:
        wish["change"] = "rules: {frames: 7}"
    if isinstance(wish.get("change"), str):
        change = out.parent / f"{out.name}.change.yaml"
        out.parent.mkdir(parents=True, exist_ok=True)
        change.write_text(wish["change"])
        wish["change"] = change
    return pack(out, Wish(site, **wish), keys.private, NOW + timedelta(seconds=later))


def signed_anew(folder: Path, keys: Keys, edit: Callable[[dict], None]) -> None:
    """Change what MANIFEST.json says, and sign it, as only the owner of the key could."""
    told = json.loads((folder / "MANIFEST.json").read_text())
    edit(told)
    (folder / "MANIFEST.json").write_text(json.dumps(told))
    signing.sign(folder / "MANIFEST.json", folder / "MANIFEST.sig", keys.private)


class Server:
    """Gives the files of a folder; `answer` may do otherwise, and returns whether it did. A context manager."""

    def __init__(self, folder: Path, tls=None) -> None:
        self.folder, self.asked, self.had, self.tls = folder, [], {}, tls
        self.answer: Callable[[BaseHTTPRequestHandler], bool] = lambda handler: False
        lab = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                lab.asked.append((self.path, dict(self.headers)))
                if not lab.answer(self):
                    self.give()

            def do_PUT(self) -> None:
                lab.asked.append((self.path, dict(self.headers)))
                lab.had[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
                self.say(201, b"")

            def give(self) -> None:
                file = lab.folder / unquote(self.path).lstrip("/")
                if not file.is_file():
                    return self.say(404, b"nothing")
                raw = file.read_bytes()
                start = int(self.headers.get("Range", "bytes=0-")[6:-1])
                self.say(206 if start else 200, raw[start:])

            def say(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # of clients that hang up, as they are meant to

        self._server = Quiet(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Server:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
