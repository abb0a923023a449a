"""Do those answer who are to be told?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

from minehat.doctor import FAULT, WELL, Finding, looked_at
from minehat.errors import MineHatError

from ..config.schema import Config
from .reach import AT_ONCE, connected

PORTS = {"http": 80, "https": 443}
WAITS = "Events for it wait on the disk meanwhile"


def receivers(config: Config) -> Iterator[Finding]:
    """The broker and each webhook; a connection is made and closed."""
    places = [("broker", config.sinks.mqtt.host, config.sinks.mqtt.port)] if config.sinks.mqtt else []
    for hook in config.sinks.webhooks:
        url = urlsplit(hook.url)
        places.append((f"webhook {hook.name}", url.hostname or "", url.port or PORTS[url.scheme]))
    yield from looked_at([(place[0], partial(_answers, *place)) for place in places], AT_ONCE)


def _answers(what: str, host: str, port: int) -> Iterator[Finding]:
    try:
        connected(host, port).close()
        yield Finding(what, WELL, f"{host}:{port} takes connections")
    except MineHatError as exc:
        found, _, cure = str(exc).partition(". ")
        yield Finding(what, FAULT, found, WAITS, cure)
