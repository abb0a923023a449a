"""May a user use the GPU? Device files are opened by groups."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from .finding import FAULT, WELL, Finding

# of a PC's driver, of a Jetson's (JetPack 5 and later), of the hardware decoder
NODES = ("dev/nvidia0", "dev/nvidiactl", "dev/nvidia-uvm", "dev/nvmap", "dev/nvhost-ctrl-gpu", "dev/nvhost-gpu",
         "dev/nvgpu/igpu0/ctrl", "dev/nvgpu/igpu0/as")
NEED = stat.S_IROTH | stat.S_IWOTH


def rights(root: Path, user: str = "", nodes: Sequence[str] = NODES) -> Iterator[Finding]:
    """Nothing where no such device is. root: the folder that stands for `/`. user: by name; "" for whoever asks."""
    there = [root / node for node in nodes if (root / node).exists()]
    closed = [node for node in there if not _opens(node, user)]
    what, who = (f"permissions of {user}", user) if user else ("permissions", "this user")
    if closed:
        groups = sorted({node.group() for node in closed} - {"root"}) or ["video", "render"]
        yield Finding(what, FAULT, f"{', '.join(map(str, closed))}: closed to {who}", "What may not be opened is as if "
                      "it were not there", f"`sudo usermod -aG {','.join(groups)} {user or '$USER'}`, then "
                      f"{'restart the service' if user else 'log in anew'}")
    elif there:
        yield Finding(what, WELL, f"its devices are open to {who}")


def _opens(node: Path, user: str) -> bool:
    """Whether the user may read and write it; by its permission bits where that is somebody else."""
    if not user:
        return os.access(node, os.R_OK | os.W_OK)
    found, known = node.stat(), pwd.getpwnam(user)
    if found.st_uid == known.pw_uid:
        return (found.st_mode >> 6) & NEED == NEED
    if found.st_gid in os.getgrouplist(user, known.pw_gid):
        return (found.st_mode >> 3) & NEED == NEED
    return found.st_mode & NEED == NEED
