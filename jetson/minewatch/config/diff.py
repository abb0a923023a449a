"""What is different between two configurations, and what that asks for when the watch reads its file anew."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .schema import CameraPart, Config

LOOKED_AT = {"zones", "rules", "health", "most_fps"}  # of a camera: what a connection need not end for


@dataclass(frozen=True)
class Changes:
    """Names of cameras, and which other parts are no longer the same."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()  # another url, transport and so on: the connection begins anew
    rejudged: tuple[str, ...] = ()  # other rules, zones, health or most_fps: the connection stays
    model: bool = False  # the network, or how it is run: asks for a trial
    detector: bool = False
    budget: bool = False
    clips: bool = False
    keep: bool = False
    sinks: bool = False
    web: bool = False
    log: bool = False
    updates: bool = False
    restart: tuple[str, ...] = ()  # keys that are only read at start-up

    def __bool__(self) -> bool:
        """Whether anything is different."""
        return any(getattr(self, each.name) for each in fields(self))

    def told(self) -> str:
        """One line for a log and an event."""
        words = [f"{name} {', '.join(getattr(self, name))}" for name in ("added", "removed", "reopened", "rejudged")
                 if getattr(self, name)]
        words += [name for name in ("model", "detector", "budget", "clips", "keep", "sinks", "web", "log", "updates")
                  if getattr(self, name)]
        words += [f"after a restart: {', '.join(self.restart)}"] if self.restart else []
        return "; ".join(words) or "nothing is different"


def changes(old: Config, new: Config) -> Changes:
    """What a watch that runs with `old` must do to run with `new`."""
    before, after = ({camera.name: camera for camera in config.cameras} for config in (old, new))
    both = [name for name in after if name in before]
    reopened = tuple(name for name in both if _connection(before[name]) != _connection(after[name]))
    rejudged = tuple(name for name in both if name not in reopened
                     and (old.rules != new.rules or before[name] != after[name]))
    same = {part: getattr(old, part) == getattr(new, part)
            for part in ("model", "detector", "budget", "clips", "keep", "sinks", "web", "log", "updates")}
    return Changes(tuple(name for name in after if name not in before),
                   tuple(name for name in before if name not in after), reopened, rejudged,
                   restart=tuple(key for key in ("state", "site") if getattr(old, key) != getattr(new, key)),
                   **{part: not equal for part, equal in same.items()})


def _connection(camera: CameraPart) -> dict[str, object]:
    """What a reader process is given."""
    return {key: getattr(camera, key) for key in CameraPart.model_fields if key not in LOOKED_AT}
