"""The operations of both backbones, the neck and the attentions, in torch; convolutions take learned weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from .body import Step

UNMOVED = frozenset({"Resize", "MaxPool", "ReduceMax"})  # they only choose numbers: on a grid what comes in from it


def convolve(step: Step, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """[N, C, h, w] -> [N, out, h', w'], borders padded alike on all sides."""
    given = step.attributes
    return functional.conv2d(x, weight, bias, given["strides"], given["pads"][:2], given["dilations"], given["group"])


def apply(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    """Any other operation, on what it reads of the picture."""
    return OPERATIONS[step.kind](step, *inputs)


def _pooled(step: Step, x: Tensor) -> Tensor:
    given = step.attributes
    return functional.max_pool2d(x, given["kernel_shape"], given["strides"], given["pads"][:2])


def _axes(step: Step) -> list[int]:
    return [int(axis) for axis in step.constants[0]]


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "LeakyRelu": lambda step, x: functional.leaky_relu(x, step.attributes["alpha"]),
    "Relu": lambda step, x: functional.relu(x),
    "Sigmoid": lambda step, x: torch.sigmoid(x),
    "Add": lambda step, x, y: x + y,
    "Mul": lambda step, x, y: x * y,
    "Concat": lambda step, *parts: torch.cat(parts, dim=step.attributes["axis"]),
    "ReduceMean": lambda step, x: x.mean(dim=_axes(step), keepdim=True),
    "ReduceMax": lambda step, x: x.amax(dim=_axes(step), keepdim=True),
    "MaxPool": _pooled,
    "Resize": lambda step, x: functional.interpolate(x, scale_factor=step.constants[0].tolist()[2:], mode="nearest"),
}
