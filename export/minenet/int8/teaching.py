"""What the FP32 network teaches the rounded one: its own answers, which say more than labels do."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from ..network import Recipe, split_anchors


def distance(found: Sequence[Tensor], wanted: Sequence[Tensor], recipe: Recipe) -> Tensor:
    """How far raw maps are from those of the FP32 network, for each object that it sees; 0 where they are equal.

    Places and classes count as much as the FP32 network believes that there is something.
    """
    total, seen = found[0].new_zeros(()), found[0].new_zeros(())
    for mine, its in zip(found, wanted, strict=True):
        mine, its = split_anchors(mine, recipe), split_anchors(its, recipe)
        belief = its[..., 4:5].sigmoid()
        apart = belief * (mine - its).square()
        total = total + apart[..., :4].sum() + apart[..., 5:].sum() / 4
        total = total + (bce(mine[..., 4:5], belief, reduction="sum") - bce(its[..., 4:5], belief, reduction="sum"))
        seen = seen + belief.sum()
    return total / seen.clamp(min=1)
