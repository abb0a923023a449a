"""What can be told of the machine and of a running watch, from the outside."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.machine import cpu_name
from minehat.telemetry import sysfs

from .web.address import address_of

PACKAGES = ("minehat", "numpy", "av", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt",
            "opencv-python-headless", "pydantic", "ruamel.yaml", "starlette", "uvicorn", "jinja2", "paho-mqtt",
            "prometheus-client", "structlog", "httpx", "lap")
SECONDS = 5.0  # for the page to answer
UNIT = "minewatch"  # of systemd
READ_WHOLE = {"kernel": "/proc/version", "jetpack": "/etc/nv_tegra_release", "nvidia": "/proc/driver/nvidia/version",
              "load": "/proc/loadavg", "uptime_seconds": "/proc/uptime", "memory_pressure": "/proc/pressure/memory",
              "disk_pressure": "/proc/pressure/io"}
MEMORY = ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree", "CmaTotal", "CmaFree")


def versions() -> dict[str, str]:
    """Of Python and of the packages that the watch uses, as far as they are here."""
    told = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            told[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return told


def machine(state: Path) -> dict[str, Any]:
    """Facts of the kernel, and of the disk and folder that events are kept on."""
    told: dict[str, Any] = {"cpu": cpu_name(), "cores": os.cpu_count(), "platform": platform.platform()}
    told |= {name: text for name, file in READ_WHOLE.items() if (text := _text(Path(file)))}
    memory = (line.partition(":") for line in _text(Path("/proc/meminfo")).splitlines())
    told["memory"] = {name: amount.strip() for name, _, amount in memory if name in MEMORY}
    told["celsius"] = dict(_celsius())
    told["disks"] = {str(place): _disk(place) for place in (Path("/"), state) if place.exists()}
    told["state"] = dict(sorted(_sizes(state)))
    return told


def log_tail(file: Path | None, most: int) -> str:
    """The end of the log: of the file and the one before it, or, where there is none, of the journal."""
    if file:
        older = file.with_name(f"{file.name}.1")
        raw = b"".join(_end(each, most + 1) for each in (older, file) if each.is_file())
        whole = raw if len(raw) <= most else raw[-most:].partition(b"\n")[2]  # half a line could hold half a secret
        return whole.decode("utf-8", "replace")
    if not shutil.which("journalctl"):
        raise MineHatError("no log.file is named, and there is no journal here.")
    asked = ["journalctl", "-u", UNIT, "-n", "3000", "-o", "cat", "--no-pager", "--quiet"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, errors="replace", timeout=20, check=False).stdout
    except subprocess.TimeoutExpired as exc:
        raise MineHatError("the journal did not answer.") from exc
    if not told.strip():  # it ends with 0 all the same
        raise MineHatError(f"the journal shows this user nothing of {UNIT}: type the same as root.")
    return told


def page(listen: str, path: str) -> str:
    """What the page of a running watch answers. Raises MineHatError where it does not."""
    import httpx

    address = address_of(listen)
    transport = httpx.HTTPTransport(uds=address.path or None)
    base = "http://localhost" if address.path else address.url.rstrip("/")
    try:
        with httpx.Client(transport=transport, timeout=SECONDS, trust_env=False) as client:
            answer = client.get(base + path)
    except httpx.HTTPError as exc:
        raise MineHatError(f"the page does not answer: {exc}") from exc
    if answer.status_code in (401, 403) or answer.is_redirect:
        raise MineHatError("the page wants a login.")
    return answer.text


def _celsius() -> Iterator[tuple[str, float]]:
    for zone in sorted(Path("/sys/class/thermal").glob("thermal_zone*")):
        text = _text(zone / "temp")
        if text.lstrip("-").isdecimal():
            yield f"{zone.name} {_text(zone / 'type')}", int(text) / 1000


def _disk(place: Path) -> dict[str, int]:
    found = os.statvfs(place)
    return {"bytes": found.f_blocks * found.f_frsize, "free_bytes": found.f_bavail * found.f_frsize,
            "free_files": found.f_favail}


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    """Bytes of each file right in it, and of each folder below it."""
    if not folder.is_dir():
        return
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield entry.name + "/", sum(os.lstat(os.path.join(root, name)).st_size
                                        for root, _, names in os.walk(entry.path) for name in names)
        else:
            yield entry.name, entry.stat(follow_symlinks=False).st_size


def _end(file: Path, most: int) -> bytes:
    with open(file, "rb") as opened:
        opened.seek(max(0, os.fstat(opened.fileno()).st_size - most))
        return opened.read(most)


def _text(file: Path) -> str:
    return (sysfs.text(file) or "")[:4000]  # a thermal zone of a part that sleeps answers EAGAIN
