"""What every door shares: exit codes, and one line for what the user can mend."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from .errors import MineHatError

DONE, BUG, MENDABLE, SOME_FAILED, SLOWER, INTERRUPTED = 0, 1, 2, 3, 4, 130


def run_door(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> int:
    """Call `main` with the arguments and return its exit code; a MineHatError becomes one line and 2."""
    try:
        return main(sys.argv[1:] if argv is None else argv)
    except MineHatError as exc:
        print(f"{os.path.basename(sys.argv[0])}: {' '.join(str(exc).split())}", file=sys.stderr)
        return MENDABLE
    except KeyboardInterrupt:
        print("stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
