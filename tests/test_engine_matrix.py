"""Every kind of nano engine compiles: precisions, batches, sizes, suppression inside, Turing to Blackwell.

TensorRT-RTX compiles them ahead of time, and its log says in which precision each convolution runs.
"""

import atexit
import json
import platform
import shutil
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import onnx
import pytest
from doors import through
from minehat import scenes
from minehat.engine import BuildOptions, engine_from_onnx
from minehat.onnx_metadata import read_metadata
from minehat.pictures import write_picture

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")

ROOT = Path(__file__).resolve().parent.parent
NANO = ROOT / "models" / "helmet-nano"
PRECISIONS = ("fp32", "fp16", "int8", "int8+fp16")
SIZES = ("416x416", "416x256")
CONVOLUTIONS = 75


@cache
def nano(size: str, precision: str) -> Path:
    """helmet-nano of that size and precision, made as a person makes it; the shipped file where there is one."""
    shipped = NANO / ("helmet-nano.onnx" if precision == "fp32" else f"helmet-nano.{precision}.onnx")
    if size == "416x416" and shipped.is_file():
        return shipped
    folder = Path(mkdtemp(prefix="nano-"))
    atexit.register(shutil.rmtree, folder)
    made = folder / f"nano.{size}.{precision}.onnx"
    if precision == "fp32":
        assert through("export/to_onnx.py", NANO / "helmet-nano.pt", made, "--size", size) == 0
        return made
    for seed in range(8):
        write_picture(folder / "pictures" / f"{seed}.png", scenes.picture(seed, 640, 480).frame)
    assert through("calib/quantize.py", nano(size, "fp32"), "--images", folder / "pictures", "--precision", precision,
                   "-o", made) == 0
    return made


def with_batch(model: Path, batch: str, folder: Path) -> Path:
    """The file itself, or one whose batch is fixed to 2."""
    if batch == "dynamic":
        return model
    fixed = onnx.load(str(model))
    for tensor in (*fixed.graph.input, *fixed.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 2
    path = folder / f"{model.stem}.fixed.onnx"
    onnx.save(fixed, str(path))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("nms", ["topk", "graph"])
@pytest.mark.parametrize("batch", ["static", "dynamic"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_kind_of_nano_compiles_in_its_precision(tmp_path, precision, size, batch, nms):
    original = nano(size, precision)
    model = with_batch(original, batch, tmp_path)
    lifted = json.loads(read_metadata(original).get("minehat.placement", '{"lifted": []}'))["lifted"]
    fastest = precision.split("+")[0]
    rest = "fp16" if precision == "int8+fp16" else "fp32"
    wanted = Counter({fastest: CONVOLUTIONS - len(lifted)}) + Counter({rest: len(lifted)})

    built = engine_from_onnx(model, tmp_path / "x.engine", BuildOptions("rtx", sm=(86, 89, 120), nms=nms))
    assert Counter(conv.runs_in for conv in built.card.convolutions) == wanted
    assert built.card.batch == ((2, 2, 2) if batch == "static" else (1, 1, 4))
    assert built.card.model.suppression == nms
    assert built.card.model.size_text == size

    turing = engine_from_onnx(model, tmp_path / "75.engine", BuildOptions("rtx", sm=(75,), nms=nms))
    runs = Counter(conv.runs_in for conv in turing.card.convolutions)
    assert runs.total() == CONVOLUTIONS
    if fastest == "int8":  # TensorRT-RTX 1.7 has no integer convolutions for Turing
        assert "int8" not in runs
    else:
        assert runs == wanted
