"""Export: the graph's contract, the card inside, and the refusal to write what does not agree with torch."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import ROOT
from minehat.card import read_card
from minehat.errors import MineHatError
from minenet.network import Decoded
from minenet.onnx_export import OPSET, compare, export_onnx
from tiny import noise_frames, tiny_card, tiny_network, tiny_onnx


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return tiny_onnx(tmp_path_factory.mktemp("export"))


def test_the_graph_keeps_its_contract(exported):
    model = onnx.load(exported)
    sides = {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
             for v in (*model.graph.input, *model.graph.output)}
    assert sides == {"images": ["batch", 3, 96, 96], "boxes": ["batch", 378, 4], "scores": ["batch", 378, 2]}
    ends = (*model.graph.input, *model.graph.output)
    assert all(end.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for end in ends)
    assert [o.version for o in model.opset_import if o.domain == ""] == [OPSET]
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 75 and "BatchNormalization" not in kinds and "Shape" not in kinds


def test_no_path_of_the_exporting_machine_is_in_the_file(exported):
    assert str(ROOT).encode() not in exported.read_bytes()


def test_the_card_travels_inside(exported):
    assert read_card(exported) == tiny_card()


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_onnx_runtime_agrees_with_torch_at_every_batch(exported, batch):
    images = np.random.default_rng(batch).random((batch, 3, 96, 96), np.float32)
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    boxes, scores = session.run(["boxes", "scores"], {"images": images})
    with torch.inference_mode():
        wanted_boxes, wanted_scores = Decoded(tiny_network())(torch.from_numpy(images))
    seen = wanted_scores.max(dim=2).values.numpy() >= 0.01
    assert seen.any()
    np.testing.assert_allclose(scores, wanted_scores, atol=1e-4)
    np.testing.assert_allclose(boxes[seen], wanted_boxes.numpy()[seen], rtol=1e-5, atol=1e-2)


def test_what_differs_from_torch_is_not_written(tmp_path, monkeypatch):
    """A graph whose weights were changed behind the exporter's back must be caught by the comparison."""
    from minenet import onnx_export
    honest = onnx_export._exported

    def dishonest(graph, card):
        model = honest(graph, card)
        weight = next(i for i in model.graph.initializer if len(i.dims) == 4)
        changed = onnx.numpy_helper.to_array(weight) * 1.01
        weight.CopyFrom(onnx.numpy_helper.from_array(changed.astype(np.float32), weight.name))
        return model

    monkeypatch.setattr(onnx_export, "_exported", dishonest)
    with pytest.raises(MineHatError, match="not written"):
        export_onnx(tiny_network(), tiny_card(), tmp_path / "bad.onnx", noise_frames())
    assert list(tmp_path.iterdir()) == []


def test_the_comparison_really_compares_boxes(exported):
    found = compare(Decoded(tiny_network()), exported, tiny_card(), noise_frames())
    assert found.compared > 100 and found.box < 1e-2 and found.score < 1e-4
