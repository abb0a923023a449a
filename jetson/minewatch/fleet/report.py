"""How a box stands, in one file for whoever collects them: no picture, and no secret that its configuration knows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.inputs import is_url

from ..config.load import read_partly
from ..config.shown import words_of
from ..events.event import iso
from ..machine_facts import machine, versions
from ..redact import Redactor
from .ledger import Ledger, folder_of
from .refusal import NotTaken
from .sources import Login, answered, client_of, quoted, told

FORMAT = 1
FILE = "report.json"  # the box's own copy, in its state folder
LAST = 10  # applied and refused updates that are named


def report_of(about: dict[str, Any], ledger: Ledger, state: Path, config: Path, wall: float) -> str:
    """JSON. about: what the watch says of itself, see `Updates`."""
    fields = {"format": FORMAT, "time": iso(wall), **about, "updates": _updates(ledger), "versions": versions(),
              "machine": machine(state)}
    tree, read, mistakes = read_partly(config)
    hide = Redactor({*(words_of(tree) if tree else ()), *(Redactor.of(read).secrets if read else ())})
    return hide(json.dumps({**fields, "config_mistakes": len(mistakes)}, indent=1, ensure_ascii=False)) + "\n"


def deliver(text: str, state: Path, place: str, name: str, login: Login) -> None:
    """Keep it in the state folder, and bring it where the configuration says: "" for nowhere. Raises NotTaken.

    A folder that is not there, as of a stick that is out, is no fault.
    """
    try:
        write_whole(folder_of(state) / FILE, text)
        if place and not is_url(place) and Path(place).is_dir():
            write_whole(Path(place) / name, text)
    except (MineHatError, OSError) as exc:
        raise NotTaken("place", str(exc)) from exc
    if is_url(place):
        _put(f"{place}/{quoted(name)}", text, login)


def name_of(site: str, box: str) -> str:
    """Of the file: of letters that every file system takes."""
    return "-".join(re.sub(r"[^\w.-]+", "_", part).strip("._") or "_" for part in (site, box)) + ".json"


def _updates(ledger: Ledger) -> dict[str, Any]:
    return {"running": ledger.build, "newest": ledger.newest, "applied": list(ledger.applied[-LAST:]),
            "refused": dict([*ledger.refused.items()][-LAST:]), "troubles": ledger.told}


def _put(url: str, text: str, login: Login) -> None:
    import httpx

    try:
        with client_of(login) as client, client.stream("PUT", url, content=text.encode(),
                                                      headers={"Content-Type": "application/json"}) as answer:
            if not 200 <= answer.status_code < 300:
                raise NotTaken("source", answered(answer.status_code))
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise NotTaken("source", told(exc)) from exc
