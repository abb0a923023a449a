"""From a camera's part of the configuration to what its reader is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from minehat.inputs import is_url

from ..config.schema import CameraPart
from ..config.secrets import revealed
from .address import address_of
from .source import Plan

DEVICE = "/dev/"


def plan_of(part: CameraPart, base: Path, before: float) -> Plan:
    """What a reader is told of this camera. Relative paths lie in `base`. Raises MineHatError for a wrong URL."""
    plan = Plan("files", part.url, part.user, revealed(part.password), part.transport, part.decoder, part.most_fps,
                part.widest, part.stall_seconds, part.repeat, before)
    if is_url(part.url):
        address = address_of(part.url)
        return replace(plan, kind="stream", place=address.open_url, user=part.user or address.user,
                       password=plan.password or address.password)
    if part.url.startswith(DEVICE):
        return replace(plan, kind="usb")
    return replace(plan, place=str(base / Path(part.url).expanduser()))
