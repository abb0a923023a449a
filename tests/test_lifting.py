"""Placements and lifting: where pairs stand, what goes when a layer is lifted, and what travels with the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from broken import break_channel, chains
from minecalib.check import drift, integer_convolutions
from minecalib.cost import multiplications, relative_cost
from minecalib.gate.drift import own_noise
from minecalib.graph import key_of
from minecalib.images import Squares, find_pictures
from minecalib.job import Job, names_of, open_job
from minecalib.lowering import FORMS, Wish
from minecalib.parent import open_parent
from minecalib.placement import KEY, Placement
from minecalib.ranges import Clipping
from minecalib.ranges.domain import gap
from minecalib.weights.objects import objects_of
from minehat.errors import MineHatError
from minehat.onnx_metadata import read_metadata
from minehat.pictures import write_picture
from onnx import numpy_helper
from test_quantize import write_frames
from tiny import tiny_onnx

EVERY_FORM = pytest.mark.parametrize("form", FORMS)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"), 12)


@pytest.fixture(scope="module")
def parent_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_onnx(tmp_path_factory.mktemp("parent"))


def job_of(path: Path, frames: Path, wish: Wish) -> Job:
    parent = open_parent(path)
    squares = Squares(find_pictures([frames], parent.card.classes), parent.card)
    squares.survey()
    return open_job(parent, wish, squares, None)


@pytest.fixture(scope="module")
def job(parent_path: Path, frames: Path) -> Job:
    return job_of(parent_path, frames, Wish())


def of_form(job: Job, form: str) -> Job:
    return replace(job, wish=Wish("int8", form))


def batches(job: Job) -> list[np.ndarray]:
    return [batch for _, batch in job.squares.some(4).walk("test")]


@EVERY_FORM
def test_with_all_layers_lifted_the_answer_is_the_parents(job: Job, form: str) -> None:
    job = of_form(job, form)
    made = job.lowered([layer.tensor for layer in job.layers()])
    assert made.placement is not None and not made.placement.pairs
    assert drift(job.parent.model, made.model, batches(job)).sqnr > 90


@EVERY_FORM
def test_a_lifted_layer_runs_in_float_and_no_other(job: Job, form: str, tmp_path: Path) -> None:
    job = of_form(job, form)
    wiring = job.parent.wiring()
    second = list(chains(wiring))[20][1]
    made = job.lowered([second.input[0]])
    kept = {node.name for node in made.model.graph.node if node.op_type == "Conv" and is_float(made.model, node)}
    assert kept == {second.name}
    if form == "cpu":
        onnx.save(made.model, tmp_path / "lifted.onnx")
        whole, floats = integer_convolutions(tmp_path / "lifted.onnx")
        assert (len(whole), floats) == (74, [second.name])


def is_float(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    return node.input[1] in {tensor.name for tensor in model.graph.initializer}


@EVERY_FORM
def test_every_pair_belongs_to_a_layer_and_every_convolution_to_one(job: Job, form: str) -> None:
    job = of_form(job, form)
    layers, placement = job.layers(), job.lowered().placement
    assert placement is not None
    inside = [tensor for layer in layers for tensor in layer.tensors]
    joined = {pair.tensor for pair in placement.pairs if len(pair.readers) == 1} if form == "tensorrt" else set()
    assert len(inside) == len(set(inside)) and placement.tensors - joined <= set(inside)
    convolutions = [name for layer in layers for name in layer.convolutions]
    assert sorted(convolutions) == sorted(map(key_of, job.parent.wiring().convolutions))
    assert set(names_of(job)) == {layer.tensor for layer in layers}


def test_joined_maps_share_a_grid_with_the_join(job: Job) -> None:
    placement = of_form(job, "tensorrt").lowered().placement
    assert placement is not None
    ends = {pair.tensor: pair.high for pair in placement.pairs if len(pair.readers) > 0}
    wiring = job.parent.wiring()
    joins = [node for node in wiring.body if node.op_type == "Concat" and key_of(node) in ends
             and any(reader.op_type == "Conv" for reader in wiring.consumers[key_of(node)])]
    assert len(joins) == 2
    for join in joins:
        grids = {pair.high for pair in placement.pairs if key_of(join) in pair.readers}
        assert grids == {ends[key_of(join)]}
        assert {pair.tensor for pair in placement.pairs if key_of(join) in pair.readers} == set(join.input)


def test_joining_pairs_change_no_answer(job: Job) -> None:
    """They lie on the grid that the join is rounded to anyway."""
    job = of_form(job, "tensorrt")
    with_pairs = job.lowered().model
    without = onnx.ModelProto()
    without.CopyFrom(with_pairs)
    makers = {node.output[0]: node for node in without.graph.node}
    for node in without.graph.node:
        if node.op_type == "Concat" and any(name.endswith("_dequantized") for name in node.input):
            node.input[:] = [makers[makers[name].input[0]].input[0] for name in node.input]
    assert drift(with_pairs, without, batches(job)).sqnr == np.inf


def test_attention_is_rounded_by_choice(job: Job) -> None:
    wiring = job.parent.wiring()
    products = {key_of(node) for node in wiring.body if node.op_type == "Mul"}
    plain, rounded = (replace(job, wish=Wish(attention=attention)).lowered().placement for attention in (False, True))
    assert plain is not None and rounded is not None and products
    assert not products & {reader for pair in plain.pairs for reader in pair.readers}
    assert products <= {reader for pair in rounded.pairs for reader in pair.readers}


@EVERY_FORM
def test_a_placement_survives_json_and_writes_the_same_file(job: Job, form: str) -> None:
    """What a fine-tuned model brings along is taken to the last bit."""
    job = of_form(job, form)
    lifted = [list(chains(job.parent.wiring()))[5][1].input[0]]
    plain = replace(job, wish=replace(job.wish, correct_bias=False))
    made = plain.lowered(lifted)
    assert made.placement is not None
    read = Placement.from_json(made.placement.to_json())
    assert read == made.placement
    again = replace(job, parent=replace(job.parent, fine_tuned_for=read), seen=None).lowered()
    assert again.model.SerializeToString(deterministic=True) == made.model.SerializeToString(deterministic=True)


def test_what_was_fine_tuned_for_one_form_is_not_written_in_the_other(job: Job) -> None:
    placement = of_form(job, "cpu").lowered().placement
    with pytest.raises(MineHatError, match="--form cpu"):
        replace(job, parent=replace(job.parent, fine_tuned_for=placement), seen=None).lowered()


@pytest.mark.parametrize("text", ["{}", "[1]", "nonsense", '{"schema": 99}',
                                  '{"schema": 1, "form": "cpu", "pairs": [{}], "lifted": []}'])
def test_a_damaged_placement_is_told(text: str) -> None:
    with pytest.raises(MineHatError, match="placement"):
        Placement.from_json(text)


def test_a_layer_that_is_not_there_cannot_be_lifted(job: Job) -> None:
    with pytest.raises(MineHatError, match="no layer"):
        job.lowered(["nowhere"])


@EVERY_FORM
def test_the_layer_that_int8_cannot_hold_adds_most_noise(parent_path: Path, frames: Path, tmp_path: Path,
                                                         form: str) -> None:
    culprit = break_channel(parent_path, tmp_path / "broken.onnx", chain=15)
    job = job_of(tmp_path / "broken.onnx", frames, Wish("int8", form))
    placement = job.lowered().placement
    assert placement is not None
    noises = own_noise(job.parent.wiring(), job.layers(), placement, batches(job))
    assert max(noises, key=lambda tensor: noises[tensor]) == culprit
    assert noises[culprit] > 10 * sorted(noises.values())[-2]
    assert drift(job.parent.model, job.lowered([culprit]).model, batches(job)).sqnr > \
        3 + drift(job.parent.model, job.lowered().model, batches(job)).sqnr


@EVERY_FORM
def test_equalising_mends_a_huge_channel_and_changes_no_fp32_answer(parent_path: Path, frames: Path, tmp_path: Path,
                                                                    form: str) -> None:
    break_channel(parent_path, tmp_path / "broken.onnx", chain=15)
    plain, equalised = (job_of(tmp_path / "broken.onnx", frames, Wish("int8", form, equalise=equalise))
                        for equalise in (False, True))
    assert drift(plain.parent.model, equalised.parent.model, batches(plain)).sqnr > 90
    made = [job.lowered() for job in (plain, equalised)]
    before, after = (drift(plain.parent.model, one.model, batches(plain)).sqnr for one in made)
    assert after > before + 3
    assert [one.placement.equalised for one in made if one.placement] == [False, True]


@EVERY_FORM
def test_the_scores_of_what_is_seen_are_kept(job: Job, form: str) -> None:
    """Where FP32 sees something, the last outputs are the same in the mean."""
    parent = job.parent
    plain = replace(job, wish=Wish("int8", form), objects=None)
    objects = objects_of(parent.model, parent.card, job.squares)
    assert objects is not None
    moved = replace(plain, objects=objects).lowered()
    left, before = (objects.shifts(model) for model in (moved.model, plain.lowered().model))
    for name, shift in left.items():
        assert np.abs(before[name]).max() > 1e-3
        assert np.abs(shift).max() < 0.2 * np.abs(before[name]).max()


def test_costs_count_multiplications(job: Job) -> None:
    counts = multiplications(job.parent.wiring())
    first = job.parent.wiring().convolutions[0]
    out, channels, height, width = job.parent.wiring().array(first.input[1]).shape
    assert counts[key_of(first)] == out * channels * height * width * 96 * 96
    layers = job.layers()
    everything = [layer.tensor for layer in layers]
    assert relative_cost(counts, layers, [], "int8") == 1
    assert relative_cost(counts, layers, everything, "int8+fp16") == pytest.approx(2)
    assert relative_cost(counts, layers, everything, "int8") == pytest.approx(4)


def test_a_corrected_bias_is_the_convolutions_own(job: Job) -> None:
    plain = replace(job, wish=Wish(correct_bias=False)).lowered().model
    corrected = job.lowered().model
    name = job.parent.wiring().convolutions[0].input[2]
    (before,) = (numpy_helper.to_array(tensor) for tensor in plain.graph.initializer if tensor.name == name)
    (after,) = (numpy_helper.to_array(tensor) for tensor in corrected.graph.initializer
                if tensor.name == f"{key_of(job.parent.wiring().convolutions[0])}_corrected_bias")
    assert before.shape == after.shape and (before != after).any()


def test_pictures_of_another_world_are_told(job: Job, parent_path: Path, frames: Path, tmp_path: Path) -> None:
    for row in range(8):
        write_picture(tmp_path / f"{row}.png", np.full((60, 80, 3), 110 + row, np.uint8))
    placement = job.lowered().placement
    assert placement is not None and job.seen is not None
    dull, same = (job_of(parent_path, folder, Wish()).seen for folder in (tmp_path, frames))
    assert dull is not None and same is not None
    assert gap("fog", placement, job.seen, dull).is_wide and "DOMAIN GAP" in gap("fog", placement, job.seen, dull).told
    alike = gap("here", placement, job.seen, same)
    assert not alike.is_wide and alike.strength == 1 and alike.clipped[0] == alike.clipped[1]


@EVERY_FORM
@pytest.mark.parametrize("method", ["mse", "entropy", "max"])
def test_every_method_gives_a_usable_model(job: Job, form: str, method: str) -> None:
    made = replace(job, wish=Wish("int8", form, Clipping(method))).lowered()
    assert drift(job.parent.model, made.model, batches(job)).sqnr > 15


def test_the_placement_travels_in_the_metadata(job: Job, tmp_path: Path) -> None:
    from minecalib.written import write_lowered
    made = job.lowered()
    write_lowered(made, job, tmp_path / "x.onnx")
    assert Placement.from_json(read_metadata(tmp_path / "x.onnx")[KEY]) == made.placement
