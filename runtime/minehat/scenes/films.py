"""Films and single pictures of mine galleries, with exact boxes. The same seed gives the same frames."""

from __future__ import annotations

from collections.abc import Iterator

from .backdrop import Backdrop, build_backdrop
from .noise import stream
from .people import walkers_at
from .sensor import Sensor, as_seen, build_sensor
from .stage import NEAREST, SMALLEST, SceneFrame, heads_seen, light_of, people_on

MOST_PEOPLE = 8
HEAD_WIDTH = 0.17  # metres, of a bare head


def film(seed: int, count: int, width: int = 1280, height: int = 720, fps: float = 12.5,
         people: int | None = None) -> Iterator[SceneFrame]:
    """`count` frames of one camera in one gallery, through which people walk.

    people: how many are in the gallery at a time (some may be out of view); by chance, 2 to 5, when None.
    The gallery, the people and the noise are drawn from streams of their own: a film with fewer people
    shows the same gallery, and a shorter film is the beginning of a longer one.
    """
    backdrop, sensor = build_backdrop(seed, width, height), build_sensor(seed, width, height)
    crowd = int(stream(seed, 0).integers(2, 6)) if people is None else people
    for index in range(count):
        yield _frame(seed, backdrop, sensor, crowd, index, index / fps)


def picture(seed: int, width: int = 1280, height: int = 720, people: int | None = None) -> SceneFrame:
    """One view of one gallery with `people` in it; by chance, 0 to 8, when None."""
    backdrop, sensor = build_backdrop(seed, width, height), build_sensor(seed, width, height)
    crowd = int(stream(seed, 0).integers(0, MOST_PEOPLE + 1)) if people is None else people
    return _frame(seed, backdrop, sensor, crowd, 0, 0.0)


def _farthest(backdrop: Backdrop) -> float:
    """z to which people go: no farther than dust lets them be seen and their heads are large enough for a box."""
    return max(min(backdrop.sight, HEAD_WIDTH * backdrop.camera.focal / SMALLEST), NEAREST + 1)


def _frame(seed: int, backdrop: Backdrop, sensor: Sensor, crowd: int, index: int, seconds: float) -> SceneFrame:
    walkers = walkers_at(seed, crowd, seconds, NEAREST, _farthest(backdrop), backdrop.gallery.lane)
    present = people_on(backdrop, walkers, seconds)
    boxes, labels, identities = heads_seen(backdrop, present)
    frame = as_seen(sensor, light_of(backdrop, present), seed, index, seconds)
    return SceneFrame(frame, boxes, labels, identities, seconds)
