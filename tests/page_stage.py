"""A page to test: a state folder with events and pictures, a watch that says whatever the test wants it to say."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from minehat.scenes import picture
from minewatch.clock import SystemClock
from minewatch.config.schema import Config
from minewatch.events.event import Event, Kept
from minewatch.events.records import Media, media_path
from minewatch.events.store import Store
from minewatch.painting import live_jpeg
from minewatch.status import CameraStatus, DetectorStatus, SinkStatus, Status, StorageStatus, TrackStatus
from minewatch.web.app import page_app
from minewatch.web.board import Board
from minewatch.web.messages import FromPage, Live, News, setup_of

HOST = "http://localhost:8787"
YAML = """\
# The mine's own words stay where they are.
version: 1
site: North mine
state: state
model: {file: helmet.onnx}
cameras:
  - name: Gate 2  # by the lamp room
    url: rtsp://camera.example/stream
    user: watch
    password: {value: geheim}
  - name: 三号巷道
    url: rtsp://camera3.example/stream
    zones:
      - name: belt  # the old belt
        points: [[0.1, 0.5], [0.5, 0.5], [0.5, 0.9]]
        rules: {seconds: 2.5}
web:
  listen: 127.0.0.1:8787
"""


def config_at(folder: Path, **web: Any) -> tuple[Config, Path]:
    """The configuration in a folder, and its file. web: keys of that part."""
    from ruamel.yaml import YAML as Yaml

    path = folder / "minewatch.yaml"
    path.write_text(YAML)
    path.chmod(0o600)  # it holds a password
    told = Yaml(typ="safe").load(YAML)
    told["web"].update(web)
    return Config.model_validate(told), path


def status_of(cameras: Sequence[CameraStatus] = (), watching: bool = True, **changes: Any) -> Status:
    """How a watch stands that has just told so; `cameras` left out are the two of the configuration, live."""
    clock = SystemClock()
    cameras = tuple(cameras) or tuple(map(live_camera, ("Gate 2", "三号巷道")))
    now = clock.wall()
    status = Status(now, clock.monotonic(), "1.0", "North mine", now - 5000, watching, "", (), cameras,
                    DetectorStatus("ready", "helmet-nano", "ort", "ab" * 32, batch_ms=61.0),
                    StorageStatus("well", media_bytes=3 * 10**9, quota_bytes=2 * 10**10, free_bytes=9 * 10**10),
                    (SinkStatus("mqtt", "well"),), rss_bytes=140_000_000)
    return replace(status, **changes)


def live_camera(name: str, **changes: Any) -> CameraStatus:
    """A camera that all is well with."""
    return replace(CameraStatus(name, "live", since=SystemClock().wall() - 4000, width=1280, height=720, fps=25.0,
                                looked=12.4, age_ms=88.0, last_frame=0.05, last_looked=0.1, opened=1), **changes)


@cache
def scene(seed: int, people: int = 3) -> Any:
    """A frame and its heads."""
    return picture(seed, 640, 360, people)


def jpeg_of(seed: int, tracks: Sequence[TrackStatus] = ()) -> bytes:
    """A picture of a mine, as the watch would send it."""
    return live_jpeg(scene(seed).frame, tracks)


def bare_head(seconds_ago: float = 5.0, camera: str = "Gate 2", **changes: Any) -> Event:
    """Somebody without a helmet."""
    now = SystemClock().wall()
    event = Event("bare_head", now - seconds_ago, camera, began=now - seconds_ago - 1.2, track=7, score=0.91,
                  box=(0.4, 0.3, 0.46, 0.42), count=1, loud=True)
    return replace(event, **changes)


def end_of(event: Event, seconds: float = 30.0) -> Event:
    """What ends it."""
    kinds: Any = {"bare_head": "bare_head_ended", "camera_fault": "camera_well"}
    return Event(kinds[event.kind], event.time + seconds, event.camera, event.zone, incident=event.incident)


class Stage:
    """A page in this process, spoken to without a network."""

    def __init__(self, folder: Path, **web: Any) -> None:
        self.config, self.path = config_at(folder, **web)
        self.folder = folder / "state"
        self.store = Store.writer(self.folder)
        self.clock = SystemClock()
        self.board = Board(setup_of(self.config, self.path), self.clock)
        self.said: list[FromPage] = []
        self.loop = asyncio.new_event_loop()
        self.reader = Store.reader(self.folder)
        self.app = page_app(self.board, self.reader, self.said.append, self.clock)
        self.tell()

    def tell(self, status: Status | None = None) -> None:
        """The watch says how it stands."""
        status = status or status_of()
        newest = self.store.newest()
        storage = replace(status.storage, seq=newest.seq if newest else 0)
        self.board.take(News(replace(status, storage=storage), b"# HELP up Whether.\n# TYPE up gauge\nup 1\n"))

    def show(self, camera: str, jpeg: bytes) -> None:
        """A picture comes."""
        self.board.take(Live(camera, jpeg, self.clock.monotonic()))

    def happen(self, *events: Event) -> list[Kept]:
        """Events are committed, and told of."""
        kept = self.store.append_all(events)
        self.tell()
        return kept

    def keep(self, seq: int, kind: str, content: bytes) -> Path:
        """A snapshot or a clip is on disk."""
        kept = self.store.event(seq)
        assert kept is not None
        name: Any = kind
        path = media_path(kept, name)
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(content)
        self.store.set_media(Media(seq, name, "kept", str(path), len(content)))
        return self.folder / path

    def browser(self, address: str = "127.0.0.1", **headers: str) -> Browser:
        """Somebody who asks, from that address."""
        return Browser(self, address, headers)

    def close(self) -> None:
        """Let go of the database."""
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.reader.close()
        self.store.close()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Browser:
    """Cookies are kept, redirections not followed."""

    def __init__(self, stage: Stage, address: str, headers: dict[str, str]) -> None:
        self._stage, self._headers = stage, headers
        self._transport = httpx.ASGITransport(stage.app, raise_app_exceptions=True, client=(address, 40000))
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request."""
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url=HOST, cookies=self.cookies,
                                         headers=self._headers) as client:
                answer = await client.request(method, path, **more)
                self.cookies = client.cookies
                return answer
        return self._stage.loop.run_until_complete(asked())

    def get(self, path: str, **more: Any) -> httpx.Response:
        """A page, or what else there is."""
        return self.ask("GET", path, **more)

    def post(self, path: str, fields: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """A form with this session's token, as the page that bears it would send it."""
        form = self.get("/login")
        token = re.search(r'data-token="(\w+)"', form.text or self.get("/").text)
        assert token is not None
        return self.ask("POST", path, data={"token": token[1], **(fields or {})}, **more)

    def tell(self, path: str, told: Any, **headers: str) -> httpx.Response:
        """JSON, as a program sends it."""
        return self.ask("POST", path, content=json.dumps(told),
                        headers={"Content-Type": "application/json", "X-Minewatch": "1", **headers})


def snapshot_jpeg(seed: int = 3) -> bytes:
    """A picture with a box, as an event keeps it."""
    import cv2

    frame = scene(seed).frame.copy()
    for box in np.round(scene(seed).boxes).astype(int).tolist():
        cv2.rectangle(frame, tuple(box[:2]), tuple(box[2:]), (50, 60, 235), 2)
    return bytes(cv2.imencode(".jpg", frame)[1])


def clip_mp4(path: Path) -> bytes:
    """Two seconds of H.264 in fragments, as the watch copies them out of a stream."""
    import av

    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(path), "w", options=options) as film:
        stream = film.add_stream("libx264", rate=10, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(20):
            still = np.full((180, 320, 3), 10 * number, np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(still, format="bgr24")))
        film.mux(stream.encode())
    return path.read_bytes()
