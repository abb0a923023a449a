"""The fine-tuned network as an FP32 ONNX file that says how it wants to be rounded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from minehat.card import KEY as CARD
from minehat.card import ModelCard
from minehat.errors import MineHatError
from minehat.files import written_whole
from onnx import ModelProto, helper, numpy_helper
from torch import Tensor, nn

from ..network import Decoded
from ..onnx_export import BOX_TOLERANCE, SCORE_TOLERANCE, compare
from .network import RoundedNet
from .placement import KEY as PLACEMENT

FINE_TUNED = "minehat.finetuned"  # metadata key: how


class Exact(nn.Module):
    """The fine-tuned network without its rounding: [N, 3, H, W] -> three raw maps."""

    def __init__(self, network: RoundedNet) -> None:
        super().__init__()
        self.network, self.recipe = network, network.recipe

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.network.maps_of(self.network.exact(images))


def write_tuned(out: Path, model: ModelProto, network: RoundedNet, card: ModelCard, facts: Mapping[str, Any],
                frames: Sequence[npt.NDArray[np.uint8]]) -> None:
    """Write `model`, the FP32 graph, with the network's weights, its placement, the card and `facts` of the tuning.

    Kept only where ONNX Runtime and torch agree on the frames (uint8 BGR).
    """
    weights = {name: numpy_helper.from_array(values.numpy(), name) for name, values in network.initializers().items()}
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(weights[tensor.name])
    helper.set_model_props(model, {CARD: card.to_json(), PLACEMENT: network.learned().to_json(),
                                   FINE_TUNED: json.dumps(dict(facts), sort_keys=True)})
    with written_whole(out) as scratch:
        onnx.save(model, scratch)
        found = compare(Decoded(Exact(network)).eval(), scratch, card, frames)
        if not (found.box <= BOX_TOLERANCE and found.score <= SCORE_TOLERANCE):
            raise MineHatError(f"{out} is not written: ONNX Runtime and torch differ by {found.box:.2g} px and "
                               f"{found.score:.2g} in score. Begin again with a lower --lr.")
