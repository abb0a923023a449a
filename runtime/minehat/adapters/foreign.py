"""Another's ONNX detector, opened: its input, its metadata, and what it answered to one picture of noise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..card import KEY
from ..errors import MineHatError
from ..guests import load_onnx, load_onnxruntime
from ..onnx_metadata import read_metadata
from .metadata import Metadata, metadata_from
from .opset import LEAST, opset_of, raised
from .sides import with_sides_worked_out

Array = npt.NDArray[Any]
USUAL_SIDE = 640
LARGEST = 2_000_000_000  # bytes; one protobuf message holds no more than 2 GiB
QUANTIZED = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger"})


@dataclass(frozen=True)
class Foreign:
    """A detector as it came, but for its opset and its size, which are settled."""

    path: Path
    model: Any  # onnx.ModelProto, ours to change
    metadata: Metadata
    input: str
    batch: int | None  # None: any
    height: int
    width: int
    channels_last: bool  # it wants [N, H, W, 3]
    half: bool  # it wants float16
    answers: dict[str, Array] = field(default_factory=dict)  # by output, of noise in 0..1; float32
    halves: frozenset[str] = frozenset()  # outputs that are float16
    notes: tuple[str, ...] = ()

    @property
    def operators(self) -> set[str]:
        return {node.op_type for node in self.model.graph.node}

    @property
    def told(self) -> str:
        """Its outputs, for people."""
        return ", ".join(f"{name} {list(answer.shape)}" for name, answer in self.answers.items())


def open_foreign(path: Path, size: tuple[int, int] | None = None) -> Foreign:
    """size: height, width for an input whose sides are free; default what its metadata says, or 640x640.

    Raises MineHatError, telling what was found and what is served, for what is no detector that can be adapted.
    """
    if path.suffix.lower() != ".onnx":
        raise MineHatError(f"{path} is not an .onnx file; detectors are adapted from one.")
    if not path.is_file():
        raise MineHatError(f"{path}: no such model file.")
    texts = read_metadata(path)
    if KEY in texts:
        raise MineHatError(f"{path} carries a model card already, there is nothing to adapt: `minehat detect {path}`.")
    metadata = metadata_from(texts, str(path))
    if metadata.task not in (None, "detect"):
        raise MineHatError(f"{path}: its metadata says task {metadata.task!r}; only detectors (task 'detect') can be "
                           "adapted.")
    model = _loaded(path)
    return _tried(_sized(path, model, metadata, _input_of(model, path), size))


def _tried(foreign: Foreign) -> Foreign:
    """The same with its answers, and as plain and new as our tools want it where it then answers alike."""
    answers = answered(foreign.model, _noise_for(foreign, foreign.batch or 1), foreign.path)
    foreign = _with_true_batch(foreign)
    several = _noise_for(foreign, foreign.batch or 2)
    wanted = answered(foreign.model, several, foreign.path)

    def answers_alike(model: Any) -> bool:
        try:
            found = answered(model, several, foreign.path)
        except MineHatError:
            return False
        return all(np.allclose(found[name], answer, rtol=1e-3, atol=1e-3) for name, answer in wanted.items())

    onnx = load_onnx("adapt models")
    model, notes = raised(foreign.model, onnx, answers_alike)
    plain = with_sides_worked_out(model, onnx)
    halves = frozenset(name for name, answer in answers.items() if answer.dtype == np.float16)
    floats = {name: answer.astype(np.float32) for name, answer in answers.items()}
    return replace(foreign, model=plain if plain is not model and answers_alike(plain) else model, answers=floats,
                   halves=halves, notes=(*foreign.notes, *notes))


def _with_true_batch(foreign: Foreign) -> Foreign:
    """The same, its batch fixed at 1 where it is free by name only."""
    if foreign.batch:
        return foreign
    try:
        answered(foreign.model, _noise_for(foreign, 2), foreign.path)
    except MineHatError:
        value = next(value for value in foreign.model.graph.input if value.name == foreign.input)
        value.type.tensor_type.shape.dim[0].dim_value = 1
        told = "its batch was free by name only, and is fixed at 1 now"
        return replace(foreign, batch=1, notes=(*foreign.notes, told))
    return foreign


def _noise_for(foreign: Foreign, batch: int) -> dict[str, Array]:
    """Noise in 0..1 as the foreign network wants it, by its input's name."""
    sides = ((foreign.height, foreign.width, 3) if foreign.channels_last else (3, foreign.height, foreign.width))
    noise = np.random.default_rng(0).random((batch, *sides), np.float32)
    return {foreign.input: noise.astype(np.float16) if foreign.half else noise}


