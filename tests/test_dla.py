"""A DLA's share of a build. No DLA answers here, so can_run_on_DLA and the number of cores are stood in for; networks,
configs and the parser's report are TensorRT-RTX's own, and the calibrator is made with TensorRT 10.3's bindings."""

import os
import platform
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import onnx
import pytest
import tensorrt_rtx_bindings as trt
from engines import CARD, door, saved
from minehat import MineHatError
from minehat.engine import BuildOptions
from minehat.engine.build import _batch
from minehat.engine.calibration_table import scales_from_table, table_from_scales
from minehat.engine.differences import check_dla
from minehat.engine.dla import aimed_at_core, first_refused, one_batch, prepared, told_of_dla
from minehat.engine.library import Library
from minehat.engine.network import parsed
from minehat.engine.source import source_of
from minehat.engine.watch import BuildLog, logger_for
from minehat.engine.weakly_typed import decode_layers, layers_of, let_table_decide, reads_tables
from trt_api.dump import importable

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorRT-RTX and the bindings that are looked at are x86-64 Linux ones")

TABLES = SimpleNamespace(IInt8EntropyCalibrator2=object)  # as TensorRT 10 has it


def orin(version="11.4.1.20", module=trt):
    return Library("tensorrt", version, None, module)


def source(folder, precision="int8"):
    return source_of(saved(folder, precision=precision), CARD.with_(precision=precision), BuildOptions())


class Config:
    """TensorRT-RTX's, but that it answers for a core that takes only layers of the kinds `fits`. What is set is kept
    beside, for the real one takes no core that is not there."""

    def __init__(self, real, fits, log):
        vars(self).update(real=real, fits=fits, log=log, given={})

    def __getattr__(self, name):
        return getattr(self.real, name)

    def __setattr__(self, name, value):
        self.given[name] = value
        setattr(self.real, name, value)

    def can_run_on_DLA(self, layer):
        if layer.type.name not in self.fits:
            self.log.hear("WARNING", f"{layer.name}: {layer.type.name} is not\n  known. ")
        return layer.type.name in self.fits


class Parser:
    """TensorRT-RTX's, which wants its own kind of config."""

    def __init__(self, definition, logger):
        self.real = trt.OnnxParser(definition, logger)

    def __getattr__(self, name):
        return getattr(self.real, name)

    def set_builder_config(self, config):
        return self.real.set_builder_config(config.real)


class Board:
    """A parsed network, a builder with DLA cores, and a config."""

    def __init__(self, source, cores=2, fits=("CONVOLUTION",)):
        self.log, self.source = BuildLog(), source
        self.library = orin(module=SimpleNamespace(**{**vars(trt), "OnnxParser": Parser}))
        self.network = parsed(orin(), logger_for(trt, self.log), self.log, source)
        self.config = Config(self.network.builder.create_builder_config(), fits, self.log)
        self.builder = SimpleNamespace(num_DLA_cores=cores, logger=self.network.builder.logger,
                                       create_network=self.network.builder.create_network)

    def aimed(self, core):
        network = SimpleNamespace(builder=self.builder, definition=self.network.definition)
        return aimed_at_core(self.library, network, self.config, self.source, self.log, core)


@pytest.fixture
def board(tmp_path):
    return Board(prepared(source(tmp_path), orin()))


# which libraries

def test_tensorrt_rtx_has_no_dla(tmp_path, capsys):
    assert door(saved(tmp_path, precision="int8"), "--dla", 0, "--target", "rtx") == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "which have no DLA" in told
    assert not list(tmp_path.glob("*.engine*"))


@pytest.mark.parametrize(("version", "there"), [
    ("10.3.0", True), ("10.7.0.23", True), ("10.8.0", False), ("10.13.0.35", False), ("11.0.0.114", False),
    ("11.4.0.106", False), ("11.4.1.20", True)])
def test_versions_without_a_dla_are_refused(version, there):
    if there:
        check_dla(orin(version))
    else:
        with pytest.raises(MineHatError, match=rf"TensorRT {version} has no DLA.*11\.4\.1"):
            check_dla(orin(version))


