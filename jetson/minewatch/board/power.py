"""minewatch power --mode 15W

Shows the power modes of a Jetson, and changes mode (--mode) and clocks (--clocks: pinned at the highest that the mode
allows). It asks before it changes anything, remembers how it was before the first change, and puts that back
(--restore). A mode stays after a restart of the box, pinned clocks do not. Changing wants root.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from minehat.doors import DONE
from minehat.errors import MineHatError
from minehat.progress import say
from minehat.telemetry import read_all, sensors_here

from .memory import Before, Memory
from .tools import Mode, PowerTools, mode_named

STATE = Path("/var/lib/minehat/power")  # of root: jetson_clocks writes whatever a file of clocks says
Ask = Callable[[str], bool]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """To the command."""
    parser.add_argument("--mode", metavar="NAME", help="change to this power mode, by its name or number")
    parser.add_argument("--clocks", action="store_true", help="pin all clocks at the highest that the mode allows")
    parser.add_argument("--restore", action="store_true", help="put back what was before the first change")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--state", metavar="FOLDER", type=Path, default=STATE,
                        help="where it remembers what was before (default: %(default)s)")


def power(args: argparse.Namespace, root: Path = Path("/")) -> int:
    """The command. root: the folder that stands for `/`."""
    if args.restore and (args.mode or args.clocks):
        raise MineHatError("found --restore beside --mode or --clocks; wanted one of them.")
    tools, memory = PowerTools(root), Memory(args.state)
    ask: Ask = (lambda _: True) if args.yes else _asked
    if args.restore:
        restore(tools, memory, ask)
    elif args.mode or args.clocks:
        change(tools, memory, mode_named(tools.modes, args.mode) if args.mode else None, args.clocks, ask)
    print("\n".join(shown(tools, memory, root)))
    return DONE


def change(tools: PowerTools, memory: Memory, wanted: Mode | None, clocks: bool, ask: Ask) -> None:
    """Another mode, or pinned clocks, or both. Clocks that we pinned are pinned in the new mode too."""
    now, kept = tools.mode(), memory.read()
    before = kept or Before(now.number)
    other = wanted if wanted != now else None
    if other is None and not (clocks and not before.pinned):
        return say("It is so already.")
    told = ([f"mode {now.name} becomes {other.name}"] if other else []) + (["clocks are pinned"] if clocks else [])
    if not ask(f"{', '.join(told)}. A faster box draws more and gets hotter, a slower one looks less often."):
        return say("Nothing was changed.")
    memory.keep(before)
    try:
        if other:
            before = _in_mode(tools, memory, before, other)
        if clocks and not before.pinned:
            _pinned(tools, memory, before)
    except MineHatError:
        left = memory.read()
        if kept is None and left and not left.pinned and tools.mode() == now:
            memory.forget()
        raise


def restore(tools: PowerTools, memory: Memory, ask: Ask) -> None:
    """As it was before the first change."""
    before = memory.read()
    if before is None:
        raise MineHatError("nothing was changed by this command. Set what you want with --mode.")
    mode = next((mode for mode in tools.modes if mode.number == before.mode), None)
    if mode is None:
        raise MineHatError(f"the mode before was number {before.mode}, which this board has no more. Set what you want "
                           "with --mode.")
    if not ask(f"Mode {mode.name} comes back{', clocks are let go' if before.pinned else ''}."):
        return say("Nothing was changed.")
    if before.pinned:
        before = _released(tools, memory, before)
    if tools.mode() != mode:
        tools.set_mode(mode)
    memory.forget()


def shown(tools: PowerTools, memory: Memory, root: Path = Path("/")) -> list[str]:
    """How it is, for people."""
    now, before, reading = tools.mode(), memory.read(), read_all(sensors_here(root))
    lines = [f"power modes: {', '.join(mode.name + ' (now)' * (mode == now) for mode in tools.modes)}",
             f"clocks: {'pinned at the highest' if before and before.pinned else 'not pinned from here'}"]
    if reading.celsius:
        part = max(reading.celsius, key=lambda name: reading.celsius[name])
        lines.append(f"hottest part: {part}, {reading.celsius[part]:.0f} C")
    lines += [f"power: {reading.total_watts:.1f} W"] if reading.total_watts is not None else []
    if before:
        was = next((mode.name for mode in tools.modes if mode.number == before.mode), str(before.mode))
        lines.append(f"before: {was}; `minewatch power --restore` puts it back")
    return lines


def _in_mode(tools: PowerTools, memory: Memory, before: Before, mode: Mode) -> Before:
    """Clocks that are pinned would stay where the old mode had them."""
    pinned = before.pinned
    if pinned:
        before = _released(tools, memory, before)
    try:
        tools.set_mode(mode)
    finally:
        if pinned:
            before = _pinned(tools, memory, before)
    return before


def _pinned(tools: PowerTools, memory: Memory, before: Before) -> Before:
    tools.store_clocks(memory.clocks)
    before = memory.pinned(before, True)
    tools.pin_clocks()
    return before


def _released(tools: PowerTools, memory: Memory, before: Before) -> Before:
    tools.restore_clocks(memory.clocks)
    return memory.pinned(before, False)


def _asked(what: str) -> bool:
    if not sys.stdin.isatty():
        raise MineHatError(f"{what} It asks before it changes, and there is nobody to ask. Type --yes too.")
    say(f"{what} Change it? [y/N]")
    return sys.stdin.readline().strip().casefold() in ("y", "yes")
