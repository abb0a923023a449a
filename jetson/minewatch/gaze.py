"""What comes of a look: judged, drawn for who watches the page, kept for a model's trial, and given back."""

from __future__ import annotations

from collections.abc import Callable

from minehat.detections import Detections

from .album import Album
from .cameras.picture import Picture
from .desk import Desk
from .detection.answers import Answer
from .events.files import Snapshot
from .metrics import Metrics
from .painting import live_jpeg
from .post import Post
from .posts import Posts
from .web.server import Page

LIVE = 0.2  # seconds between two pictures of a camera that somebody looks at
GLANCE = 5.0  # the same of one that nobody looks at, so that a page has something to begin with


class Gaze:
    """Takes the detector's answers."""

    def __init__(self, posts: Posts, desk: Desk, page: Page, metrics: Metrics) -> None:
        self.album = Album()
        self._posts, self._desk, self._page, self._metrics = posts, desk, page, metrics
        self._shown: dict[str, float] = {}  # camera -> when the page got its last picture

    def take(self, answer: Answer[Picture], now: float) -> None:
        """Judge what was found in a batch, and free its pictures."""
        self._metrics.batch(answer.ms, len(answer.pictures))
        for picture, found in zip(answer.pictures, answer.found, strict=True):
            if picture.camera in self._posts:
                self._look(self._posts[picture.camera], picture, found, now)
            picture.free()

    def _look(self, post: Post, picture: Picture, found: Detections, now: float) -> None:
        """An error of ours with one camera is a fault of it, and does not end the watch."""
        try:
            self._weigh(post, picture, found, now)
        except Exception as exc:
            self._desk.tell(post.stumbled(now, exc), picture.camera)

    def _weigh(self, post: Post, picture: Picture, found: Detections, now: float) -> None:
        verdicts = post.judged(picture, found, now)
        self._metrics.looked(picture.camera, now - picture.arrived.moment)
        self._desk.tell(verdicts, picture.camera, _snapshots(post, picture), picture.arrived.camera_time)
        self.album.offer(picture.pixels, len(found), now)
        every = LIVE if picture.camera in self._page.viewed else GLANCE
        if now - self._shown.get(picture.camera, float("-inf")) >= every:
            self._shown[picture.camera] = now
            self._page.picture(picture.camera, live_jpeg(picture.pixels, post.tracks))


def _snapshots(post: Post, picture: Picture) -> Callable[[], Snapshot]:
    """Makes the snapshot of an event: a copy of the frame, since its memory goes back to the camera."""
    return lambda: Snapshot(picture.pixels.copy(), post.tracks)
