"""What the page's process knows of the watch: the newest word of each kind, and how old it is."""

from __future__ import annotations

import asyncio

from ..clock import Clock
from .messages import Live, News, Setup, ToPage

FRESH_SECONDS = 3.0  # news older than this are no news: the page says that nobody watches
PICTURE_SECONDS = 5.0  # a picture older than this is not shown
VIEWED_SECONDS = 4.0  # after the last glance at a camera
BEAT_SECONDS = 0.5  # between two signs of life of the loop that answers requests


class Board:
    """Written by the thread that hears the watch, read by whoever answers requests."""

    def __init__(self, setup: Setup, clock: Clock) -> None:
        self.setup = setup
        self._clock = clock
        self._news: News | None = None
        self._pictures: dict[str, Live] = {}
        self._glances: dict[str, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sleepers: set[asyncio.Future[None]] = set()
        self._beat_at = clock.monotonic()

    def take(self, message: ToPage) -> None:
        """A word of the watch. From any thread."""
        if isinstance(message, Setup):
            self.setup = message
            self._pictures = {name: live for name, live in self._pictures.items() if message.camera(name)}
        elif isinstance(message, News):
            self._news = message
        else:
            self._pictures[message.camera] = message
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    async def news_or(self, seconds: float) -> None:
        """Return when there is something new, or after so many seconds."""
        self._loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = self._loop.create_future()
        self._sleepers.add(sleeper)
        try:
            await asyncio.wait_for(sleeper, seconds)
        except (TimeoutError, asyncio.TimeoutError):
            pass
        finally:
            self._sleepers.discard(sleeper)

    @property
    def news(self) -> News | None:
        """The newest, however old."""
        return self._news

    @property
    def fresh(self) -> News | None:
        """The newest, where it is fresh enough to be believed."""
        age = self.age
        return self._news if age is not None and age <= FRESH_SECONDS else None

    @property
    def age(self) -> float | None:
        """Seconds since the watch told how it stands; None where it never did."""
        return None if self._news is None else max(0.0, self._clock.monotonic() - self._news.status.monotonic)

    @property
    def watching(self) -> bool:
        """Whether somebody looks through every camera that is on, as far as is known this very moment."""
        return self.fresh is not None and self.fresh.status.watching

    def glance(self, camera: str) -> Live | None:
        """The camera's newest picture, unless it is old; from now on somebody looks at it."""
        now = self._clock.monotonic()
        self._glances[camera] = now
        live = self._pictures.get(camera)
        return live if live is not None and now - live.moment <= PICTURE_SECONDS else None

    def viewed(self) -> tuple[str, ...]:
        """The cameras that somebody looks at."""
        now = self._clock.monotonic()
        self._glances = {name: at for name, at in self._glances.items() if now - at <= VIEWED_SECONDS}
        return tuple(sorted(self._glances))

    async def beat(self) -> None:
        """For ever: show that requests are being answered."""
        while True:
            self._beat_at = self._clock.monotonic()
            await asyncio.sleep(BEAT_SECONDS)

    @property
    def answering(self) -> bool:
        """Whether the loop has shown itself lately."""
        return self._clock.monotonic() - self._beat_at <= 10 * BEAT_SECONDS

    def _wake(self) -> None:
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
