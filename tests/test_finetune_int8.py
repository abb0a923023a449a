"""Fine-tuning through INT8: torch rounds as ONNX Runtime does, and what rounding broke is learned back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from doors import through
from minecalib.check import drift
from minecalib.images import Picture, Squares
from minecalib.job import walk_over
from minecalib.lowering import Wish, lower
from minecalib.parent import open_parent
from minecalib.running import session_of, session_options
from minehat import scenes
from minehat.card import read_card
from minehat.errors import MineHatError
from minehat.files import sha256_of
from minehat.onnx_metadata import read_metadata
from minehat.scenes.written import write_pictures
from minenet.checkpoint import load_checkpoint, save_checkpoint
from minenet.data.sources import Sample, Source
from minenet.int8.body import body_of
from minenet.int8.equalise import equalise
from minenet.int8.grids import Grid
from minenet.int8.network import RoundedNet
from minenet.int8.placement import KEY, Pair, Placement, read_placement
from minenet.int8.settings import TuneSettings
from minenet.int8.tuning import tune
from minenet.int8.written import FINE_TUNED, write_tuned
from onnx import ModelProto, helper, numpy_helper
from tiny import tiny_card, tiny_network, tiny_onnx

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "models" / "helmet-nano"
FORMS = ("tensorrt", "cpu")
HALFWAY = 1e-4  # share of values at most that lie between two steps, and may be rounded either way


@cache
def shot(seed: int) -> np.ndarray:
    return scenes.picture(seed, 416, 416).frame


def broken(model: ModelProto, channels: slice = slice(5, 7), size: float = 1000) -> ModelProto:
    """The same function in FP32, but some channels of the maps at stride 4 are a thousand times as large.

    Additions read those maps, so that equalisation cannot mend them.
    """
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}

    def scaled(name: str, part: tuple[slice, ...], factor: float) -> None:
        values = numpy_helper.to_array(arrays[name]).copy()
        values[part] *= factor
        arrays[name].CopyFrom(numpy_helper.from_array(values, name))

    stage = "network.backbone.stages"
    for layer in ("1.0", "1.1.expand", "1.2.expand"):
        scaled(f"{stage}.{layer}.0.weight", (channels,), size)
        scaled(f"{stage}.{layer}.0.weight_bias", (channels,), size)
    for layer in ("1.1.squeeze", "1.2.squeeze", "2.0"):
        scaled(f"{stage}.{layer}.0.weight", (slice(None), channels), 1 / size)
    return model


class Made:
    """The shipped network, broken, and what it was rounded to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "broken.onnx"
        self.network, self.card, _ = load_checkpoint(SHIPPED / "helmet-nano.pt")
        onnx.save(broken(onnx.load(SHIPPED / "helmet-nano.onnx")), self.path)
        self.parent = open_parent(self.path)
        squares = Squares([Picture(Path(str(seed)), lambda seed=seed: shot(seed)) for seed in range(8)], self.card)
        squares.survey()
        self.seen = walk_over(self.parent, squares)
        self.lowered = {form: lower(self.parent, Wish(form=form, correct_bias=False), self.seen) for form in FORMS}

    def rounded(self, form: str) -> RoundedNet:
        placement = self.lowered[form].placement
        assert placement
        helper.set_model_props(self.lowered[form].model, {KEY: placement.to_json()})
        path = self.folder / f"{form}.onnx"
        onnx.save(self.lowered[form].model, path)
        return RoundedNet(body_of(onnx.load(self.path)), self.network.recipe, read_placement(path))

    def batches(self) -> Iterator[np.ndarray]:
        """Squares of scenes that nothing was calibrated or tuned on."""
        squares = Squares([Picture(Path(str(seed)), lambda seed=seed: shot(seed)) for seed in (100, 101)], self.card)
        return (batch for _, batch in squares.walk("test"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("int8"))


def tensors_of(model: ModelProto, image: np.ndarray) -> dict[str, np.ndarray]:
    """Every float tensor of an INT8 file, as ONNX Runtime computes it node by node."""
    import onnxruntime
    exposed = ModelProto()
    exposed.CopyFrom(model)
    names = [node.output[0] for node in exposed.graph.node if node.op_type not in ("QuantizeLinear", "Pad")]
    del exposed.graph.output[:]
    exposed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    answers = session_of(exposed, options).run(names, {"images": image})
    return {"images": image, **dict(zip(names, answers, strict=True))}


@pytest.mark.parametrize("form", FORMS)
def test_given_the_same_tensors_torch_rounds_and_computes_as_onnx_runtime_does(made: Made, form: str) -> None:
    network = made.rounded(form)
    theirs, rounded = tensors_of(made.lowered[form].model, next(made.batches())), 0
    folded = 3 if form == "cpu" else 0  # steps up to the second convolution, which it computes on 2x2 blocks
    for step in network.body.steps[folded:]:
        inputs = [torch.from_numpy(theirs[name]) for name in step.inputs]
        for row, name in enumerate(step.inputs):
            if grid := network.grid_of(name, step):
                inputs[row] = grid(inputs[row]).detach()
                rounded += np.isclose(inputs[row], theirs.get(f"{name}_dequantized", np.nan), 1e-5).mean() > 0.9999
        with torch.no_grad():
            ours = network.answer(step, inputs).numpy()
        slack = 1e-5 * np.abs(ours).max()
        if form == "cpu" and step.kind == "Conv":  # whose biases are whole steps of the integer sums
            slack += network.grid_of(step.inputs[0], step).scale_and_zero()[0] * step.constants[0].max() / 127
        off = np.abs(ours - theirs[step.output]) > slack
        assert off.mean() <= HALFWAY, step.output
    assert rounded >= sum(len(pair.readers) for pair in network.placement.pairs) - 10  # joins have several pairs


def test_without_rounding_the_graph_is_the_checkpoint(made: Made) -> None:
    network, image = made.rounded("cpu"), torch.from_numpy(next(made.batches()))
    with torch.no_grad():
        for ours, its in zip(network.maps_of(network.exact(image)), made.network(image), strict=True):
            torch.testing.assert_close(ours, its, rtol=1e-3, atol=1e-3)


def test_equalising_changes_channels_and_not_the_answer(made: Made) -> None:
    network, image = made.rounded("cpu"), torch.from_numpy(next(made.batches()))
    before = network.exact(image)
    equalise(network, image)
    after = network.exact(image)
    for name in network.body.maps:
        torch.testing.assert_close(after[name], before[name], rtol=1e-3, atol=1e-3)
    inner = network.body.steps[5].output  # of a squeeze, which an expand alone reads
    largest = after[inner].abs().amax(dim=(0, 2, 3))
    assert largest.max() < 1.01 * largest.min() and before[inner].abs().amax(dim=(0, 2, 3)).std() > 0.1


@pytest.mark.parametrize("form", FORMS)
def test_a_range_is_learned(form: str) -> None:
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    for first in (0.2, 40.0):
        grid = Grid(Pair("x", -first, first, ("y",)), form)
        optimizer = torch.optim.Adam(grid.parameters(), lr=0.05)
        for _ in range(150):
            optimizer.zero_grad()
            (grid(values) - values).square().mean().backward()
            optimizer.step()
        low, high = grid.range()
        assert 2 < high < 5 and 2 < -low < 5


def test_a_network_that_rounding_broke_is_recovered(made: Made) -> None:
    network, out = made.rounded("tensorrt"), made.folder / "tuned.onnx"
    pictures = [Sample(shot(seed), np.zeros((0, 4), np.float32), np.zeros(0, np.int64)) for seed in range(8)]
    torch.manual_seed(0)
    tune(network, made.network, [Source("scenes", pictures, 1.0)], 160, TuneSettings(epochs=6, batch=4, labels=0.0))
    write_tuned(out, onnx.load(made.path), network, made.card, {}, [shot(0)])
    again = lower(open_parent(out), Wish(form="tensorrt"), None)
    before, after = (drift(made.parent.model, lowered.model, made.batches()).sqnr
                     for lowered in (made.lowered["tensorrt"], again))
    assert before < 1 and after > 9


@pytest.mark.slow
def test_the_door_writes_a_file_that_says_where_it_comes_from(tmp_path: Path,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, rounded, out = (tmp_path / name for name in ("best.pt", "int8.onnx", "qat.onnx"))
    save_checkpoint(checkpoint, tiny_network(), tiny_card(96))
    ends = {"images": 1.0, "leaky_relu": 2.0}
    pairs = tuple(Pair(tensor, -ends[tensor], ends[tensor], (reader,))
                  for tensor, reader in (("images", "getitem"), ("leaky_relu", "getitem_3")))
    model = onnx.load(tiny_onnx(tmp_path))
    helper.set_model_props(model, {one.key: one.value for one in model.metadata_props}
                           | {KEY: Placement("tensorrt", pairs).to_json()})
    onnx.save(model, rounded)
    write_pictures(tmp_path / "scenes", 4, split="train", width=128, height=96)
    write_pictures(tmp_path / "scenes", 2, seed=100, split="val", width=128, height=96)
    assert door(checkpoint, rounded, "--data", tmp_path / "scenes", "--epochs", 1, "--batch", 2, "-o", out) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(told) == ["fp32", "int8_before", "int8_after"] and told["fp32"]["images"] == 2
    assert read_card(out) == tiny_card(96).with_(parent_sha256=sha256_of(checkpoint))
    facts = json.loads(read_metadata(out)[FINE_TUNED])
    assert facts["pictures"] == ["scenes"] and facts["rounded_sha256"] == sha256_of(rounded)
    learned = read_placement(out).pairs
    assert [pair.readers for pair in learned] == [pair.readers for pair in pairs] and learned != pairs


def test_a_file_without_a_placement_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MineHatError, match="does not say what it rounds"):
        read_placement(SHIPPED / "helmet-nano.onnx")
    for text, told in (("{}", "cannot be read"), ('{"schema": 9}', "schema 9"),
                       (Placement("npu", (Pair("x", -1, 1, ("y",)),)).to_json(), "npu"),
                       (Placement("cpu", (Pair("x", 1, 2, ("y",)),)).to_json(), "from 1.0 to 2.0")):
        model = onnx.load(SHIPPED / "helmet-nano.onnx")
        helper.set_model_props(model, {KEY: text})
        onnx.save(model, tmp_path / "odd.onnx")
        with pytest.raises(MineHatError, match=told):
            read_placement(tmp_path / "odd.onnx")


def test_a_placement_of_another_model_is_refused(made: Made) -> None:
    other = Placement("tensorrt", (Pair("leaky_relu_500", -1, 1, ("getitem_900",)),))
    with pytest.raises(MineHatError, match="belongs to another model"):
        RoundedNet(body_of(made.parent.model), made.network.recipe, other)


def door(*arguments: object) -> int:
    return through("export/finetune_int8.py", *arguments)
