"""python -m minebench.lab.faultcam CLIP... [--mounts 12] [--user U --password P [--digest]] [--port 8554]

An RTSP server that plays H.264 or H.265 clips in endless loops, in real time, and goes wrong when told to.
Without a clip it plays moving blocks. On standard input, one line at a time:

    cam0 stall on        one camera's fault, and `off` again; `all` for every camera. Faults: stall, still, garbage,
                         zero, silent, missing, locked (on or off), jump SECONDS, clock SECONDS, clip NUMBER,
                         redirect URL, streams NUMBER, giant PIXELS, ticks NUMBER
    cam0 well            no fault any more
    cut                  end all connections (`cut cam0`: of one camera)
    refuse on            no new connections
    freeze / thaw        the whole server stands still, as a stopped process does
    quit                 as the end of standard input does

It listens on this machine only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ssl
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from minehat.errors import MineHatError

from .clips import Clip, blocks, read_clip
from .conversation import Conversation
from .faults import Faults
from .mount import Mount
from .obeyed import change_of, obey_lines
from .rtsp import Guard
from .server import HOST, Server


class FaultCam(Server):
    """The cameras. A context manager; its methods may be called from any thread."""

    def __init__(self, clips: Sequence[Path | Clip], mounts: int | None = None, user: str = "", password: str = "",
                 digest: bool = False, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """mounts: how many cameras, cam0 ..., as many as clips when None; they take the clips in turn.
        tls: with a certificate, for rtsps.

        Raises MineHatError where a clip cannot be played.
        """
        super().__init__(port, tls)
        read = [one if isinstance(one, Clip) else read_clip(one) for one in clips]
        count = len(read) if mounts is None else mounts
        self.mounts = {f"cam{number}": Mount(f"cam{number}", read, number % len(read)) for number in range(count)}
        self.guard = Guard(user, password, digest)
        self.requests: Counter[tuple[str, str]] = Counter()  # (method, camera) -> how many came so far

    def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Conversation:
        """RTSP."""
        return Conversation(reader, writer, self.mounts, self.guard, self._note)

    def url(self, number: int = 0, login: bool = False) -> str:
        """A camera's address; with user and password in it where wanted."""
        who = f"{quote(self.guard.user, '')}:{quote(self.guard.password, '')}@" if login else ""
        return f"rtsp{'s' if self.tls else ''}://{who}{HOST}:{self.port}/cam{number}"

    def fault(self, number: int | None = None, /, **changes: Any) -> None:
        """Change what is wrong with a camera, or with all: the fields of `Faults`."""
        for mount in self._named(number):
            mount.faults = replace(mount.faults, **changes)

    def well(self, number: int | None = None) -> None:
        """Nothing is wrong any more with a camera, or with all."""
        for mount in self._named(number):
            mount.faults = Faults()

    def cut(self, number: int | None = None) -> None:
        """End the connections to a camera, or all of them."""
        named = self._named(number)
        self._with_talks(lambda talk: talk.cut() if number is None or talk.mount in named else None)

    @property
    def viewers(self) -> int:
        """Connections that are being played to now."""
        return sum(mount.viewers for mount in self.mounts.values())

    def _named(self, number: int | None) -> list[Mount]:
        return list(self.mounts.values()) if number is None else [self.mounts[f"cam{number}"]]

    def _note(self, method: str, mount: str) -> None:
        self.requests[method, mount] += 1


def obey(cam: FaultCam, words: list[str]) -> None:
    """One line of the module's docstring. Raises MineHatError where it is not understood."""
    whole = {"cut": cam.cut, "freeze": cam.freeze, "thaw": cam.thaw}
    if len(words) == 1 and words[0] in whole:
        whole[words[0]]()
    elif len(words) == 2 and words[0] == "refuse":
        cam.refuse(words[1] == "on")
    elif len(words) == 2 and words[0] == "cut":
        cam.cut(_number(cam, words[1]))
    elif len(words) == 2 and words[1] == "well":
        cam.well(_number(cam, words[0]))
    elif len(words) == 3:
        cam.fault(_number(cam, words[0]), **change_of(Faults, words[1], words[2]))
    else:
        raise MineHatError(f"{' '.join(words)!r} is not understood. Say for instance: cam0 stall on")


def _number(cam: FaultCam, name: str) -> int | None:
    if name != "all" and name not in cam.mounts:
        raise MineHatError(f"{name} is no camera; there are {', '.join(cam.mounts)}, and all.")
    return None if name == "all" else int(name.removeprefix("cam"))


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path, metavar="CLIP", help="an H.264 or H.265 video")
    parser.add_argument("--mounts", type=int, help="cameras; as many as clips")
    parser.add_argument("--user", default="", help="who may look; everybody")
    parser.add_argument("--password", default="")
    parser.add_argument("--digest", action="store_true", help="ask for the password by digest, not basic")
    parser.add_argument("--port", type=int, default=8554, help="8554; 0: any free one")
    given = parser.parse_args(arguments)
    try:
        with contextlib.ExitStack() as stack:
            clips = given.clips or [stack.enter_context(_made_up())]
            cam = stack.enter_context(FaultCam(clips, given.mounts, given.user, given.password, given.digest,
                                               given.port))
            print(*(cam.url(number) for number in range(len(cam.mounts))), sep="\n", flush=True)
            obey_lines(lambda words: obey(cam, words))
    except MineHatError as exc:
        print(exc, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


@contextlib.contextmanager
def _made_up() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield blocks(Path(folder) / "blocks.mp4", 4)


if __name__ == "__main__":
    sys.exit(main())
