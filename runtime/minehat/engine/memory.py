"""How much memory a build may take here: on a Jetson the GPU's is everybody's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

USUAL_WORKSPACE, LEAST_WORKSPACE = 1 << 30, 64 << 20
BUILDER = 1 << 30  # that a builder holds before it has read anything: libraries, CUDA context; an estimate
COPIES = 4  # of the weights, in the parser, the network, the builder and the engine; an estimate

MAKE_SWAP = ("sudo fallocate -l 4G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && "
             "sudo swapon /swapfile")


@dataclass(frozen=True)
class Memory:
    """Of this machine, in bytes."""

    available: int
    swap_free: int


def memory_here(meminfo: Path = Path("/proc/meminfo")) -> Memory | None:
    """What Linux says is free now; None where it says nothing."""
    try:
        found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", meminfo.read_text(), re.MULTILINE))
        return Memory(int(found["MemAvailable"]) << 10, int(found["SwapFree"]) << 10)
    except (OSError, KeyError):
        return None


def usual_workspace(unified: bool, memory: Memory | None) -> int:
    """Scratch memory for kernels: 1 GiB, and where the GPU shares its memory a quarter of what is free at most."""
    if not unified or memory is None:
        return USUAL_WORKSPACE
    return max(LEAST_WORKSPACE, min(USUAL_WORKSPACE, memory.available // 4))


def warning_of(unified: bool, memory: Memory | None, model_bytes: int, workspace: int) -> str | None:
    """What to tell before a build for which memory and swap look too small; None where they do not."""
    wanted = BUILDER + COPIES * model_bytes + (workspace if unified else 0)
    if memory is None or memory.available + memory.swap_free >= wanted:
        return None
    return (f"{_gb(memory.available)} of memory and {_gb(memory.swap_free)} of swap are free, the build may want "
            f"{_gb(wanted)}: Linux may kill it. Close other programs, add swap (`{MAKE_SWAP}`), or lower --workspace.")


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