@pytest.mark.parametrize("version", ["10.3.0", "11.4.1.20"])
def test_a_board_without_a_dla_is_told_before_anything_is_written(tmp_path, capsys, monkeypatch, version):
    """All the way to the builder, which is TensorRT-RTX's and has no core; what 10.3 has beyond it is not reached."""
    monkeypatch.setattr("minehat.engine.build.builder_library", lambda target: orin(version))
    monkeypatch.setattr("minehat.engine.dla.reads_tables", lambda module: version.startswith("10."))
    assert door(saved(tmp_path, precision="int8", card=CARD.with_(precision="int8")), "--dla", 0) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "this board has no such DLA core, it has none" in told
    assert not list(tmp_path.glob("*.engine*"))


def test_pixels_for_an_input_are_refused_for_no_dla_takes_them(tmp_path):
    plain = source(tmp_path)
    with pytest.raises(MineHatError, match="takes uint8 pixels, which no DLA does"):
        prepared(replace(plain, card=plain.card.with_(input_dtype="uint8")), orin())


# what is made ready

def test_tensorrt_11_gets_the_files_own_pairs(tmp_path):
    ready = prepared(source(tmp_path), orin())
    found = {node.op_type for node in onnx.load_from_string(ready.grafted).graph.node}
    assert ready.table is None and not ready.scales
    assert {"QuantizeLinear", "PRelu"} <= found and "LeakyRelu" not in found


def test_tensorrt_10_gets_a_table_and_a_network_without_pairs(tmp_path):
    ready = prepared(source(tmp_path), orin("10.3.0", TABLES))
    graph = onnx.load_from_string(ready.grafted).graph
    found = {node.op_type for node in graph.node}
    assert "PRelu" in found and not found & {"LeakyRelu", "QuantizeLinear", "DequantizeLinear"}
    table = scales_from_table(ready.table)
    assert ready.table.startswith(b"TRT-100300-")
    assert set(table) <= {"images", *(name for node in graph.node for name in node.output)}
    assert {"images", "stem.act", "body.act", "stem", "body"} == set(table)  # "stem" goes into the activation
    assert ready.scales == {"given": 3, "moved": 0, "before": 2, "lacking": len(graph.node) - 4 + 1}  # Split makes two


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_without_int8_no_table_is_made(tmp_path, precision):
    assert prepared(source(tmp_path, precision), orin("10.3.0", TABLES)).table is None


def test_tensorrt_10_wants_int8_alone(tmp_path):
    both = source_of(saved(tmp_path, precision="int8"), CARD.with_(precision="int8+fp16"), BuildOptions())
    with pytest.raises(MineHatError, match=r"is int8\+fp16.*--precision int8`"):
        prepared(both, orin("10.3.0", TABLES))
    assert prepared(both, orin()).table is None


@pytest.mark.parametrize(("asked", "wanted"), [(None, (1, 1, 1)), ((2, 2, 2), (2, 2, 2))])
def test_a_dla_runs_one_batch_size(board, asked, wanted):
    assert one_batch(asked) == wanted
    assert _batch(board.network, BuildOptions(dla=0, batch=asked)) == wanted


def test_more_batch_sizes_are_refused():
    with pytest.raises(MineHatError, match=r"--batch 1,2,4: a DLA runs one batch size.*--batch 2\."):
        one_batch((1, 2, 4))


# which core, which layers

@pytest.mark.parametrize(("cores", "core", "said"), [(0, 0, "it has none"), (1, 1, "it has 0"), (2, 2, "it has 0, 1")])
def test_a_core_that_is_not_there_is_refused(tmp_path, cores, core, said):
    with pytest.raises(MineHatError, match=f"--dla {core}: this board has no such DLA core, {said}"):
        Board(prepared(source(tmp_path), orin()), cores).aimed(core)


def test_the_config_is_pointed_at_the_core(board):
    board.aimed(1)
    assert board.config.given == {"default_device_type": trt.DeviceType.DLA, "DLA_core": 1}
    assert board.config.get_flag(trt.BuilderFlag.GPU_FALLBACK)


def test_the_report_says_who_runs_each_layer_and_why(board):
    heard = list(board.log.warnings)
    found = board.aimed(0)
    convolutions = {"stem", "body", "head"}
    assert set(found["taken"]) == convolutions
    assert {*found["taken"], *found["gpu"]} == {layer.name for layer in layers_of(board.network.definition)}
    assert found["gpu"]["stem.act"] == "the layer: PARAMETRIC_RELU is not known"
    assert board.log.warnings == heard and not board.log.errors, "what does not fit is no trouble of the build"
    lines = told_of_dla(found)
    assert lines[0] == f"DLA core 0 takes 3 of {len(found['taken']) + len(found['gpu'])} layers"
    assert "on the GPU: 2 (the layer: PARAMETRIC_RELU is not known)" in lines
    assert told_of_dla({}) == []


