"""A model repository for Triton: https://github.com/triton-inference-server/server/blob/main/docs/user_guide

REPO/NAME/1/model.onnx or model.plan, config.pbtxt, labels.txt, README.md and client.py. REPO may hold other models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MineHatError
from .folder import Content, write_folder
from .model import Model, Port, bound_text, label_lines
from .pbtxt import Word, text_of

HERE = Path(__file__).parent
QUEUE_DELAY_MICROSECONDS = 2000  # that a picture may wait for others; a camera brings one each 40 ms
TYPES = {"fp32": "FP32", "int64": "INT64", "bool": "BOOL"}
CPU_PRECISIONS = ("fp32", "int8-cpu", "int8")


@dataclass(frozen=True)
class TritonOptions:
    """How a model is served."""

    cpu: bool = False  # on the server's CPU, even where it has a GPU; INT8's CPU form always is
    threads: int | None = None  # of the CPU, for one picture or batch; None for ONNX Runtime's choice


def write_triton(model: Model, repository: Path, options: TritonOptions | None = None) -> Path:
    """Write REPO/NAME, and return it. Raises MineHatError where Triton could not serve the model, or REPO/NAME is
    another's."""
    options = options or TritonOptions()
    cpu = _on_cpu(model, options)
    folder = repository / model_name(model)
    plan = "1/model.onnx" if model.engine is None else "1/model.plan"
    files: dict[str, Content] = {
        plan: model.path, "labels.txt": label_lines(model.card), "README.md": _readme(model, folder, cpu),
        "client.py": HERE / "triton_client.py", "config.pbtxt": config_text(model, cpu, options.threads)}
    write_folder(folder, "triton", files)
    return folder


def model_name(model: Model) -> str:
    """The model's name on the server, of its file's: letters, digits, - and _, for it stands in URLs."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", model.path.stem).strip("-") or "model"


def config_text(model: Model, cpu: bool, threads: int | None = None) -> str:
    """config.pbtxt, complete: nothing is left for the server to guess."""
    message: dict[str, Any] = {
        "name": model_name(model),
        "backend": "onnxruntime" if model.engine is None else "tensorrt",
        "default_model_filename": "model.onnx" if model.engine is None else "model.plan",
        "max_batch_size": 0 if model.is_fixed else model.batch[2],
        "input": [_port(model, model.input)],
        "output": [_port(model, one) | ({"label_filename": "labels.txt"} if one.name == model.card.outputs[1] else {})
                   for one in model.outputs],
        "version_policy": {"latest": {"num_versions": 1}},
        "instance_group": [{"count": 1, "kind": Word("KIND_CPU" if cpu else "KIND_GPU")}]}
    if preferred := _preferred(model):
        message["dynamic_batching"] = {"preferred_batch_size": preferred,
                                       "max_queue_delay_microseconds": QUEUE_DELAY_MICROSECONDS}
    if model.engine is None and not cpu and model.card.precision == "int8":
        message["optimization"] = {"execution_accelerators": {"gpu_execution_accelerator": [_int8_accelerator(model)]}}
    message["model_warmup"] = [_warmup(model, size) for size in sorted({1, *_preferred(model)})]
    message["parameters"] = [{"key": key, "value": {"string_value": value}}
                             for key, value in _parameters(model, threads).items()]
    return text_of(message)


def _on_cpu(model: Model, options: TritonOptions) -> bool:
    """Whether the CPU serves it. Raises MineHatError where what is asked cannot be."""
    precision = model.card.precision
    cpu = options.cpu or (model.engine is None and precision == "int8-cpu")
    if options.threads and not cpu:
        raise MineHatError("--threads belongs to models on the CPU. Give --cpu too.")
    if model.engine is not None:
        if options.cpu:
            raise MineHatError(f"{model.path} is an engine and runs on GPUs alone. Without --cpu, or hand off "
                               f"{model.engine.onnx}.")
        return False
    if model.card.suppression == "plugin":
        raise MineHatError(f"{model.path} holds a TensorRT plugin, which ONNX Runtime does not have. Build an engine "
                           "on the server and hand that off: `minehat build MODEL.onnx --nms plugin`")
    if precision == "int8+fp16":
        raise MineHatError(f"{model.path} is int8+fp16, which only TensorRT runs as such. Build an engine on the "
                           f"server and hand that off: `minehat build {model.path.name} --target tensorrt`")
    if cpu and precision not in CPU_PRECISIONS:
        raise MineHatError(f"{model.path} is {precision}, which is slow on a CPU. Hand off the fp32 or int8-cpu file.")
    return cpu


def _port(model: Model, port: Port) -> dict[str, Any]:
    """Triton adds the batch's side itself where batches vary, and knows no tensor without another one."""
    dims = port.shape[1:] if not model.is_fixed else (model.batch[2], *port.shape[1:])
    described = {"name": port.name, "data_type": Word(f"TYPE_{TYPES[port.dtype]}"), "dims": list(dims) or [1]}
    return described if dims else described | {"reshape": {"shape": []}}


