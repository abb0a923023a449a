"""Is the file that suits a frame's shape found, and taken only where it was measured to see as well?"""

from __future__ import annotations

from pathlib import Path

import minehat
import pytest
from bright_onnx import CARD
from minehat import MineHatError
from minehat.card import KEY
from minehat.variants import variant_for, variant_of_size
from onnx import TensorProto, helper, save

GOOD = {"map50": 0.8, "map": 0.4, "recall_head": 0.7}
SQUARE = CARD.with_(width=416, height=416, accuracy={"galleries": GOOD, "helmets": GOOD})
WIDE = SQUARE.with_(height=256, accuracy={"galleries": GOOD})


def file(path: Path, card) -> Path:
    """A graph that does nothing, with a card: choosing opens no model."""
    value = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([helper.make_node("Identity", ["images"], ["boxes"])], "card", [value],
                                                [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1])]))
    helper.set_model_props(model, {KEY: card.to_json()})
    save(model, path)
    return path


@pytest.fixture
def square(tmp_path: Path) -> Path:
    return file(tmp_path / "bright.int8.onnx", SQUARE)


@pytest.mark.parametrize(("shape", "wide"), [((1280, 720), True), ((1920, 1080), True), ((2592, 1944), False),
                                             ((1000, 1000), False), ((720, 1280), False), ((1600, 500), True)])
def test_a_variant_suits_frames_that_are_as_large_in_it(square, shape, wide):
    variant = file(square.with_name("bright.416x256.int8.onnx"), WIDE)
    assert variant_for(square, *shape) == (variant if wide else square)
    assert variant_for(variant, *shape) == variant  # which is named itself


@pytest.mark.parametrize("card", [
    WIDE.with_(accuracy={}), WIDE.with_(accuracy={"others": GOOD}),
    WIDE.with_(accuracy={"galleries": GOOD | {"map50": 0.79}}),
    WIDE.with_(accuracy={"galleries": GOOD | {"recall_head": 0.69}}),
    WIDE.with_(accuracy={"galleries": GOOD, "helmets": GOOD | {"map50": 0.7}}),
    WIDE.with_(name="another"), WIDE.with_(classes=("head", "helmet")), WIDE.with_(precision="fp16"),
], ids=["not measured", "on other pictures", "worse", "misses heads", "worse on one set", "another's", "other classes",
        "another precision"])
def test_a_variant_that_was_not_measured_to_see_as_well_is_left_alone(square, card):
    file(square.with_name("bright.416x256.int8.onnx"), card)
    assert variant_for(square, 1280, 720) == square


def test_half_a_point_less_is_as_good_and_of_several_the_least_is_taken(square):
    almost = file(square.with_name("bright.416x256.int8.onnx"), WIDE.with_(accuracy={"galleries": GOOD | {
        "map50": 0.7951, "recall_head": 0.7, "map": 0.1}}))
    file(square.with_name("bright.416x320.int8.onnx"), WIDE.with_(height=320))
    file(square.with_name("bright.416x224.int8.onnx"), WIDE.with_(height=224))  # 16:9 frames shrink in it
    file(square.with_name("bright.416x256.int8.other.onnx"), WIDE)
    square.with_name("bright.416x256x1.int8.onnx").write_text("not ours")
    square.with_name("bright.1x1.int8.onnx").write_text("broken")
    assert variant_for(square, 1280, 720) == almost


def test_a_size_that_is_asked_for_is_given_or_told_of(square):
    wide = file(square.with_name("bright.416x256.int8.onnx"), WIDE.with_(accuracy={}))
    assert variant_of_size(square, 416, 256) == wide and variant_of_size(square, 416, 416) == square
    with pytest.raises(MineHatError, match=r"no sister file of 640x384, only of 416x416, 416x256\. .*--size 640x384"):
        variant_of_size(square, 640, 384)


def test_open_takes_the_variant_for_the_frames_to_come(square):
    file(square.with_name("bright.416x256.int8.onnx"), WIDE)
    with pytest.raises(MineHatError, match=r"bright\.416x256\.int8\.onnx"):  # it is no whole network
        minehat.open(square, frame_size=(1280, 720))
    with pytest.raises(MineHatError, match=r"bright\.int8\.onnx"):
        minehat.open(square, frame_size=(1000, 1000))
    with pytest.raises(MineHatError, match="give no card"):
        minehat.open(square, card=SQUARE, frame_size=(1000, 1000))
