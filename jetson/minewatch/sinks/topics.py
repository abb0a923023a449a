"""What is told under which MQTT topic: events as they come, and how the watch stands, kept by the broker.

    <topic>/online                            online, offline: the watch and its broker; offline is the last will
    <topic>/events/<camera>/<kind>            each event as JSON, with id and seq; camera is `watch` for the box's own
    <topic>/state                             how the watch stands, as JSON
    <topic>/watching                          ON while somebody looks through every camera
    <topic>/cameras/<camera>/state            how a camera stands, as JSON
    <topic>/cameras/<camera>/judged           online while its pictures are judged: else nothing is known of it
    <topic>/cameras/<camera>/alarm            ON while an incident of people is open
    <topic>/cameras/<camera>/problem          ON while the camera is blind

Nothing is ever subscribed to: the watch takes no commands.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..events.event import Kept, iso
from ..status import CameraStatus, Status

FORBIDDEN = str.maketrans({sign: "_" for sign in "/+#"})
LONGEST = 80  # characters of a level


@dataclass(frozen=True)
class Message:
    """One thing to publish."""

    topic: str
    payload: str


def level(name: str) -> str:
    """A name as one level of a topic: nothing in it opens another or is a wildcard. Cameras' names stay."""
    plain = "".join(sign if sign.isprintable() else "_" for sign in name.translate(FORBIDDEN))[:LONGEST]
    return plain or "_"


def event_message(kept: Kept, prefix: str) -> Message:
    """The event itself."""
    return Message(f"{prefix}/events/{level(kept.event.camera or 'watch')}/{level(kept.event.kind)}",
                   json.dumps(kept.to_dict(), ensure_ascii=False))


def states(status: Status, prefix: str) -> dict[str, str]:
    """Topic and payload of all that the broker keeps; figures that change all the time are left out."""
    told = {f"{prefix}/watching": _on(status.watching), f"{prefix}/state": json.dumps({
        "site": status.site, "version": status.version, "started": iso(status.started), "watching": status.watching,
        "detector": status.detector.standing, "storage": status.storage.standing,
        "clock_suspect": status.clock_suspect, "config_fault": status.config_fault,
        "cameras": {camera.name: camera.standing for camera in status.cameras}}, ensure_ascii=False)}
    for camera in status.cameras:
        base = camera_topic(camera.name, prefix)
        told[f"{base}/state"] = json.dumps(_camera(camera), ensure_ascii=False)
        told[f"{base}/judged"] = "online" if camera.standing == "live" and not camera.faults else "offline"
        told[f"{base}/alarm"] = _on(camera.open_incidents > 0)
        told[f"{base}/problem"] = _on(camera.standing not in ("live", "off") or bool(camera.faults))
    return told


def camera_topic(camera: str, prefix: str) -> str:
    """Where the states of a camera are."""
    return f"{prefix}/cameras/{level(camera)}"


def _camera(camera: CameraStatus) -> dict[str, Any]:
    return {"name": camera.name, "standing": camera.standing, "cause": camera.cause, "faults": camera.faults,
            "since": iso(camera.since), "open_incidents": camera.open_incidents,
            "size": [camera.width, camera.height]}


def _on(yes: bool) -> str:
    return "ON" if yes else "OFF"
