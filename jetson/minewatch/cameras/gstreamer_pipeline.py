"""Pipelines of GStreamer as text, and whether Jetson's decoder is here. Pure; GStreamer itself is not needed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .source import Plan

CODECS = {"H264": "h264", "H265": "hevc"}  # RTP's names and ours
_PARTS = {"h264": ("rtph264depay", "h264parse", "video/x-h264", "avdec_h264"),
          "hevc": ("rtph265depay", "h265parse", "video/x-h265", "avdec_h265")}
FEW = 8  # decoded pictures that may wait for the reader before the oldest is dropped
UDP_LATENCY_MS = 100  # for packets that overtake each other
PLUGIN = "libgstnvvideo4linux2.so"  # Jetson's nvv4l2decoder
PLUGIN_FOLDERS = tuple(Path(folder) for folder in
                       ("/usr/lib/aarch64-linux-gnu/gstreamer-1.0", "/usr/lib/aarch64-linux-gnu/tegra/gstreamer-1.0",
                        "/usr/lib/gstreamer-1.0"))


def decoding(codec: str, hardware: bool) -> str:
    """From RTP packets to pictures of planes Y, U, V: `parser` sees each packet of the stream, `frames` each picture.

    Pictures stay in the camera's size and are turned into BGR only where one is looked at.
    """
    depay, parse, form, software = _PARTS[codec]
    decoder = "nvv4l2decoder ! nvvidconv" if hardware else f"{software} ! videoconvert"
    return (f"{depay} ! {parse} name=parser config-interval=-1 ! {form},stream-format=byte-stream,alignment=au"
            f" ! {decoder} ! video/x-raw,format=I420"
            f" ! appsink name=frames sync=false max-buffers={FEW} drop=true")


def connection(plan: Plan, seconds: float) -> dict[str, str | int]:
    """The properties of `rtspsrc`. User and password are their own, never part of a URL.

    seconds: that the camera may take to answer a request.
    """
    told: dict[str, str | int] = {
        "location": plan.place, "protocols": plan.transport, "tcp-timeout": round(1e6 * seconds), "timeout": 0,
        "latency": UDP_LATENCY_MS if plan.transport == "udp" else 0,
        "tls-validation-flags": 0,  # cameras sign their certificates themselves; libav does not ask either
        "buffer-mode": "none"}  # time stamps as the camera gives them: a leap among them tells of loss
    if plan.user is not None:
        told |= {"user-id": plan.user, "user-pw": plan.password or ""}
    return told


def wanted(plan: Plan, folders: Iterable[Path] = PLUGIN_FOLDERS) -> bool:
    """Whether this camera is read by GStreamer: where asked for, and by default where Jetson's decoder is."""
    if plan.kind != "stream" or plan.decoder == "pyav":
        return False
    return plan.decoder == "gstreamer" or jetson_decoder(folders)


def jetson_decoder(folders: Iterable[Path] = PLUGIN_FOLDERS) -> bool:
    """Whether nvv4l2decoder is installed."""
    return any((folder / PLUGIN).is_file() for folder in folders)
