"""What every door shares: exit codes, one line for what the user can mend, and a clean end on SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .errors import CudaLost, ManyFaults, MineHatError
from .progress import hush, say

DONE, BUG, MENDABLE, SOME_FAILED, SLOWER, GPU_LOST, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 4, 5, 130, 143


def run_door(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None,
             name: str | None = None) -> int:
    """Call `main` with the arguments and return its exit code; a MineHatError becomes one line and 2, CudaLost 5.

    A file or folder that is closed to this user is one line and 2 as well. Of ManyFaults each fault has its own
    line, and the last one sums them up. `name` begins it, the program's own where none is given.
    """
    try:
        with _cleared_by_sigterm():
            return main(sys.argv[1:] if argv is None else argv)
    except MineHatError as exc:
        *faults, last = exc.told() if isinstance(exc, ManyFaults) else [str(exc)]
        for fault in faults:
            say(" ".join(fault.split()))
        say(f"{name or _called()}: {' '.join(last.split())}")
        return MENDABLE
    except PermissionError as exc:
        if exc.filename is None:
            raise
        say(f"{name or _called()}: {exc.filename} is closed to this user ({exc.strerror}). Name another place, or have "
            "its owner open it.")
        return MENDABLE
    except CudaLost as exc:
        say(f"{name or _called()}: {exc}")
        return GPU_LOST
    except KeyboardInterrupt:
        say("stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        hush(sys.stdout)
        return DONE


def _called() -> str:
    """The name of the program, or of the module that was run with -m."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name.removesuffix(".__main__") if spec else os.path.basename(sys.argv[0])


@contextmanager
def _cleared_by_sigterm() -> Iterator[None]:
    """SIGTERM rises as SystemExit, so that scratch files are cleared away; a handler that is there stays."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
