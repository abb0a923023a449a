"""Where frames come from: pictures, folders of pictures, videos and cameras, one shot after another."""

from __future__ import annotations

from collections.abc import Iterator

from .errors import MineHatError
from .inputs import Input, OnError, is_url, listed, without_secrets
from .pictures import read_picture
from .videos import Shot, read_video, said_frames

__all__ = ["Input", "OnError", "Shot", "count_frames", "frames_of", "is_url", "listed", "shots",
           "without_secrets"]


def shots(sources: list[str], on_error: OnError) -> Iterator[Shot]:
    """Every frame of every source in turn. What cannot be read goes to `on_error`, and the rest goes on.

    A source is a picture, a folder (the pictures that lie in it, by name; not its subfolders or hidden
    files), a video, or a camera's URL. A video or camera that stops early counts as failed after its
    last good frame.
    """
    yield from frames_of(listed(sources, on_error), on_error)


def frames_of(inputs: list[Input], on_error: OnError) -> Iterator[Shot]:
    """As `shots`, of inputs that were listed."""
    for one in inputs:
        try:
            if one.is_picture:
                yield Shot(one.name, read_picture(one.place))
            else:
                yield from read_video(one)
        except MineHatError as exc:
            on_error(exc)


def count_frames(inputs: list[Input]) -> int | None:
    """How many frames to expect; None where a camera, or a video that does not say, is among them."""
    counts = [1 if one.is_picture else 0 if one.is_camera else said_frames(one) for one in inputs]
    return sum(counts) if all(counts) else None
