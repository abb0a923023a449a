"""The relays as programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from minehat.errors import MineHatError

from .obeyed import change_of, obey_lines

if TYPE_CHECKING:
    from .faultproxy import FaultProxy


def run(told: str, kind: Callable[[int, int], FaultProxy], arguments: Sequence[str] | None) -> int:
    """Start the relay and do what standard input says."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("listen", type=int, metavar="LISTEN", help="port; 0: any free one")
    parser.add_argument("upstream", type=int, metavar="UPSTREAM", help="port")
    given = parser.parse_args(arguments)
    try:
        with kind(given.upstream, given.listen) as proxy:
            print(proxy.port, flush=True)
            obey_lines(lambda words: obey(proxy, words))
    except MineHatError as exc:
        print(exc, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def obey(proxy: FaultProxy, words: list[str]) -> None:
    """One line. Raises MineHatError where it is not understood."""
    if words in (["cut"], ["reset"]):
        {"cut": proxy.cut, "reset": proxy.reset}[words[0]]()
    elif len(words) == 2 and words[0] == "refuse":
        proxy.refuse(words[1] == "on")
    elif len(words) == 2:
        proxy.change(**change_of(type(proxy.weather), *words))
    else:
        raise MineHatError(f"{' '.join(words)!r} is not understood. Say for instance: delay 0.5")