def answered(model: Any, feeds: dict[str, Array], path: Path) -> dict[str, Array]:
    """The outputs of a model, as ONNX Runtime works them out. Raises MineHatError where it cannot."""
    onnxruntime = load_onnxruntime("try out models that are adapted")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as well
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                               providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))
    except Exception as exc:  # its own kinds share no base
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise MineHatError(f"{path} cannot be run by ONNX Runtime {onnxruntime.__version__} ({reason}). "
                           "Export it again, with plain ONNX operators.") from exc


def _loaded(path: Path) -> Any:
    """The model with all its weights inside."""
    onnx = load_onnx("adapt models")
    try:
        model = onnx.load(str(path))
    except Exception as exc:  # protobuf and external data raise many kinds
        raise MineHatError(f"{path} cannot be loaded ({' '.join(str(exc).split())[:200]}). Where its weights are files "
                           "of their own, they must lie beside it.") from exc
    if model.ByteSize() > LARGEST:
        raise MineHatError(f"{path} holds {model.ByteSize() / 1e9:.1f} GB with its weights; one ONNX file holds 2 GB. "
                           "Export it in FP16, or take a smaller model.")
    quantized = sorted({node.op_type for node in model.graph.node} & QUANTIZED)
    if quantized:
        raise MineHatError(f"{path} is quantized already ({', '.join(quantized)}). Give the float model, and quantize "
                           "what comes out: `python calib/quantize.py`.")
    if opset_of(model) < LEAST:
        raise MineHatError(f"{path} has opset {opset_of(model)}; wanted {LEAST} or later, best 19. Export it again.")
    return model


def _input_of(model: Any, path: Path) -> Any:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    onnx = load_onnx("adapt models")
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    if len(inputs) == 1 and inputs[0].type.tensor_type.elem_type in kinds:
        dims = inputs[0].type.tensor_type.shape.dim
        if len(dims) == 4 and 3 in (dims[1].dim_value, dims[3].dim_value):
            return inputs[0]
    found = ", ".join(f"{value.name} {_type_told(value, onnx)}" for value in inputs) or "nothing"
    raise MineHatError(f"{path} takes {found}; wanted one input of pictures, float32 or float16 [N, 3, H, W] or "
                       "[N, H, W, 3]. Export the bare network, without pre- and post-processing.")


def _sized(path: Path, model: Any, metadata: Metadata, value: Any,
           size: tuple[int, int] | None) -> Foreign:
    notes = []
    dims = value.type.tensor_type.shape.dim
    last = dims[1].dim_value != 3
    sides = dims[1:3] if last else dims[2:4]
    wanted = size or metadata.size or (USUAL_SIDE, USUAL_SIDE)
    height, width = (side.dim_value or want for side, want in zip(sides, wanted, strict=True))
    if size and size != (height, width):
        raise MineHatError(f"--size {size[1]}x{size[0]}: {path} is fixed at {width}x{height}. Leave --size out, or "
                           "export it again at the size that you want.")
    if not all(side.dim_value for side in sides):
        notes.append(f"its sides were free, and are fixed at {width}x{height} now")
        sides[0].dim_value, sides[1].dim_value = height, width
    batch = dims[0].dim_value or None
    if batch:
        notes.append(f"its batch is fixed at {batch} and stays so" +
                     ("; detect and watch give one picture at a time and cannot run it" if batch > 1 else ""))
    del model.graph.value_info[:]
    onnx = load_onnx("adapt models")
    half = value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
    return Foreign(path, model, metadata, value.name, batch, height, width, last, half, notes=tuple(notes))


def _type_told(value: Any, onnx: Any) -> str:
    kind = value.type.tensor_type
    name = onnx.TensorProto.DataType.Name(kind.elem_type).lower() if kind.elem_type else "no tensor"
    return f"{name} [{', '.join(str(dim.dim_value or dim.dim_param or '?') for dim in kind.shape.dim)}]"
