"""The few places where TensorRT's flavours and versions differ.

Everything else in this room calls only what TensorRT 10.3 to 11 and TensorRT-RTX 1.7 have in common.
"""

from __future__ import annotations

from typing import Any

from ..errors import MineHatError
from .library import Library

USUAL_SM = (80, 86, 89, 120)  # TensorRT-RTX's own choice
NO_INT8_SM = 75  # TensorRT-RTX 1.7 runs INT8 in floating point on it, and one program serves all of --sm


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
