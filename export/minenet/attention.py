"""The paper's two attention blocks: no learned weights, same shape out as in (DOI 10.16157/j.issn.0258-7998.200109)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """Equation 1: y[c] = x[c] * sigmoid(mean over h,w of x[c]) + x[c]."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] -> the same shape."""
        return x * torch.sigmoid(x.mean(dim=(2, 3), keepdim=True)) + x


class SpatialAttention(nn.Module):
    """Equation 2: y[:,h,w] = x[:,h,w] * sigmoid(max over c of x[:,h,w]) + x[:,h,w]."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] -> the same shape."""
        return x * torch.sigmoid(x.amax(dim=1, keepdim=True)) + x
