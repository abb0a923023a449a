"""The timing cache: how fast each kernel was on this GPU, kept so that the next build need not try them again.

TensorRT alone has one; TensorRT-RTX chooses without trying. Ours are named for library, version and GPU, because
timings of another machine would choose kernels badly there.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from ..errors import MineHatError
from ..files import cache_folder, write_whole
from ..progress import say
from .library import Library

BETWEEN_SAVES = 30.0  # seconds; a build that is killed loses no more


class TimingCache:
    """A file of timings that a builder's config reads and adds to."""

    def __init__(self, path: Path, config: Any, clock: Any = time.monotonic) -> None:
        self.path, self._config, self._clock = path, config, clock
        self._saved = clock()

    def tick(self) -> None:
        """Save, where the last time is BETWEEN_SAVES ago."""
        if self._clock() - self._saved >= BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Write what is known by now. A disk that is full costs the timings, not the build."""
        self._saved = self._clock()
        cache = self._config.get_timing_cache()
        if cache is None:
            return
        try:
            write_whole(self.path, bytes(memoryview(cache.serialize())))
        except MineHatError as exc:
            say(f"the timings are not kept: {exc}")


def timing_cache(library: Library, config: Any, given: Path | None) -> TimingCache | None:
    """The cache attached to `config`: the one that a person named, or ours for this library and GPU.

    Raises MineHatError where a named one is another library's or GPU's. A damaged one of ours is begun anew.
    """
    if library.flavour != "tensorrt":
        if given is not None:
            raise MineHatError(f"--timing-cache: {library.title} times nothing and keeps no such cache. "
                               "Leave it away.")
        return None
    if given is not None and given.suffix != ".cache":  # it is written over, and must be no other file of theirs
        raise MineHatError(f"--timing-cache {given}: the name must end in .cache.")
    path = given or cache_folder("timings") / f"{_slug(library)}.cache"
    if not _attach(config, path):
        if given is not None:
            raise MineHatError(f"--timing-cache {path} is no timing cache of {library.title} on this GPU. "
                               "Name another file; a new one is made where none is.")
        say(f"{path} is damaged; timing anew.")
        _set(config, b"")
    return TimingCache(path, config)


def _attach(config: Any, path: Path) -> bool:
    try:
        return _set(config, path.read_bytes() if path.is_file() else b"")
    except OSError as exc:
        raise MineHatError(f"--timing-cache {path} cannot be read: {exc.strerror or exc}. Name another file.") from exc


def _set(config: Any, content: bytes) -> bool:
    cache = config.create_timing_cache(content)
    return cache is not None and bool(config.set_timing_cache(cache, ignore_mismatch=False))


def _slug(library: Library) -> str:
    gpu = f"{library.gpu.name} {library.gpu.capability}" if library.gpu else "no gpu"
    return re.sub(r"[^a-z0-9.]+", "-", f"{library.flavour} {library.version} {gpu}".lower()).strip("-")
