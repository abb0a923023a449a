"""The three things that can be asked for, each on one screen: install, go back, take all away.

Each may be cut short anywhere: what ran goes on running, and the same command once more finishes the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import Refused
from . import system, told
from .configuring import configure, hold_answers
from .disk import remove
from .layout import SERVICE, USER, Layout
from .links import before, settled, turn_back, turn_to
from .lock import locked
from .offer import Offer, verified
from .placing import destinations, place, take_away
from .staging import stage
from .trust import pin


@dataclass(frozen=True)
class Wish:
    """How a bundle is to be installed."""

    key: Path | None = None  # the public key to trust from now on
    accepted: str | None = None  # the fingerprint that was compared
    older: bool = False  # a release that is older than the current one is wanted all the same
    answers: Path | None = None  # what `minewatch setup` is told; the watch is started then
    dry_run: bool = False  # look at everything, change nothing


def install(layout: Layout, bundle: Path, wish: Wish) -> None:
    """Verify all, then make the release, then turn to it. Raises Refused; what ran before runs on then."""
    if wish.answers:
        hold_answers(wish.answers)
    offer = verified(layout, bundle, wish.key, wish.accepted, wish.older)
    if wish.dry_run:
        return _tell_plan(layout, offer)
    with locked(layout) as lock:
        stage(layout, offer, lock)
        _prepare(layout, offer.name)
        pin(layout, offer.trust)
        _change_to(layout, offer.name)
        for folder in layout.superseded():
            told.say(f"removing the older release {folder.name}")
            remove(folder)
    if wish.answers:
        configure(layout, wish.answers)
        if system.has_systemd(layout):
            system.start()
    _tell_next(layout, offer.name)


def roll_back(layout: Layout, dry_run: bool) -> None:
    """Turn to the release before; once more turns to the newer one again. Raises Refused where there is none."""
    if dry_run:
        return told.say(f"would turn from {layout.linked(layout.current)} to {before(layout)}; nothing was changed")
    before(layout)
    with locked(layout):
        name = before(layout)
        _prepare(layout, name)
        _change_to(layout, name)
    _tell_next(layout, name)


def uninstall(layout: Layout, dry_run: bool) -> None:
    """Remove all but the data."""
    if not layout.home.exists():
        return told.say("nothing is installed")
    kept = f"{layout.settings} and {layout.state} stay: they are your data"
    if dry_run:
        return told.say(f"would remove {layout.home} and what it put into the system; {kept}; nothing was changed")
    with locked(layout):
        if system.has_systemd(layout):
            system.disable()
        if layout.live:
            system.hold_idle()
        take_away(layout)
        if system.has_systemd(layout):
            system.take_up_units()
        if layout.live:
            system.forget_user(layout)
        remove(layout.cache)
        remove(layout.home)
    told.say(f"removed. {kept}")


def _prepare(layout: Layout, name: str) -> None:
    if layout.live:
        system.make_user(layout.releases / name / "units/minewatch.sysusers.conf")
    system.make_data_folders(layout)


def _change_to(layout: Layout, name: str) -> None:
    """Turn the links and all that follows from them; back again where the watch does not become ready."""
    was = settled(layout)
    turn_to(layout, name)
    place(layout)
    if system.has_systemd(layout):
        system.take_up_units()
        if was.current is None:
            system.enable()
        if layout.unsettled.exists() and system.runs() and not system.restart():
            turn_back(layout, was)
            place(layout)
            system.take_up_units()
            system.restart()
            layout.unsettled.unlink()
            raise Refused(f"the watch did not become ready with {name}; {was.current} is current again. "
                          f"See why: journalctl -u {SERVICE}")
    layout.unsettled.unlink(missing_ok=True)


def _tell_plan(layout: Layout, offer: Offer) -> None:
    there = "is there already" if layout.complete(offer.name) else "would be made"
    told.say(f"{layout.releases / offer.name} {there}; current is {layout.linked(layout.current) or 'none'}")
    if offer.trust.pin:
        told.say(f"{layout.trusted} would hold the key from now on")
    for path in destinations(offer.bundle / "units"):
        told.say(f"{layout.root / path} would be written")
    told.say("nothing was changed")


def _tell_next(layout: Layout, name: str) -> None:
    earlier = layout.linked(layout.previous)
    told.say(f"done: {name} is current" + (f"; to turn to {earlier}: --rollback" if earlier else ""))
    if not layout.live:
        return
    if not layout.config.exists():
        told.say("next: sudo minewatch setup")
    if not system.has_systemd(layout):
        told.say("no systemd runs here; what starts the watch: "
                 f'su - {USER} -s /bin/sh -c "minewatch run {layout.config}"')
    elif not system.runs():
        told.say(f"then: sudo systemctl start {SERVICE}")
