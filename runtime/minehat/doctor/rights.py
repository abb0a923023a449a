"""May this user use the GPU? Device files are opened by groups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .finding import FAULT, WELL, Finding

# of a PC's driver, of a Jetson's (JetPack 5 and later), of the hardware decoder
NODES = ("dev/nvidia0", "dev/nvidiactl", "dev/nvidia-uvm", "dev/nvmap", "dev/nvhost-ctrl-gpu", "dev/nvhost-gpu",
         "dev/nvgpu/igpu0/ctrl", "dev/nvgpu/igpu0/as")
GROUPS = "`sudo usermod -aG video,render $USER`, then log in anew"


def rights(root: Path) -> Iterator[Finding]:
    """Nothing where no such device is. root: the folder that stands for `/`."""
    there = [root / node for node in NODES if (root / node).exists()]
    closed = [node for node in there if not os.access(node, os.R_OK | os.W_OK)]
    if closed:
        yield Finding("permissions", FAULT, f"{', '.join(map(str, closed))}: closed to this user",
                      "To whoever may not open them the GPU does not answer", GROUPS)
    elif there:
        yield Finding("permissions", WELL, "the GPU's devices are open to this user")
