"""GStreamer's own library as a guest: loaded where it is used, its absence explained."""

from __future__ import annotations

from typing import Any

from minehat.errors import Missing

PACKAGES = ("sudo apt install python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base "
            "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav")
VENV = "make the venv with --system-site-packages, from the system's own Python"
NO_PLAN_B = "Or say `decoder: pyav` for this camera."


def load_gstreamer() -> tuple[Any, Any]:
    """Gst and GstVideo, ready to use. Raises Missing, one line, where python3-gi or GStreamer are absent."""
    try:
        import gi

        gi.require_version("Gst", "1.0")
        gi.require_version("GstVideo", "1.0")
        from gi.repository import Gst, GstVideo
    except (ImportError, ValueError) as exc:
        raise Missing(f"GStreamer cannot be used from Python ({_line(exc)}): {PACKAGES}; {VENV}. {NO_PLAN_B}") from exc
    Gst.init(None)
    return Gst, GstVideo


def refuse_without(gst: Any, description: str) -> None:
    """Raises Missing where an element of a pipeline's description is not installed."""
    names = [part.split()[0] for part in description.split(" ! ") if "/" not in part.split()[0]]
    absent = [name for name in ("rtspsrc", "rtpjitterbuffer", *names) if gst.ElementFactory.find(name) is None]
    if absent:
        raise Missing(f"GStreamer has no {', '.join(absent)}: {PACKAGES}. {NO_PLAN_B}")


def _line(exc: BaseException) -> str:
    return str(exc).splitlines()[0]
