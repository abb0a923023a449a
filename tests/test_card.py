"""Does the card travel with the file, and does a card that cannot be used say why?"""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from bright_onnx import CARD, bright_onnx
from hypothesis import given
from hypothesis import strategies as st
from minehat import MineHatError, ModelCard, read_card
from minehat.card import KEY, card_from_json
from minehat.onnx_metadata import read_metadata
from onnx import helper

NAMES = st.text(min_size=1, max_size=12)


@given(st.builds(
    ModelCard, name=NAMES, classes=st.lists(NAMES, min_size=1, max_size=5, unique=True).map(tuple),
    height=st.integers(1, 40).map(lambda n: 32 * n), width=st.integers(1, 40).map(lambda n: 32 * n),
    channel_order=st.sampled_from(["RGB", "BGR"]), pad=st.integers(0, 255), conf=st.floats(0, 1),
    mean=st.tuples(*[st.floats(0, 255)] * 3), precision=st.sampled_from(["fp32", "int8", "int8-cpu"]),
    data_sources=st.lists(NAMES, max_size=3).map(tuple),
    accuracy=st.dictionaries(NAMES, st.dictionaries(NAMES, st.floats(0, 1)), max_size=2)))
def test_a_card_survives_json_and_back(card):
    assert card_from_json(card.to_json(), "here") == card
    assert "\n" not in card.to_json()


def test_a_card_travels_in_the_onnx_file(tmp_path):
    assert read_card(bright_onnx(tmp_path / "bright.onnx")) == CARD
    assert read_card(bright_onnx(tmp_path / "BRIGHT.ONNX")) == CARD


def test_an_engine_has_its_card_beside_it_and_a_card_file_is_its_own(tmp_path):
    engine = tmp_path / "x.engine"
    engine.write_bytes(b"engine")
    with pytest.raises(MineHatError, match=r"x\.engine\.json is missing.*minehat build"):
        read_card(engine)
    (tmp_path / "x.engine.json").write_text(json.dumps(json.loads(CARD.to_json()) | {"gpu": "Orin"}))
    assert read_card(engine) == CARD == read_card(tmp_path / "x.engine.json")


def test_a_model_without_a_card_says_how_to_give_one(tmp_path):
    with pytest.raises(MineHatError, match=r"no model card.*--card card\.json"):
        read_card(bright_onnx(tmp_path / "bare.onnx", card=None))


@pytest.mark.parametrize(("changes", "complaint"), [
    ({"schema": 2}, "schema 2.*reads up to 1.*pip install -U minehat"),
    ({"schema": "2"}, "schema must be a number"),
    ({"schema": True}, "schema must be a number"),
    ({"height": 100}, "height must be a positive multiple of 32, found 100"),
    ({"width": 0}, "width must be"),
    ({"width": True}, "width must be"),
    ({"stride": 0}, "stride must be a positive whole number"),
    ({"classes": []}, "classes must be"),
    ({"classes": "helmet"}, "classes must be a list of names"),
    ({"classes": ["head", "head"]}, "classes must be different"),
    ({"classes": [1]}, "classes must be a list of names"),
    ({"channel_order": "GBR"}, "channel_order must be RGB or BGR"),
    ({"mean": 0}, "mean must be three numbers"),
    ({"scale": [1, 1]}, "scale must be three numbers"),
    ({"scale": [1, 1, "1"]}, "scale must be three numbers"),
    ({"pad": 300}, "pad must be"),
    ({"precision": "int4"}, "precision must be one of"),
    ({"conf": 25}, "conf must lie in 0..1, found 25"),
    ({"iou": "0.5"}, "iou must lie in 0..1"),
    ({"outputs": ["output0"]}, "outputs must name 2"),
    ({"name": None}, "name must be text"),
    ({"accuracy": []}, "accuracy must be an object"),
])
def test_a_card_that_makes_no_sense_names_the_field(changes, complaint):
    text = json.dumps(json.loads(CARD.to_json()) | changes)
    with pytest.raises(MineHatError, match=f"^card.json.*{complaint}"):
        card_from_json(text, "card.json")


@pytest.mark.parametrize("key", ["name", "classes", "height", "width"])
def test_a_card_that_lacks_something_names_it(key):
    fields = json.loads(CARD.to_json())
    del fields[key]
    with pytest.raises(MineHatError, match=f"lacks {key}"):
        card_from_json(json.dumps(fields), "card.json")


@pytest.mark.parametrize("text", ["", "{", "[]", '"card"', "null"])
def test_what_is_no_card_is_refused(text):
    with pytest.raises(MineHatError, match=r"card\.json.*JSON"):
        card_from_json(text, "card.json")


def test_a_card_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "card.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MineHatError, match="cannot be read as a card"):
        read_card(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MineHatError, match=r"nope\.onnx: no such model file"):
        read_card(tmp_path / "nope.onnx")


@given(st.dictionaries(NAMES, st.text(max_size=200), max_size=5))
def test_metadata_is_what_the_onnx_package_wrote(tmp_path_factory, metadata):
    path = bright_onnx(tmp_path_factory.mktemp("onnx") / "x.onnx", card=None)
    model = onnx.load(str(path))
    helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    assert read_metadata(path) == metadata


def test_metadata_before_the_graph_is_read_as_well(tmp_path):
    """Field order is free in protobuf: write the metadata's bytes first."""
    path, model = tmp_path / "x.onnx", onnx.load(str(bright_onnx(tmp_path / "x.onnx")))
    entries = onnx.ModelProto()
    entries.metadata_props.extend(model.metadata_props)
    del model.metadata_props[:]
    path.write_bytes(entries.SerializeToString() + model.SerializeToString())
    assert read_metadata(path)[KEY] == CARD.to_json()


def test_a_file_that_is_cut_short_is_refused_at_every_length(tmp_path):
    """Or, where the cut falls between two fields, lacks its card: no length is taken for whole."""
    whole = bright_onnx(tmp_path / "whole.onnx").read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(MineHatError, match=r"cut short|carries no model card"):
            read_card(cut)


@pytest.mark.parametrize("content", [b"", b"hello, this is text", b"\x00" * 64, bytes(range(256))])
def test_what_is_no_onnx_file_is_refused(tmp_path, content):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(MineHatError, match="not an ONNX file"):
        read_metadata(path)


def test_a_folder_is_no_model(tmp_path: Path):
    with pytest.raises(MineHatError, match="no such model file"):
        read_card(tmp_path)
