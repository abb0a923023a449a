"""Which pairs of a placement share one grid, as calib/quantize.py writes them."""

from __future__ import annotations

from minehat.errors import MineHatError

from .body import Body
from .operations import UNMOVED
from .placement import Placement


def leaders(body: Body, placement: Placement) -> list[int]:
    """For each pair the row of the pair whose grid it has: its own, or another's.

    Numbers that are only chosen or moved (UNMOVED) stay on the grid that they came from, and TensorRT joins maps that
    lie on the joined one's grid. Raises MineHatError where the body has no such tensors.
    """
    makers = {step.output: step for step in body.steps}
    pairs = placement.pairs
    rows = {(pair.tensor, reader): row for row, pair in enumerate(pairs) for reader in pair.readers}
    firsts = {pair.tensor: row for row, pair in reversed(list(enumerate(pairs)))}

    def leader(row: int) -> int:
        pair = pairs[row]
        maker, reader = makers.get(pair.tensor), makers[pair.readers[0]]
        if placement.form == "tensorrt" and reader.kind == "Concat" and reader.output in firsts:
            return leader(firsts[reader.output])
        if maker and maker.kind in UNMOVED and (maker.inputs[0], maker.output) in rows:
            return leader(rows[maker.inputs[0], maker.output])
        return row

    for pair in pairs:
        for name in pair.readers:
            if name not in makers or pair.tensor not in makers[name].inputs:
                raise MineHatError(f"the placement rounds {pair.tensor} for {name}, which is not in this checkpoint's "
                                   "graph: it belongs to another model. Quantize the ONNX file of this checkpoint.")
    return [leader(row) for row in range(len(pairs))]
