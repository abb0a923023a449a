"""The questions about cameras: typed, or found on the network; each is opened once, and told what it gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.inputs import is_url

from ..cameras.address import parted
from ..config.schema import CameraPart
from .drafts import complaint, config_from
from .onvif.probe import Device, cameras_here
from .onvif.streams import streams_of
from .terminal import Terminal

Told = dict[str, Any]
Look = Callable[[CameraPart], str]  # one line of what a camera gives; raises MineHatError with the cause
SEEK = "?"


class Cameras:
    """Asks for cameras until there are no more."""

    def __init__(self, terminal: Terminal, folder: Path, look: Look) -> None:
        self._terminal, self._folder, self._look = terminal, folder, look
        self._known: list[Told] = []

    def asked(self) -> list[Told]:
        """At least one, as the configuration has them."""
        self._terminal.say(f"\nCameras: rtsp://..., /dev/v4l/by-id/..., a video or a folder of pictures; {SEEK} asks "
                           "the network, by\nmulticast, which ONVIF cameras are there. Zones are drawn on the page, "
                           "later.")
        while True:
            number = len(self._known) + 1
            place = self._terminal.ask(f"Camera {number}", shown="no more" if self._known else "", check=self._wrong)
            if not place:
                return self._known
            camera = self._found() if place == SEEK else self._typed(place)
            if camera and self._seen(camera):
                name = self._terminal.ask("  Name", f"camera {number}", partial(self._bad_name, camera))
                self._known.append({"name": name, **camera})

    def _wrong(self, place: str) -> str:
        if not place:
            return "" if self._known else f"wanted one at least, or {SEEK}"
        if place == SEEK:
            return ""
        if fault := complaint({"cameras": [{"name": "stand-in", "url": place}]}, "cameras.0", self._folder):
            return fault
        there = is_url(place) or (self._folder / place).exists()
        return "" if there else f"{self._folder / place} is not there"

    def _bad_name(self, camera: Told, name: str) -> str:
        cameras = [*self._known, {**camera, "name": name}]
        return complaint({"cameras": cameras}, f"cameras.{len(self._known)}", self._folder)

    def _typed(self, place: str) -> Told:
        """What opens it. A user in the URL is taken out of it: the password goes into a file of its own."""
        if not is_url(place):
            path = self._folder / place
            video = path.is_file() and self._terminal.yes("  A video: begin it anew when it ends?", True)
            return {"url": str(path) if not place.startswith("/") else place, **({"repeat": True} if video else {})}
        told: Told = {**parted(place)}
        return told if "user" in told else {**told, **self._user()}

    def _user(self) -> Told:
        user = self._terminal.ask("  User", shown="none", check=self._no_line)
        password = self._terminal.secret("  Password", self._no_line) if user else ""
        return {key: value for key, value in (("user", user), ("password", password)) if value}

    def _no_line(self, text: str) -> str:
        camera = {"name": "stand-in", "url": "rtsp://stand-in", "user": text}
        return complaint({"cameras": [camera]}, "cameras.0.user", self._folder) if text else ""

    def _seen(self, camera: Told) -> bool:
        """Whether it is wanted, now that it was opened."""
        while True:
            self._terminal.say("  opening it ...")
            try:
                self._terminal.say(f"  {self._look(self._part(camera))}")
                return True
            except MineHatError as exc:
                self._terminal.say(f"  {exc}")
            wish = self._terminal.choose("  Try it again, keep it all the same, type it anew", ("again", "keep", "new"),
                                         "again")
            if wish != "again":
                return wish == "keep"

    def _part(self, camera: Told) -> CameraPart:
        model = {"state": "state", "model": {"file": "model.onnx"}}
        told: Told = {**model, "cameras": [{"name": "it", **camera}]}
        return config_from(told, self._folder).cameras[0]

    def _found(self) -> Told:
        """One of those that answer, its stream chosen; nothing where none is."""
        terminal = self._terminal
        terminal.say("  asking the network for cameras ...")
        devices = cameras_here()
        for row, device in enumerate(devices, 1):
            terminal.say(f"  {row}  {device.told}")
        if not devices:
            terminal.say("  none answered. Some must be told to speak ONVIF first; or type the stream's URL.")
            return {}
        chosen = self._number("  Which one", len(devices))
        return self._stream(devices[chosen - 1]) if chosen else {}

    def _stream(self, device: Device) -> Told:
        who = self._user()
        try:
            streams = [one for one in streams_of(device, who.get("user", ""), who.get("password", ""))
                       if not self._wrong(one.url)]
        except MineHatError as exc:
            self._terminal.say(f"  {exc}")
            return {}
        for row, stream in enumerate(streams, 1):
            self._terminal.say(f"  {row}  {stream.told}")
        chosen = self._number("  Which stream", len(streams), "1")
        return {"url": streams[chosen - 1].url, **who} if chosen else {}

    def _number(self, question: str, most: int, default: str = "") -> int:
        """1 to `most`; 0 for none of them."""
        answer = self._terminal.ask(question, default, shown=default or "none", check=lambda text: "" if not text or (
            text.isdecimal() and int(text) <= most) else f"wanted 1 to {most}, or 0 for none")
        return int(answer or 0)
