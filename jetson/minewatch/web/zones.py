"""Zones drawn on a camera's picture, and written into the configuration file, comments and all else left as it was."""

from __future__ import annotations

import io
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import write_whole
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.util import load_yaml_guess_indent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..config.load import config_of
from ..config.schema import ZonePart
from .alarms import Alarms
from .board import Board
from .ledger import Ledger, plain
from .messages import FromPage, Reload
from .people import needs, person_of
from .posts import BadPost, told_of
from .printer import Printer
from .sessions import Sessions

MOST = 32  # zones of a camera
WIDTH = 4096  # of a line, above which the writer would break it
DIGITS = 4  # of a share: a tenth of a pixel of 1000
ZONES = TypeAdapter(tuple[ZonePart, ...])
_writing = threading.Lock()


class Zones:
    """Its routes."""

    def __init__(self, board: Board, printer: Printer, alarms: Alarms, sessions: Sessions, ledger: Ledger,
                 say: Callable[[FromPage], None]) -> None:
        self._board, self._printer, self._alarms = board, printer, alarms
        self._sessions, self._ledger, self._say = sessions, ledger, say

    def routes(self) -> list[Route]:
        """/zones/NAME."""
        return [Route("/zones/{name}", needs("admin", self.editor), methods=["GET"]),
                Route("/zones/{name}", needs("admin", self.save), methods=["POST"])]

    async def editor(self, request: Request) -> Response:
        """The picture to draw on."""
        camera = self._board.setup.camera(request.path_params["name"])
        if camera is None:
            return self._printer.refused(request, 404, self._printer.words(request)["no_such_camera"])
        drawn = [zone.model_dump(mode="json", exclude_defaults=True) for zone in camera.zones]
        return self._printer.page(request, "zones.html", camera=camera, drawn=drawn, alarms=await self._alarms.now())

    async def save(self, request: Request) -> Response:
        """As JSON: {"zones": [...]}, each as the configuration has it."""
        camera = self._board.setup.camera(request.path_params["name"])
        if camera is None:
            return JSONResponse({"error": self._printer.words(request)["no_such_camera"]}, 404)
        try:
            zones = zones_of(told_of(request, await request.body(), self._sessions))
            await run_in_threadpool(write_zones, self._board.setup.config, camera.name, zones)
        except BadPost as exc:
            return JSONResponse({"error": str(exc)}, exc.status)
        except MineHatError as exc:
            return JSONResponse({"error": str(exc)}, 409)
        person = person_of(request)
        who = person.name if person else ""
        await run_in_threadpool(self._ledger.wrote, "zones_saved", who, f"{camera.name}: {len(zones)}")
        self._say(Reload())
        return JSONResponse({"saved": len(zones)})


def zones_of(told: Any) -> tuple[ZonePart, ...]:
    """What was drawn. Raises BadPost for what the configuration would not take."""
    if not isinstance(told, dict) or not isinstance(told.get("zones"), list) or len(told["zones"]) > MOST:
        raise BadPost(422, f'this wants {{"zones": [...]}} of at most {MOST} zones')
    try:
        zones = ZONES.validate_python(told["zones"])
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if isinstance(part, int) or part in ZonePart.model_fields)
        raise BadPost(422, plain(f"zones.{place}: {first['msg']}")) from None
    if len({zone.name for zone in zones}) < len(zones):
        raise BadPost(422, "two zones have one name")
    return zones


def write_zones(path: Path, camera: str, zones: tuple[ZonePart, ...]) -> None:
    """Put them into the configuration file. Raises MineHatError where it cannot be read or written, lost the camera, or
    would not be taken: then it is left as it was.

    Comments within the camera's old zones go with them; all others stay.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    with _writing:
        try:
            text = path.read_text("utf-8")
            _, yaml.sequence_indent, yaml.sequence_dash_offset = load_yaml_guess_indent(text, yaml=YAML())
            config = yaml.load(text)
            mine = next(one for one in config["cameras"] if one["name"] == camera)
        except (OSError, UnicodeError, YAMLError, KeyError, TypeError) as exc:
            raise MineHatError(f"{path} cannot be read: {exc}. Mend it, then draw again.") from exc
        except StopIteration:
            raise MineHatError(f"{path} has no camera {camera} any more. Load the page again.") from None
        mine["zones"] = CommentedSeq(_as_yaml(zone) for zone in zones)
        written = io.StringIO()
        yaml.dump(config, written)
        config_of(written.getvalue(), path, stat.S_IMODE(path.stat().st_mode))
        write_whole(path, written.getvalue())


def _as_yaml(zone: ZonePart) -> CommentedMap:
    """What differs from the defaults, points on one line."""
    told = CommentedMap(zone.model_dump(mode="json", exclude_defaults=True))
    points = CommentedSeq([round(x, DIGITS), round(y, DIGITS)] for x, y in zone.points)
    points.fa.set_flow_style()
    told["points"] = points
    return told
