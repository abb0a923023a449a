"""The grids of an INT8 file, in torch: what calib/quantize.py writes, with ranges that can be learned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .placement import Pair

STEPS = 255  # from one end of a grid of 256 numbers to the other
SMALLEST_SCALE = 2.0**-14  # the least normal FP16 number


def half_scales(scales: Tensor) -> Tensor:
    """Rounded to what FP16 can hold, none below its least normal number."""
    return scales.half().float().clamp(min=SMALLEST_SCALE)


def rounded_weights(weights: Tensor, form: str) -> Tensor:
    """float32 [out, in, kh, kw], each output channel on its own symmetric grid; the gradient passes as if it were not.
    """
    with torch.no_grad():
        greatest = weights.abs().amax(dim=(1, 2, 3), keepdim=True)
        scales = torch.where(greatest > 0, greatest / 127, SMALLEST_SCALE)
        scales = half_scales(scales) if form == "tensorrt" else scales
        error = (weights / scales).round_().clamp_(-127, 127).mul_(scales).sub_(weights)
    return weights + error


class Grid(nn.Module):
    """Rounds a tensor to its grid. The ends of its range are learned as the logarithm of how much they have grown."""

    def __init__(self, pair: Pair, form: str) -> None:
        super().__init__()
        self.form = form
        self.first = (-pair.high * 128 / 127 if form == "tensorrt" else pair.low, pair.high)
        self.growth = nn.Parameter(torch.zeros(1 if form == "tensorrt" else 2))

    def ends(self) -> tuple[Tensor, Tensor]:
        """Least and greatest number of the grid, but for the rounding of scale and zero."""
        low, high = (end * grown for end, grown in zip(self.first, self.growth.exp().expand(2), strict=True))
        return low, high

    @torch.no_grad()
    def scale_and_zero(self) -> tuple[float, int]:
        """The scale, and the steps from the least number to 0."""
        low, high = self.ends()
        if self.form == "tensorrt":
            return float(half_scales(high / 127)), 128
        scale = ((high - low) / STEPS).clamp(min=1e-12)
        return float(scale), int((-low / scale).round().clamp(0, STEPS))

    def range(self) -> tuple[float, float]:
        """As a placement tells it."""
        scale, zero = self.scale_and_zero()
        return (-127 * scale, 127 * scale) if self.form == "tensorrt" else (-zero * scale, (STEPS - zero) * scale)

    def forward(self, x: Tensor) -> Tensor:
        rounded: Tensor = _Rounded.apply(x, *self.ends(), *self.scale_and_zero())
        return rounded


class _Rounded(torch.autograd.Function):
    """Round to a grid. Inside it the gradient passes to what came in, outside to the end that was met; the rounding
    error itself tells both ends which way to move (Esser et al. 2019, https://arxiv.org/abs/1902.08153)."""

    @staticmethod
    def forward(ctx, x: Tensor, low: Tensor, high: Tensor, scale: float, zero: int) -> Tensor:  # type: ignore[no-untyped-def]
        y = (x / scale).round_().clamp_(-zero, STEPS - zero).mul_(scale)
        ctx.save_for_backward(x, y)
        ctx.half_step = scale / 2
        return y

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        x, y = ctx.saved_tensors
        error = y - x
        below, above = error > ctx.half_step, error < -ctx.half_step
        inside = grad.masked_fill(below | above, 0)
        wider = error.mul_(inside).sum() / (2 * ctx.half_step * STEPS)  # the scale is (high - low) / STEPS
        return inside, grad[below].sum() - wider, grad[above].sum() + wider, None, None
