"""Moments and spans as people read them: in the local time of the box, with its zone."""

from __future__ import annotations

from datetime import datetime

from .words import Words


def local(seconds: float) -> datetime:
    """Wall clock seconds in the zone of the box."""
    return datetime.fromtimestamp(seconds).astimezone()


def day_and_time(seconds: float) -> str:
    """2026-11-22 10:20:44."""
    return local(seconds).strftime("%Y-%m-%d %H:%M:%S")


def time_of_day(seconds: float) -> str:
    """10:20:44."""
    return local(seconds).strftime("%H:%M:%S")


def zone_of(seconds: float) -> str:
    """UTC+08:00, as it was then."""
    text = local(seconds).isoformat()[-6:]
    return "UTC" if text == "+00:00" else f"UTC{text}"


def span(seconds: float, words: Words) -> str:
    """Rounded to what matters: 12 s, 5 min, 3 h 20 min, 4 d."""
    whole = max(0, int(seconds))
    if whole < 120:
        return words["span_seconds"].format(whole)
    if whole < 7200:
        return words["span_minutes"].format(whole // 60)
    if whole < 172800:
        return words["span_hours"].format(whole // 3600, whole % 3600 // 60)
    return words["span_days"].format(whole // 86400)


def moment_of(text: str) -> float | None:
    """Wall clock seconds of a form's `2026-11-22T10:20` in the zone of the box; None where it is none."""
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        return None
