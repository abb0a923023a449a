"""An exported network run in torch with the rounding of its INT8 file; weights, biases and ranges can be learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..network import Recipe
from .body import Body, Step
from .grids import Grid, rounded_weights
from .operations import apply, convolve
from .placement import Placement
from .sharing import leaders


class Layer(nn.Module):
    """Weights and bias of a convolution, learned in units of each output channel's size.

    So one rate of learning suits them all, be they large or small.
    """

    sizes: Tensor  # [out]; powers of two, which lose no bit

    def __init__(self, weights: npt.NDArray[np.float32], bias: npt.NDArray[np.float32] | None = None) -> None:
        super().__init__()
        start = torch.from_numpy(weights.copy())
        sizes = start.square().mean(dim=(1, 2, 3)).sqrt().clamp(min=2.0**-40)
        self.register_buffer("sizes", sizes.log2().round().exp2())
        self.weights = nn.Parameter(start / self.sizes.view(-1, 1, 1, 1))
        self.bias = None if bias is None else nn.Parameter(torch.from_numpy(bias.copy()) / self.sizes)

    def forward(self) -> tuple[Tensor, Tensor | None]:
        """Weights [out, in, kh, kw] and bias [out]."""
        return self.weights * self.sizes.view(-1, 1, 1, 1), None if self.bias is None else self.bias * self.sizes

    def scale_outputs(self, factors: Tensor) -> None:
        """Multiply what comes out; factors: [out]."""
        self.sizes *= factors

    def scale_inputs(self, factors: Tensor) -> None:
        """Multiply the weights of what comes in; factors: [in]."""
        self.weights *= factors.view(1, -1, 1, 1)


class RoundedNet(nn.Module):
    """[N, 3, H, W] -> three raw maps, strides 8, 16, 32, as MineNet gives them; rounded as the placement says.

    Raises MineHatError for a placement that belongs to another graph.
    """

    def __init__(self, body: Body, recipe: Recipe, placement: Placement) -> None:
        super().__init__()
        self.body, self.recipe, self.placement = body, recipe, placement
        self.layers = nn.ModuleDict({_plain(step.output): Layer(*step.constants)
                                     for step in body.steps if step.kind == "Conv"})
        self._leads = leaders(body, placement)
        self.grids = nn.ModuleDict({str(row): Grid(placement.pairs[row], placement.form) for row in set(self._leads)})
        self._rows = {(pair.tensor, reader): str(row) for pair, row in zip(placement.pairs, self._leads, strict=True)
                      for reader in pair.readers}

    def forward(self, images: Tensor) -> list[Tensor]:
        values, rounded = {self.body.image: images}, dict[tuple[str, str], Tensor]()
        for step in self.body.steps:
            values[step.output] = self.answer(step, [self._seen(name, step, values, rounded) for name in step.inputs])
        return self.maps_of(values)

    def exact(self, images: Tensor) -> dict[str, Tensor]:
        """Every tensor of the body without any rounding."""
        values = {self.body.image: images}
        for step in self.body.steps:
            values[step.output] = self.answer(step, [values[name] for name in step.inputs], rounds=False)
        return values

    def answer(self, step: Step, inputs: Sequence[Tensor], rounds: bool = True) -> Tensor:
        """What a step makes of its inputs; a convolution's weights are rounded where its input is."""
        if step.kind != "Conv":
            return apply(step, inputs)
        weights, bias = self.layer(step)()
        if rounds and self.grid_of(step.inputs[0], step):
            weights = rounded_weights(weights, self.placement.form)
        return convolve(step, *inputs, weights, bias)

    def grid_of(self, tensor: str, step: Step) -> Grid | None:
        """The grid on which a step reads a tensor; None where it reads it as it is."""
        row = self._rows.get((tensor, step.output))
        return self.grids[row] if row else None  # type: ignore[return-value]

    def maps_of(self, values: Mapping[str, Tensor]) -> list[Tensor]:
        """The raw maps among the tensors of a run, finest first."""
        return sorted((values[name] for name in self.body.maps), key=lambda raw: -raw.shape[2])

    def layer(self, step: Step) -> Layer:
        """What a convolution learns."""
        return self.layers[_plain(step.output)]  # type: ignore[return-value]

    def learned(self) -> Placement:
        """The placement with the ranges as they are now."""
        ends = [self.grids[str(row)].range() for row in self._leads]
        return replace(self.placement, pairs=tuple(replace(pair, low=low, high=high) for pair, (low, high)
                                                   in zip(self.placement.pairs, ends, strict=True)))

    def initializers(self) -> dict[str, Tensor]:
        """Weights and biases by their names in the ONNX file."""
        return {name: values.detach() for step in self.body.steps if step.kind == "Conv"
                for name, values in zip(step.names, self.layer(step)(), strict=False)}

    def _seen(self, name: str, step: Step, values: Mapping[str, Tensor],
              rounded: dict[tuple[str, str], Tensor]) -> Tensor:
        row = self._rows.get((name, step.output))
        if row is None:
            return values[name]
        if (name, row) not in rounded:
            rounded[name, row] = self.grids[row](values[name])
        return rounded[name, row]


def _plain(name: str) -> str:
    """A tensor's name as torch allows it for modules."""
    return name.replace(".", "/")
