"""Where learning begins: of each range the size that spoils the next operations least, all their channels alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from minehat.progress import bar
from torch import Tensor

from .body import Step
from .grids import Grid
from .network import RoundedNet

SHARES = 2.0 ** -torch.arange(13)  # of the range that calibration chose


@torch.no_grad()
def settle(network: RoundedNet, images: Tensor) -> None:
    """Shrink ranges where that brings the readers' answers closer to FP32's; images float32 [N, 3, H, W].

    A channel that is a thousand times as large as the others takes all of a range that is made to hold it, the others
    are rounded to nothing, and no gradient leads out of there.
    """
    exact = network.exact(images)
    for grid in bar(network.grids.values(), len(network.grids), "settling ranges"):
        readers = [step for step in network.body.steps if grid in _grids(network, step)]
        errors = torch.stack([_spoilt(network, grid, readers, exact, share) for share in SHARES])
        grid.growth.fill_(SHARES[errors.argmin()].log())


def _grids(network: RoundedNet, step: Step) -> list[Grid | None]:
    return [network.grid_of(name, step) for name in step.inputs]


def _spoilt(network: RoundedNet, grid: Grid, readers: Sequence[Step], exact: Mapping[str, Tensor],
            share: Tensor) -> Tensor:
    """Error of the readers' answers with only what lies on this grid rounded, in shares of each channel's variance."""
    grid.growth.fill_(share.log())
    errors = []
    for step in readers:
        inputs = [grid(exact[name]) if its is grid else exact[name]
                  for name, its in zip(step.inputs, _grids(network, step), strict=True)]
        errors.append(_distance(network.answer(step, inputs), exact[step.output]))
    return torch.stack(errors).sum()


def _distance(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean over channels; one that is lost counts 1, however far off it is."""
    spread = wanted.var(dim=(0, 2, 3)).clamp(min=1e-12)
    return ((found - wanted).square().mean(dim=(0, 2, 3)) / spread).clamp(max=1).mean()
