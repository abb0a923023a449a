"""Events in the JSON form that ONVIF has for MQTT, payload prefix `onvif-ej`.

The form of topic and payload is of the ONVIF Core Specification, "Event Broker": the topic is
<topic>/onvif-ej/<ONVIF topic without tns1:>/&<values of Source>, the payload UtcTime, Source and Data. What ONVIF has
no topic for stands in the namespace `minehat`.
"""

from __future__ import annotations

import json
from typing import Any

from ..events.event import Event, Kept, iso
from .topics import Message, level

PICTURE = {"dark": "VideoSource/ImageTooDark/AnalyticsService", "glare": "VideoSource/ImageTooBright/AnalyticsService",
           "blurred": "VideoSource/ImageTooBlurry/AnalyticsService",
           "covered": "VideoSource/GlobalSceneChange/AnalyticsService",
           "moved": "VideoSource/GlobalSceneChange/AnalyticsService"}
LOST = "VideoSource/SignalLoss"  # any other reason why a camera is blind
BOX = {"storage": "Device/HardwareFailure/StorageFailure", "detector": "Device/HardwareFailure/minehat:DetectorFailure"}


def onvif_messages(kept: Kept, prefix: str) -> list[Message]:
    """The event as ONVIF has it; none for what only the watch itself knows of, such as a new configuration."""
    event = kept.event
    if event.kind in ("bare_head", "bare_head_ended"):
        return [_ruled(event, prefix, "RuleEngine/minehat:BareHead", "State", event.kind == "bare_head")]
    if event.kind in ("intruder", "intruder_ended"):
        return [_ruled(event, prefix, "RuleEngine/FieldDetector/ObjectsInside", "IsInside", event.kind == "intruder")]
    if event.kind == "camera_fault":
        return [_message(event, prefix, PICTURE.get(event.cause, LOST), {"Source": event.camera}, {"State": True})]
    if event.kind == "camera_well":  # it does not say which fault has ended: none is left
        return [_message(event, prefix, topic, {"Source": event.camera}, {"State": False})
                for topic in dict.fromkeys([*PICTURE.values(), LOST])]
    part, _, state = event.kind.partition("_")
    if part in BOX:
        return [_message(event, prefix, BOX[part], {"Token": part}, {"Failed": state == "fault"})]
    return []


def _ruled(event: Event, prefix: str, topic: str, name: str, state: bool) -> Message:
    source = {"VideoSource": event.camera, "AnalyticsConfiguration": "minewatch", "Rule": event.zone or "picture"}
    return _message(event, prefix, topic, source, {name: state, "ObjectId": event.track, "Likelihood": event.score})


def _message(event: Event, prefix: str, topic: str, source: dict[str, str], data: dict[str, Any]) -> Message:
    where = "/".join(level(value).replace("&", "_") for value in source.values())
    payload = {"UtcTime": iso(event.time), "Source": source, "Data": {**data, "EventId": event.id}}
    return Message(f"{prefix}/onvif-ej/{topic}/&{where}", json.dumps(payload, ensure_ascii=False))
