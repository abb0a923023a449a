"""What a person may ask of a build, and the checks that name the flag."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..card import OUTPUTS
from ..errors import MineHatError
from .library import TARGETS

REQUIRABLE = ("fp16", "int8")
TACTICS = ("edge-mask", "jit")  # sources of convolution kernels that can be left out in every version
OPT_LEVELS = range(6)
USUAL_BATCH = (1, 1, 4)
MOST_BATCH = 65536
MOST_WORKSPACE = 1 << 40
_UNITS = {"": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass(frozen=True)
class BuildOptions:
    """How to build. Precision is no option: FP16 and INT8 come from the ONNX file."""

    target: str = "auto"  # auto, tensorrt, rtx
    sm: tuple[int, ...] = ()  # GPUs to aim at, RTX only; () for the usual ones
    batch: tuple[int, int, int] | None = None  # least, best, most; None for the model's own or the usual
    workspace: int | None = None  # bytes of GPU scratch memory that a layer may use; None for what the machine bears
    opt_level: int | None = None  # how long to look for fast kernels, 0 to 5; None for the library's own, 3
    tactics: tuple[str, ...] | None = None  # of TACTICS, () for none of them; None for the library's own choice
    timing_cache: Path | None = None  # None for one of ours, by library and GPU; TensorRT only
    tf32: bool = True  # let FP32 convolutions round to TF32 on GPUs that have it
    dla: int | None = None  # core of the deep learning accelerator; what it cannot run goes to the GPU
    nms: str = "none"  # suppression to graft on: none, topk, graph, plugin
    candidates: int | None = None  # boxes a picture that go into it; None for the usual
    input: str | None = None  # uint8: pixels for an input, which the graph makes floats of; None for the model's own
    require: str | None = None  # fail unless every convolution runs in it: fp16, int8
    keep: bool = True  # take an engine that was built before from our cache, and keep this one there

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise MineHatError(f"--target must be one of {', '.join(TARGETS)}, found {self.target!r}.")
        if self.require not in (None, *REQUIRABLE):
            raise MineHatError(f"--require must be one of {', '.join(REQUIRABLE)}, found {self.require!r}.")
        if self.batch and not 1 <= self.batch[0] <= self.batch[1] <= self.batch[2]:
            raise MineHatError("--batch must grow from least over best to most, such as 1,1,4; "
                               f"found {','.join(map(str, self.batch))}.")
        if self.batch and self.batch[2] > MOST_BATCH:
            raise MineHatError(f"--batch goes up to {MOST_BATCH}, found {self.batch[2]}.")
        if self.workspace is not None and not 0 < self.workspace <= MOST_WORKSPACE:
            raise MineHatError("--workspace must be more than nothing and no more than 1024GiB, such as 1GiB.")
        self._check_search()
        if self.nms not in OUTPUTS:
            raise MineHatError(f"--nms must be one of {', '.join(OUTPUTS)}, found {self.nms!r}.")
        if self.candidates is not None and self.nms == "none":
            raise MineHatError("--candidates belongs to --nms topk, graph or plugin: give one of them as well.")
        if self.candidates is not None and self.candidates < 1:
            raise MineHatError(f"--candidates must be 1 or more, found {self.candidates}.")
        if self.input not in (None, "uint8"):
            raise MineHatError(f"--input must be uint8, found {self.input!r}.")

    def _check_search(self) -> None:
        if self.opt_level not in (None, *OPT_LEVELS):
            raise MineHatError(f"--opt-level must be 0 (quick build) to 5 (fast engine), found {self.opt_level}.")
        strangers = [name for name in self.tactics or () if name not in TACTICS]
        if strangers:
            raise MineHatError(f"--tactics knows {', '.join(TACTICS)} and none; found {', '.join(strangers)}.")
        if self.dla is not None and self.dla < 0:
            raise MineHatError(f"--dla wants the number of a core, 0 or 1; found {self.dla}.")

    def as_flags(self, flavour: str, batch: tuple[int, int, int]) -> tuple[str, ...]:
        """The flags that ask for the same build again."""
        flags = ["--target", flavour, "--batch", ",".join(map(str, batch))]
        if self.sm:
            flags += ["--sm", ",".join(map(str, self.sm))]
        if self.tactics is not None:
            flags += ["--tactics", ",".join(self.tactics) or "none"]
        if self.nms != "none":
            flags += ["--nms", self.nms]
        if not self.tf32:
            flags += ["--no-tf32"]
        for flag in ("workspace", "opt_level", "dla", "candidates", "input", "require"):
            if getattr(self, flag) is not None:
                flags += [f"--{flag.replace('_', '-')}", str(getattr(self, flag))]
        return tuple(flags)


def batch_from_text(text: str) -> tuple[int, int, int]:
    """'1,2,4' -> (1, 2, 4), and '2' -> (2, 2, 2)."""
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) == 1:
        sizes *= 3
    if len(sizes) != 3:
        raise MineHatError(f"--batch wants least,best,most, such as 1,1,4, or one number; found {text!r}.")
    return sizes[0], sizes[1], sizes[2]


def tactics_from_text(text: str) -> tuple[str, ...]:
    """'edge-mask,jit' -> ("edge-mask", "jit"), and 'none' -> ()."""
    names = [part.strip().lower() for part in text.split(",")]
    return () if names == ["none"] else tuple(dict.fromkeys(names))


def sm_from_text(text: str) -> tuple[int, ...]:
    """'86,sm_89' -> (86, 89)."""
    try:
        numbers = [int(part.strip().lower().removeprefix("sm_")) for part in text.split(",")]
    except ValueError:
        raise MineHatError(f"--sm wants compute capabilities such as 86,89,120; found {text!r}.") from None
    return tuple(dict.fromkeys(numbers))


def bytes_from_text(text: str) -> int:
    """'1GiB' -> 1073741824; KiB, MiB, GiB, KB, MB, GB or plain bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if not match or match[2].upper() not in _UNITS:
        raise MineHatError(f"--workspace wants a size such as 1GiB or 512MiB; found {text!r}.")
    return int(float(match[1]) * _UNITS[match[2].upper()])
