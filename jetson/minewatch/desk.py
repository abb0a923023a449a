"""The desk: where verdicts are written down, and only then told; where clips are asked for and arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .clock import Clock
from .config.schema import ClipsPart
from .events.event import Event, Kept
from .events.files import Snapshot
from .events.recorder import Recorder
from .judging.verdict import Verdict
from .logs import logger
from .post import Post
from .posts import Posts
from .scribe import Scribe

log = logger("events")
WITH_PICTURES = ("bare_head", "intruder")  # events that get a snapshot and a clip


class Desk:
    """Between the parts that decide and the store that keeps. told: called after events were committed."""

    def __init__(self, recorder: Recorder, scribe: Scribe, clock: Clock, clips: ClipsPart,
                 told: Callable[[Kept, float], None]) -> None:
        self.clips = clips
        self._running: dict[str, int] = {}  # path of a clip that a camera writes -> its event
        self._recorder, self._scribe, self._clock, self._told = recorder, scribe, clock, told

    def tell(self, verdicts: Iterable[Verdict], camera: str = "", snapshot: Callable[[], Snapshot] | None = None,
             camera_time: float | None = None) -> None:
        """Hand verdicts to the writer. snapshot: makes the picture of one that gets a picture."""
        for verdict in verdicts:
            event = self._scribe.event_of(verdict, camera, camera_time)
            picture = _made(snapshot) if snapshot and event.kind in WITH_PICTURES else None
            self._recorder.put(event, picture, verdict.seconds)

    def turn(self, posts: Posts) -> None:
        """Pass on what is on disk now, ask for clips, and note those that are done."""
        for kept, seconds in self._recorder.committed():
            _log(kept)
            self._told(kept, seconds)
            if self.clips.enabled and kept.event.kind in WITH_PICTURES and kept.event.camera in posts:
                self._ask(posts[kept.event.camera], kept)
        for clip in posts.clips():
            self._recorder.clip_done(self._running.pop(clip.path), clip.bytes, clip.fault)

    def _ask(self, post: Post, kept: Kept) -> None:
        """Have the camera copy its stream, from before the person was seen until after now."""
        path = self._recorder.clip_path(kept)
        if path is not None:
            self._running[str(path)] = kept.seq
            now, wall = self._clock.monotonic(), self._clock.wall()
            post.camera.clip(str(path), now - (wall - kept.event.began) - self.clips.before, now + self.clips.after)


def _made(snapshot: Callable[[], Snapshot]) -> Snapshot | None:
    """The picture, or None where there is no memory for it: the event goes on without."""
    try:
        return snapshot()
    except Exception as exc:
        log.error("a snapshot could not be made", exc_info=exc)
        return None


def _log(kept: Kept) -> None:
    event: Event = kept.event
    told = {name: value for name, value in (("camera", event.camera), ("zone", event.zone), ("cause", event.cause),
                                            ("remark", event.remark)) if value}
    (log.warning if event.loud else log.info)(event.kind, seq=kept.seq, loud=event.loud, **told)
