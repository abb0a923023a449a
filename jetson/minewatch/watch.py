"""The watch: start-up, loop, shut-down."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import minehat
from minehat.doors import BUG, DONE
from minehat.errors import MineHatError

from . import logs
from .board.thermometer import Thermometer
from .board.thrift import Thrift
from .building.smithy import Smithy
from .bulletin import Bulletin, note_looks, note_storage, spread
from .cameras.nursery import Nursery
from .cameras.picture import Picture
from .carried import carried
from .clock import Clock, SystemClock
from .config.diff import Changes, changes
from .config.load import read_config
from .config.schema import Config
from .desk import WITH_PICTURES, Desk
from .detection.answers import Answer, Change
from .detection.supervisor import Detector
from .events.event import Kept, Kind
from .events.lock import owned
from .events.recorder import Recorder
from .events.wall import Wall
from .faults import Faults
from .fleet.config_file import first_read
from .fleet.updates import Reload, Updates
from .gaze import Gaze
from .judging.verdict import Verdict
from .metrics import Metrics
from .model_choice import models_of
from .notify import Notifier
from .posts import Posts
from .redact import Redactor
from .scribe import Scribe
from .signals import Signals
from .sinks.senders import Senders
from .web.server import Page

GIVEN_UP = 78  # systemd must not start the watch again: somebody has to mend something first
TURN = 0.25  # seconds that the loop sleeps at most
LEAVE = 3.0  # seconds that children get to leave by themselves

log = logs.logger("watch")


def run(path: Path, clock: Clock | None = None) -> int:
    """Watch as the configuration says until a signal asks to stop. Returns the exit code.

    Raises MineHatError where the watch cannot begin.
    """
    config, taken_back = first_read(path)
    redact = Redactor.of(config)
    with logs.set_up(config.log, redact) as voice, owned(config.state), Signals() as signals, \
            closing(Nursery()) as nursery:
        watch = Watch(config, path, clock or SystemClock(), signals, nursery, redact, voice)
        if taken_back:
            log.warning(taken_back)
        try:
            watch.begin()
            while not (signals.stop or watch.hopeless):
                watch.turn()
        except Exception as exc:  # told here, where secrets are taken out of it
            log.critical("ends by an error of ours", exc_info=exc)
            watch.end(f"an error of ours: {type(exc).__name__}")
            return BUG
        watch.end(watch.hopeless or "it was asked to stop")
    return GIVEN_UP if watch.hopeless else DONE


class Watch:
    """All parts of a running watch. Nothing in its loop waits for a disk, a network or a child."""

    def __init__(self, config: Config, path: Path, clock: Clock, signals: Signals, nursery: Nursery,
                 redact: Redactor, voice: logs.Logs) -> None:
        classes = minehat.read_card(config.model.card or config.model.file).classes
        self.hopeless = ""  # why it makes no sense to go on, or to begin again as things are
        self._config, self._path, self._clock, self._signals = config, path, clock, signals
        self._redact, self._voice = redact, voice
        self._notifier, self._metrics = Notifier.of_environment(), Metrics()
        self._page = Page(config, clock, path)
        self._wall, self._day = Wall(clock), _day_of(clock.wall())
        self._recorder = Recorder(config.state, config.keep, clock, lambda: self._wall.suspect)
        self._wall.newest_is(self._recorder.newest_time())
        self._senders = Senders(config.sinks, config.state, config.site, clock)
        scribe = Scribe(clock, lambda: self._wall.suspect)
        self._desk = Desk(self._recorder, scribe, clock, config.clips, self._told)
        self._carried = carried((kept.event for kept in self._recorder.open_incidents()),
                                {part.name for part in config.cameras if part.enabled})
        self._faults = Faults(self._carried.faults)
        self._posts = Posts(config, path.parent, classes, clock, self._faults, self._desk.tell, nursery, redact)
        self._posts.resume(self._carried.incidents, clock.monotonic(), clock.wall())
        self._smithy = Smithy(config, clock)
        self._detector: Detector[Picture] = Detector(*models_of(config, self._smithy.engine), clock)
        self._thermometer = Thermometer()
        self._thrift = Thrift(config, self._thermometer)
        self._gaze = Gaze(self._posts, self._desk, self._page, self._metrics)
        self._updates = Updates(config, path, clock)
        self._bulletin = Bulletin(config, clock, self._posts, self._detector, self._smithy, self._recorder,
                                  self._senders, self._wall, self._page)

    def begin(self) -> None:
        """Say that the watch begins, and end what the run before left open for nobody to end."""
        now = self._clock.monotonic()
        self._say("watch_began", now)
        for camera, verdict in self._carried.endings(now):
            self._desk.tell([verdict], camera)
        self._notifier.ready()
        log.info("began", cameras=len(self._posts), state=str(self._config.state))

    def turn(self) -> None:
        """Wait for whoever has something to say, hear everybody, and have the newest pictures looked at."""
        wait(self._waitables(), TURN)
        self._signals.drain()
        now = self._clock.monotonic()
        self._posts.turn(now)
        for word in self._detector.turn(now):
            self._gaze.take(word, now) if isinstance(word, Answer) else self._heed(word, now)
        self._go_on_with_engine(now)
        self._posts.learn(self._detector.classes)
        if self._detector.idle and (pictures := self._posts.next_batch(self._config.detector, now)):
            self._detector.submit(pictures, now)
        self._desk.turn(self._posts)
        self._senders.unwritten(self._recorder.unwritten())
        if self._page.turn(now) or self._signals.reload:
            self._reload(now)
        self._update(now)
        self._keep_time()
        if self._bulletin.due(now):
            self._show_all(now)
        self._notifier.beat(now)

    def end(self, reason: str) -> None:
        """Say that the watch ends, and why, and let everybody go; those who don't are killed."""
        self._notifier.stopping()
        began = self._clock.monotonic()
        self._detector.stop()
        self._smithy.stop()
        self._posts.stop()
        self._page.stop()
        self._updates.stop()
        self._thermometer.stop()
        while not self._alone and self._clock.monotonic() - began < LEAVE:
            wait(self._posts.waitables(), TURN)
            self._posts.turn(self._clock.monotonic())
            self._desk.turn(self._posts)
        self._posts.kill()
        self._page.kill()
        self._say("watch_ended", self._clock.monotonic(), reason)
        self._recorder.stop()
        self._senders.wake()
        self._senders.stop()
        self._notifier.close()
        log.info("ended", reason=reason)

    @property
    def _alone(self) -> bool:
        """Whether all children but the page are gone."""
        return self._posts.gone and self._detector.stopped and self._smithy.stopped

    def _waitables(self) -> list[Any]:
        return [self._signals.wakeup, self._recorder.wakeup, *self._posts.waitables(), *self._detector.waitables(),
                *self._smithy.waitables(), *self._page.waitables(), *self._updates.waitables()]

    def _go_on_with_engine(self, now: float) -> None:
        """Hear the one who builds it, and have it tried when it is there."""
        for text in self._smithy.turn(now):
            self._say("model_refused", now, text)
        album = self._gaze.album
        if engine := self._smithy.wanted(now, self._detector.on_trial, len(album.frames), album.people):
            self._detector.try_model(models_of(self._config, engine)[0], album.frames)

    def _heed(self, change: Change, now: float) -> None:
        """What the detector tells of itself, and of models on trial."""
        if change.kind == "said":
            log.info("the detector's libraries", said=change.text)
        elif change.kind in ("swapped", "refused"):
            self._smithy.heed(change)
            self._second_choice()
            self._say("model_swapped" if change.kind == "swapped" else "model_refused", now, change.text)
            self._updates.model_heard(change.kind, change.file, change.text, now)
        elif change.standing == "ready":
            self._desk.tell(self._faults.ended("detector_fault", now, "pictures are looked at again"))
        elif change.standing != "starting":
            self._desk.tell(self._faults.began("detector_fault", now, change.cause, change.text))
        if change.final and not self._detector.looking:
            self.hopeless = f"the model cannot be run here: {change.text}"

    def _second_choice(self) -> None:
        """It is that of the model that the detector has: of an engine, wanted still or not, the configuration's own."""
        self._detector.replace(*models_of(self._config, self._smithy.own(self._detector.file))[1:])

    def _reload(self, now: float, back: bool = False) -> None:
        """Take what the configuration file says now, or keep the old one where it is wrong.

        back: it is the one from before an update, whose model is not held against the update's.
        """
        self._signals.reload = False
        self._updates.nudge()
        self._notifier.reloading()
        try:
            new = read_config(self._path)
            found = changes(self._config, new)
            if found.restart:
                raise MineHatError(f"{', '.join(found.restart)} cannot change while the watch runs: stop it, then "
                                   "start it again.")
            self._page.replace(new)
        except MineHatError as exc:
            self._bulletin.config_fault = str(exc)
            self._updates.config_refused(str(exc))
            self._say("config_refused", now, str(exc))
        else:
            self._take_over(new, found, now, back)
            self._say("config_reloaded", now, found.told())
        self._notifier.ready()

    def _take_over(self, new: Config, found: Changes, now: float, back: bool) -> None:
        before, threads = models_of(self._config, self._smithy.engine)[0], self._config.detector.threads
        self._config = new
        self._bulletin.config, self._bulletin.config_fault = new, ""
        self._redact.learn(new)
        self._voice.replace(new.log)
        self._desk.clips = new.clips
        self._thrift.config = new
        self._recorder.replace(new.keep)
        self._senders.replace(new.sinks)
        self._posts.replace(new, found, now)
        self._smithy.replace(new)
        self._second_choice()
        first, trial = models_of(new, self._smithy.engine)[0], self._detector.on_trial
        tried = (new.detector.threads != threads or ((back or first != before) and not self._detector.stays_with(first))
                 or self._smithy.forsaken(trial))
        self._updates.replace(new)
        self._updates.reloaded(first.file if tried or trial == first.file else "", now)
        if tried:
            self._detector.try_model(first, self._gaze.album.frames, back)

    def _update(self, now: float) -> None:
        """Hear who looks for updates; one that is to be tried, or is taken back, is a configuration to be read."""
        for word in self._updates.turn(now, bool(self._gaze.album.frames)):
            if isinstance(word, Reload):
                self._reload(now, word.back)
            else:
                self._say(word.kind, now, word.text, word.cause)

    def _keep_time(self) -> None:
        self._desk.tell(self._wall.turn())
        if (today := _day_of(self._clock.wall())) != self._day:
            self._day = today
            self._posts.new_day()

    def _show_all(self, now: float) -> None:
        self._bulletin.board = self._thrift.status(now)
        status = self._bulletin.status(now)
        note_storage(status, self._faults, self._desk, now)
        note_looks(status, self._thrift, self._posts, self._desk, now)
        for camera in status.cameras:
            if post := self._posts.get(camera.name):
                self._desk.tell(post.overlooked(camera, status.detector.looking, now), camera.name)
        self._updates.show(status)
        spread(status, self._page, self._metrics, self._senders, self._notifier)

    def _say(self, kind: Kind, now: float, remark: str = "", cause: str = "") -> None:
        self._desk.tell([Verdict(kind, now, now, cause=cause, remark=" ".join(remark.split())[:2000])])

    def _told(self, kept: Kept, seconds: float) -> None:
        """An event is on disk: now others may hear of it."""
        self._senders.wake()
        self._metrics.committed(kept.event.kind, seconds)
        if kept.event.kind in WITH_PICTURES:
            self._metrics.raised(seconds + kept.event.time - kept.event.began)


def _day_of(wall: float) -> int:
    """Which day it is at this place."""
    return datetime.fromtimestamp(wall).toordinal()
