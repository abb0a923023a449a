"""All cameras' posts: made from the configuration, fed fairly to the detector, changed by a reload."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .cameras.camera import Camera
from .cameras.messages import ClipDone
from .cameras.nursery import Nursery
from .cameras.picture import Picture
from .cameras.standing import Opener
from .clock import Clock
from .config.diff import Changes
from .config.schema import CameraPart, Config, DetectorPart
from .detection.fairness import Turns, Waiting, chosen
from .events.event import Event
from .faults import Faults
from .judging.history import History
from .judging.verdict import Verdict
from .judging.zones import changed
from .post import Post

Tell = Callable[[Iterable[Verdict], str], None]
LEAST_BEFORE = 0.1  # seconds of the stream that a reader keeps for clips; with 0 it could make none


class Posts(Mapping[str, Post]):
    """The posts of the cameras that are on, by name."""

    def __init__(self, config: Config, base: Path, classes: Sequence[str], clock: Clock, faults: Faults,
                 tell: Tell, nursery: Nursery, redact: Callable[[str], str]) -> None:
        self._nursery, self._redact = nursery, redact
        self._config, self._base, self._classes, self._clock = config, base, tuple(classes), clock
        self._faults, self._tell = faults, tell
        self.paces: Mapping[str, float] = {}  # looks a second that a camera may have, where they are held back
        self._opener, self._turns = Opener(), Turns()
        self._leaving: list[Camera] = []
        self._last_clips: list[ClipDone] = []  # of those who leave
        self._posts = {part.name: self._made(part) for part in config.cameras if part.enabled}

    def __getitem__(self, name: str) -> Post:
        return self._posts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._posts)

    def __len__(self) -> int:
        return len(self._posts)

    def waitables(self) -> list[Any]:
        """What the loop waits for."""
        return [one for post in self._posts.values() for one in post.camera.waitables()]

    def turn(self, now: float) -> None:
        """Hear all cameras, and the last words of those that leave."""
        for name, post in self._posts.items():
            self._tell(post.turn(now), name)
        for leaver in self._leaving:
            self._last_clips += [one for one in leaver.turn(now) if isinstance(one, ClipDone)]
        self._leaving = [leaver for leaver in self._leaving if not leaver.gone]

    def clips(self) -> list[ClipDone]:
        """Those that are done since the last call."""
        found, self._last_clips = self._last_clips, []
        for post in self._posts.values():
            found += post.clips
            post.clips = []
        return found

    def next_batch(self, part: DetectorPart, now: float) -> list[Picture]:
        """The newest pictures whose turn it is; those that are too old are let go of, looked at by nobody."""
        waiting = {name: Waiting(newest.arrived.moment, self._pace(post.part))
                   for name, post in self._posts.items() if (newest := post.camera.newest) is not None}
        choice = chosen(waiting, self._turns, part.batch, part.oldest_seconds, now)
        self._turns = choice.turns
        for picture in self._taken(choice.stale):
            picture.free()
        return self._taken(choice.chosen)

    def resume(self, incidents: Sequence[Event], now: float, wall: float) -> None:
        """After a restart: incidents that the run before left open go on."""
        for name, post in self._posts.items():
            post.resume([one for one in incidents if one.camera == name], now, wall)

    def replace(self, config: Config, found: Changes, now: float) -> None:
        """Take a new configuration, of which `found` tells what is different: what is the same goes on undisturbed."""
        clips, self._config = self._config.clips, config
        wanted = {part.name: part for part in config.cameras if part.enabled}
        for name in [name for name in self._posts if name not in wanted]:
            self._remove(name, now)
        for name, part in wanted.items():
            if name not in self._posts:
                self._posts[name] = self._made(part)
                continue
            if name in found.reopened or config.clips != clips:
                self._leave(self._posts[name].camera)
                self._tell(self._posts[name].reconnect(self._camera(part), now), name)
            self._tell(self._posts[name].change(part, config.rules, self._classes), name)

    def learn(self, classes: Sequence[str]) -> None:
        """Another model looks; it may name its classes in another order. None are known before the first is loaded."""
        if not classes or tuple(classes) == self._classes:
            return
        self._classes = tuple(classes)
        for name, post in self._posts.items():
            self._tell(post.change(post.part, self._config.rules, classes), name)

    def new_day(self) -> None:
        """Count people from 0 again."""
        for post in self._posts.values():
            post.new_day()

    def stop(self) -> None:
        """Ask all readers to finish and go."""
        for post in self._posts.values():
            self._leave(post.camera)

    @property
    def gone(self) -> bool:
        """Whether, after `stop`, all readers have gone."""
        return all(camera.gone for camera in self._leaving)

    def kill(self) -> None:
        """Those that would not go."""
        for camera in self._leaving:
            camera.kill()

    def _pace(self, part: CameraPart) -> float | None:
        """The most looks a second that a camera may have; None for all."""
        return min((pace for pace in (part.most_fps, self.paces.get(part.name)) if pace is not None), default=None)

    def _taken(self, names: Iterable[str]) -> list[Picture]:
        return [picture for name in names if (picture := self._posts[name].camera.take()) is not None]

    def _made(self, part: CameraPart) -> Post:
        rules = changed(self._config.rules, part.rules)
        history = History.fresh(rules, part.zones, self._classes)
        return Post(part, self._camera(part), history, self._faults)

    def _camera(self, part: CameraPart) -> Camera:
        clips = self._config.clips
        return Camera(part, self._base, self._clock, self._opener, self._nursery,
                      max(clips.before, LEAST_BEFORE) if clips.enabled else 0.0, self._redact)

    def _remove(self, name: str, now: float) -> None:
        post = self._posts.pop(name)
        self._tell(post.close(now, "the camera was taken out of the configuration"), name)
        self._turns = self._turns.without(name)
        self._leave(post.camera)

    def _leave(self, camera: Camera) -> None:
        camera.stop()
        self._leaving.append(camera)