def _preferred(model: Model) -> list[int]:
    """Batches worth waiting for: what an engine was tuned for, and the most there may be."""
    least, best, most = model.batch
    return sorted({size for size in (best, most) if size > 1}) if least < most else []


def _warmup(model: Model, size: int) -> dict[str, Any]:
    described = _port(model, model.input)
    value = {"data_type": described["data_type"], "dims": described["dims"], "zero_data": True}
    return {"name": f"batch {size}", "batch_size": size, "inputs": {"key": model.input.name, "value": value}}


def _int8_accelerator(model: Model) -> dict[str, Any]:
    """ONNX Runtime's TensorRT, which runs Q/DQ pairs in INT8; its CUDA kernels would in floating point."""
    sides = "x".join(map(str, (3, model.card.height, model.card.width)))
    shapes = dict(zip(("min", "opt", "max"), model.batch, strict=True))
    settings = {"precision_mode": "INT8"} | {
        f"trt_profile_{bound}_shapes": f"{model.input.name}:{size}x{sides}" for bound, size in shapes.items()}
    return {"name": "tensorrt", "parameters": [{"key": key, "value": value} for key, value in settings.items()]}


def _parameters(model: Model, threads: int | None) -> dict[str, str]:
    """What clients ask the server for: the card; of an engine, what it is bound to. And ONNX Runtime's own."""
    told = {"minehat.card": model.card.to_json(), "minehat.sha256": model.sha256}
    if model.engine is not None:
        told |= {"minehat.tensorrt": model.engine.tensorrt_version, "minehat.gpu": model.engine.gpu or "",
                 "minehat.compute_capabilities": ",".join(model.engine.compute_capabilities)}
    return told | ({"intra_op_thread_count": str(threads)} if threads else {})


def _readme(model: Model, folder: Path, cpu: bool) -> str:
    card = model.card
    return (HERE / "templates" / "triton.md").read_text(encoding="utf-8").format(
        name=model_name(model), file=model.path.name, bound=bound_text(model, _UNBOUND), where="CPU" if cpu else "GPU",
        size=card.size_text, width=card.width, height=card.height, pad=card.pad, order=card.channel_order,
        mean=", ".join(map(str, card.mean)), scale=", ".join(map(str, card.scale)), conf=card.conf, iou=card.iou,
        input=model.input.name, outputs="\n".join(f"- `{one}`" for one in model.outputs),
        after=_AFTER["suppressed" if model.is_suppressed else "raw"].format(iou=card.iou),
        batch=f"exactly {model.batch[2]}" if model.is_fixed else f"1 to {model.batch[2]}")


_UNBOUND = "It is an ONNX file and runs wherever the server's ONNX Runtime does."
_AFTER = {
    "raw": "Boxes have yet to be suppressed: per class, greedy, IoU over {iou} drops the worse one.",
    "suppressed": "Boxes are suppressed already, best first; rows from `count` on are empty."}
