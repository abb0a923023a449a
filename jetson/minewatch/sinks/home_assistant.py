"""Home Assistant finds the watch by itself: one retained configuration for each of its binary sensors.

The alarm of a camera is `unavailable` while the camera is not judged, never `safe`; all of them become so when the
watch or its broker is away, or says nothing for EXPIRES seconds.
https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from ..status import Status
from .topics import camera_topic

EXPIRES = 180  # seconds; states are told again every mqtt.REFRESH seconds


def discovery(status: Status, discovery_prefix: str, prefix: str, box: str) -> dict[str, str]:
    """Topic and payload of each sensor's configuration. prefix: of our own topics; box: tells watches apart."""
    node = f"minewatch_{box}"
    device = {"identifiers": [node], "name": f"minewatch {status.site}", "manufacturer": "MineHat",
              "model": "minewatch", "sw_version": status.version}
    return {f"{discovery_prefix}/binary_sensor/{node}/{key}/config":
            json.dumps({"unique_id": f"{node}_{key}", "device": device, **sensor}, ensure_ascii=False)
            for key, sensor in _sensors(status, prefix)}


def _sensors(status: Status, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    online = {"topic": f"{prefix}/online"}
    yield "online", {"name": "online", "device_class": "connectivity", "state_topic": online["topic"],
                     "payload_on": "online", "payload_off": "offline"}
    yield "watching", {"name": "watching", "device_class": "running", "state_topic": f"{prefix}/watching",
                       "availability": [online], "expire_after": EXPIRES, "json_attributes_topic": f"{prefix}/state"}
    for camera in status.cameras:
        base = camera_topic(camera.name, prefix)
        yield f"{_key(camera.name)}_alarm", {
            "name": f"{camera.name} alarm", "device_class": "safety", "state_topic": f"{base}/alarm",
            "availability": [online, {"topic": f"{base}/judged"}], "availability_mode": "all",
            "expire_after": EXPIRES}
        yield f"{_key(camera.name)}_problem", {
            "name": f"{camera.name} problem", "device_class": "problem", "state_topic": f"{base}/problem",
            "availability": [online], "expire_after": EXPIRES, "json_attributes_topic": f"{base}/state"}


def _key(name: str) -> str:
    """Letters, digits, _ and - are allowed; names that had others differ by what is behind the last _."""
    plain = re.sub(r"[^a-zA-Z0-9-]", "_", name)
    return plain if plain == name else f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"
