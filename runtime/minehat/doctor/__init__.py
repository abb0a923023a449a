"""A look at a machine: what is here, what stands in the way, what to do next. Answers on any machine.

    findings = examine(Path("/"), [Path("helmet.engine")])
    tell(findings)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from . import disk, graphics, libraries, memory, models, power, rights, runtimes, system
from .finding import CODES, FAULT, LEVELS, NOTE, WARNING, WELL, Finding, Look, looked_at, report, worst
from .lines import tell

__all__ = ["CODES", "FAULT", "LEVELS", "NOTE", "WARNING", "WELL", "Finding", "Look", "examine", "looked_at",
           "machine_looks", "report", "tell", "worst"]

ABOUT = {"board": system.board, "JetPack": system.jetpack, "Python": system.python, "GPU": graphics.graphics,
         "TensorRT": libraries.tensorrt, "cuDNN": libraries.cudnn, "ONNX Runtime": runtimes.runtime,
         "OpenCV": runtimes.opencv, "permissions": rights.rights, "power mode": power.mode,
         "power supply": power.supply, "heat": power.pace, "memory": memory.memory, "swap": memory.swap}
FULL_DISK = "Nothing can be written on a full one"


def machine_looks(root: Path) -> list[tuple[str, Look]]:
    """All that is looked at of a machine. root: the folder that stands for `/`."""
    looks: list[tuple[str, Look]] = [(what, partial(look, root)) for what, look in ABOUT.items()]
    return [*looks, ("disk /", partial(disk.room, root, "disk /", FULL_DISK))]


def examine(root: Path, files: Sequence[Path] = ()) -> list[Finding]:
    """A machine, and models that shall run on it. Raises nothing."""
    return looked_at([*machine_looks(root), *(("model", partial(models.model, root, file)) for file in files)],
                     label="looking")
