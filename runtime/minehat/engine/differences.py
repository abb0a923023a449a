"""The few places where TensorRT's flavours and versions differ.

Everything else in MineHat calls only what TensorRT 10.3 to 11 and TensorRT-RTX 1.7 have in common, or asks `has`
first; tests hold all calls, and the table here, against the real bindings of each version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import MineHatError
from .library import Library

USUAL_SM = (80, 86, 89, 120)  # TensorRT-RTX's own choice
NO_INT8_SM = 75  # TensorRT-RTX 1.7 runs INT8 in floating point on it, and one program serves all of --sm


@dataclass(frozen=True)
class Where:
    """The libraries that have a member, as far as the versions that tests look at can tell."""

    first: tuple[int, ...] | None  # TensorRT version that has it; None for no TensorRT
    gone: tuple[int, ...] | None = None  # TensorRT version that has it no more
    rtx: bool = False  # does TensorRT-RTX have it?

    def holds(self, flavour: str, version: str) -> bool:
        """Does this library have the member? version: "10.16.1.11"."""
        if flavour == "rtx":
            return self.rtx
        here = _numbers(version)
        return self.first is not None and here >= self.first and (self.gone is None or here < self.gone)


SOME_VERSIONS = {
    "ComputeCapability": Where(None, rtx=True),
    "IBuilderConfig.num_compute_capabilities": Where(None, rtx=True),
    "IBuilderConfig.set_compute_capability": Where(None, rtx=True),
    "BuilderFlag.FP16": Where((10,), gone=(11,)),
    "BuilderFlag.INT8": Where((10,), gone=(11,)),
    "BuilderFlag.OBEY_PRECISION_CONSTRAINTS": Where((10,), gone=(11,)),
    "IBuilderConfig.int8_calibrator": Where((10,), gone=(11,)),
    "IInt8EntropyCalibrator2": Where((10,), gone=(11,)),
    "ILayer.precision": Where((10,), gone=(11,)),
    "ILayer.set_output_type": Where((10,), gone=(11,)),
    "OnnxParser.set_builder_config": Where((10, 15), rtx=True),
    "OnnxParserFlag.REPORT_CAPABILITY_DLA": Where((10, 15), rtx=True),
}
_DLA = ((10, 3), (10, 8)), ((11, 4, 1), (12,))  # first version with it, first without, as NVIDIA's documentation has it


def has(trt: Any, member: str) -> bool:
    """Does this library have one of SOME_VERSIONS? The library itself is asked; another name is our bug."""
    if member not in SOME_VERSIONS:
        raise KeyError(f"{member} is not in SOME_VERSIONS")
    found = trt
    for name in member.split("."):
        found = getattr(found, name, None)
    return found is not None


def check_dla(library: Library) -> None:
    """Raise MineHatError where the library has no DLA: what its members say of it is the same in all."""
    if library.flavour == "rtx":
        raise MineHatError(f"--dla: {library.title} builds for desktop GPUs, which have no DLA. Build on the Orin "
                           "itself with --target tensorrt, or leave --dla away.")
    if not any(first <= _numbers(library.version) < gone for first, gone in _DLA):
        raise MineHatError(f"--dla: {library.title} has no DLA. TensorRT 10.3 to 10.7 (JetPack 6) and 11.4.1 (JetPack "
                           "7.2.2, AGX Orin) have it. Leave --dla away.")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def aim(library: Library, config: Any, sm: tuple[int, ...]) -> tuple[str, ...]:
    """Point a builder config at its GPUs; their compute capabilities ("8.6") are the answer."""
    if library.flavour == "tensorrt":
        if sm:
            raise MineHatError("--sm belongs to `--target rtx`; TensorRT builds for this machine's GPU alone.")
        return (library.gpu.capability,) if library.gpu else ()
    chosen = sm or USUAL_SM
    known = _known_sm(library.trt)
    strangers = [str(number) for number in chosen if number not in known]
    if strangers:
        raise MineHatError(f"--sm: {library.title} does not build for {', '.join(strangers)}; "
                           f"it knows {','.join(map(str, sorted(known)))}.")
    config.num_compute_capabilities = len(chosen)
    for row, number in enumerate(chosen):
        config.set_compute_capability(known[number], row)
    return tuple(f"{number // 10}.{number % 10}" for number in chosen)


def _known_sm(trt: Any) -> dict[int, Any]:
    members = trt.ComputeCapability.__members__
    return {int(name[2:]): value for name, value in members.items() if name.startswith("SM")}