def test_a_core_that_takes_nothing_is_refused(tmp_path):
    nothing = Board(prepared(source(tmp_path, "fp32"), orin()), fits=())
    with pytest.raises(MineHatError, match=r"takes no layer of .*tiny\.onnx, which is fp32 \(.* is not known\)"):
        nothing.aimed(0)


def test_the_parsers_own_report_is_read(tmp_path):
    """TensorRT-RTX's parser makes it as TensorRT's does from 10.15 on, and without a DLA refuses the first node."""
    ready = prepared(source(tmp_path, "fp16"), orin())
    board = Board(ready)
    said = first_refused(board.library, board, board.config, ready, board.log)
    assert said.startswith("down (Cast): ") and "DLA" in said
    assert not board.log.errors
    assert f"the parser stops at {said}" in told_of_dla(board.aimed(0))


def test_a_version_without_such_a_report_is_not_asked(board):
    older = orin("10.3.0", SimpleNamespace(OnnxParserFlag=SimpleNamespace()))
    assert first_refused(older, board, board.config, board.source, board.log) == ""


# the weakly typed network

def test_decode_is_what_comes_after_the_last_convolutions(board):
    decode = {layer.name for layer in decode_layers(trt, board.network.definition)}
    assert decode and decode.isdisjoint({"stem", "body", "head", "stem.act", "body.act"})
    makers = {layer.get_output(row).name: layer.name for layer in layers_of(board.network.definition)
              for row in range(layer.num_outputs)}
    assert {makers["boxes"], makers["scores"], "rows"} <= decode
    assert not any("kernel" in name for name in decode), "weights on their way to a convolution are none of it"


class Layer:
    """As TensorRT 10's: the same layer, whose precision can be set."""

    def __init__(self, layer):
        self.wrapped, self.precision, self.types = layer, None, {}

    def __getattr__(self, name):
        return getattr(self.wrapped, name)

    def set_output_type(self, row, dtype):
        self.types[row] = dtype


def test_a_table_decides_and_decode_stays_in_float(board):
    layers = [Layer(layer) for layer in layers_of(board.network.definition)]
    definition = SimpleNamespace(num_layers=len(layers), get_layer=layers.__getitem__)
    weak = SimpleNamespace(
        BuilderFlag=SimpleNamespace(INT8="INT8", FP16="FP16", OBEY_PRECISION_CONSTRAINTS="OBEY"),
        DataType=trt.DataType, LayerType=trt.LayerType,
        IInt8EntropyCalibrator2=type("Base", (), {"__init__": lambda self: None}))
    flags, config = set(), SimpleNamespace(int8_calibrator=None)
    config.set_flag = flags.add
    table = table_from_scales({"images": 0.01}, "10.3.0")
    let_table_decide(weak, definition, config, table)
    assert flags == {"INT8", "FP16", "OBEY"}
    assert config.int8_calibrator.read_calibration_cache() == table
    held = {layer.name for layer in layers if layer.precision is not None}
    assert held == {layer.name for layer in decode_layers(trt, board.network.definition)}
    for layer in layers:
        assert (layer.types == dict.fromkeys(range(layer.num_outputs), trt.DataType.FLOAT)) is (layer.name in held)


def test_rtx_and_tensorrt_11_read_no_tables():
    assert not reads_tables(trt) and reads_tables(TABLES)


_WITH_BINDINGS = """
import tensorrt_bindings as trt
from minehat.engine.weakly_typed import calibrator_for, reads_tables
assert reads_tables(trt)
calibrator = calibrator_for(trt, b"the table")
assert isinstance(calibrator, trt.IInt8EntropyCalibrator2)
assert calibrator.get_algorithm() == trt.CalibrationAlgoType.ENTROPY_CALIBRATION_2
print(calibrator.read_calibration_cache(), calibrator.get_batch(["images"]), calibrator.get_batch_size())
"""


def test_tensorrt_10s_bindings_take_our_calibrator(tmp_path):
    env = os.environ | {"PYTHONPATH": str(importable("10.3.0", tmp_path))}
    said = subprocess.run([sys.executable, "-c", _WITH_BINDINGS], env=env, check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "b'the table' None 1"
