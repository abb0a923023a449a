"""A folder for DeepStream: what nvinfer and deepstream-app read, and the parser of boxes that nvinfer loads.

https://docs.nvidia.com/metropolis/deepstream/dev-guide/text/DS_plugin_gst-nvinfer.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..card import ModelCard
from ..detections import MOST
from ..engine.onnx_form import check_form, symmetric_name
from ..errors import MineHatError
from .folder import Content, write_folder
from .model import Model, bound_text, label_lines

HERE = Path(__file__).parent
INFER_FILE, APP_FILE = "config_infer_primary_minehat.txt", "deepstream_app_minehat.txt"
PARSER, LIBRARY, FUNCTION = "nvdsparse_minehat.cpp", "libnvdsparse_minehat.so", "NvDsInferParseMineHat"
COLOURS = {"RGB": 0, "BGR": 1}
MODES = {"fp32": 0, "fp16": 2, "int8": 1, "int8+fp16": 1}  # network-mode
FP32_MODE = 0
CLUSTER_NMS, CLUSTER_NONE = 2, 4
BILINEAR = 1  # of NvBufSurfTransform_Inter; the default is the nearest pixel
NAMES = ("BOXES", "SCORES", "LABELS", "COUNT")  # of the layers that the parser looks for, in the card's order
Groups = Mapping[str, Mapping[str, object]]


def write_deepstream(model: Model, folder: Path) -> Path:
    """Write the folder, and return it. Raises MineHatError for what nvinfer cannot express, or where the folder is
    another's."""
    card = model.card
    if model.engine is None:
        if card.precision == "int8-cpu":
            raise MineHatError(f"{model.path} is the CPU form of INT8, and DeepStream runs on GPUs. "
                               f"Hand off {symmetric_name(model.path)}")
        check_form(model.path)
    files: dict[str, Content] = {
        _model_name(model): model.path,
        "labels.txt": label_lines(card, refused=";"),  # nvinfer takes what follows a ; for another label
        INFER_FILE: key_file(infer_groups(model)), APP_FILE: key_file(app_groups(model)),
        PARSER: HERE / PARSER, "Makefile": _makefile(card), "README.md": _readme(model)}
    write_folder(folder, "deepstream", files)
    return folder


def infer_groups(model: Model) -> Groups:
    """nvinfer's configuration, by group and key. Paths are relative to it."""
    card = model.card
    suppressed = model.is_suppressed
    thresholds: dict[str, object] = {"pre-cluster-threshold": card.conf}
    if not suppressed:
        thresholds |= {"nms-iou-threshold": card.iou, "topk": MOST}
    return {"property": {
        "gpu-id": 0, "gie-unique-id": 1, "process-mode": 1, "network-type": 0, "interval": 0,
        **_model_keys(model), "batch-size": model.batch[2],
        "infer-dims": f"3;{card.height};{card.width}", "network-input-order": 0,
        "model-color-format": COLOURS[card.channel_order], **_pixel_keys(card),
        "maintain-aspect-ratio": 1, "symmetric-padding": 1, "scaling-filter": BILINEAR,
        "num-detected-classes": len(card.classes), "labelfile-path": "labels.txt",
        "cluster-mode": CLUSTER_NONE if suppressed else CLUSTER_NMS,
        "parse-bbox-func-name": FUNCTION, "custom-lib-path": LIBRARY}, "class-attrs-all": thresholds}


def app_groups(model: Model) -> Groups:
    """deepstream-app's configuration for the SDK's own sample film; its boxes are drawn into minehat.mp4."""
    side = {"width": 1280, "height": 720}
    return {
        "application": {"enable-perf-measurement": 1, "perf-measurement-interval-sec": 5},
        "tiled-display": {"enable": 1, "rows": 1, "columns": 1, **side, "gpu-id": 0},
        "source0": {"enable": 1, "type": 2, "gpu-id": 0,  # 2: a URI; 4: RTSP
                    "uri": "file:///opt/nvidia/deepstream/deepstream/samples/streams/sample_720p.mp4"},
        "streammux": {"gpu-id": 0, "live-source": 0, "batch-size": model.batch[2],
                      "batched-push-timeout": 40000, **side},
        "primary-gie": {"enable": 1, "gpu-id": 0, "gie-unique-id": 1, "config-file": INFER_FILE},
        "osd": {"enable": 1, "gpu-id": 0, "border-width": 2, "text-size": 14},
        "sink0": {"enable": 1, "type": 3, "container": 1, "codec": 1, "enc-type": 1, "sync": 0, "source-id": 0,
                  "output-file": "minehat.mp4"}}


def key_file(groups: Groups) -> str:
    """Groups in brackets, their keys a line each."""
    return "\n".join(f"[{group}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items())
                     for group, keys in groups.items())


def _model_name(model: Model) -> str:
    """With something of its content in it: nvinfer keeps the engine that it builds under this name."""
    return f"model-{model.sha256[:8]}{'.onnx' if model.engine is None else '.engine'}"


def _model_keys(model: Model) -> dict[str, object]:
    """The file, and what decides on precision: the types in an ONNX file do, where nvinfer is told to heed them.

    FP32 is then the mode that sets no flag of its own; a strongly typed network would not be built with one.
    """
    name, precision = _model_name(model), model.card.precision
    if model.engine is not None:
        return {"model-engine-file": name, "network-mode": MODES[precision]}
    keys = {"onnx-file": name, "model-engine-file": f"{name}_b{model.batch[2]}_gpu0_fp32.engine",
            "network-mode": FP32_MODE}
    return keys if precision == "fp32" else keys | {"strongly-typed": 1}


def _pixel_keys(card: ModelCard) -> dict[str, object]:
    """nvinfer's scale * (pixel - mean), which has one scale for all channels."""
    if len(set(card.scale)) > 1:
        raise MineHatError(f"the card's scale differs between channels ({', '.join(map(str, card.scale))}), and "
                           "nvinfer has one net-scale-factor. Export the network with one scale for all.")
    keys: dict[str, object] = {"net-scale-factor": card.scale[0]}
    return keys | {"offsets": ";".join(map(str, card.mean))} if any(card.mean) else keys


def _makefile(card: ModelCard) -> str:
    """The Makefile; it tells the parser what the layers are called where they have other names than ours."""
    named = []
    for what, name in zip(NAMES, card.outputs, strict=False):
        if not re.fullmatch(r"[\w./:-]+", name, re.ASCII):
            raise MineHatError(f"output {name!r} of the card cannot stand in a Makefile. Export it under a plain name.")
        if name != what.lower():
            named.append(f"-DMINEHAT_{what}='\"{name}\"'")
    return (HERE / "templates" / "Makefile").read_text(encoding="utf-8").replace("@NAMES@", " ".join(named))


def _readme(model: Model) -> str:
    card = model.card
    return (HERE / "templates" / "deepstream.md").read_text(encoding="utf-8").format(
        name=model.path.stem, file=model.path.name, bound=bound_text(model, _UNBOUND), precision=_precision(model),
        black=BLACK, size=card.size_text, pad=card.pad, conf=card.conf, iou=card.iou, most=model.batch[2],
        form=_FORMS["suppressed" if model.is_suppressed else "raw"])


def _precision(model: Model) -> str:
    if model.engine is not None:
        return f"The engine is {model.card.precision}, and is run as it was built."
    if model.card.precision == "fp32":
        return "The file is fp32, and so is the engine that nvinfer builds of it."
    return (f"The file is {model.card.precision}: its types say what runs in FP16 and INT8, and `strongly-typed=1`\n"
            "makes nvinfer heed them. `network-mode=0` goes with it, for the other modes set builder flags that such\n"
            "a network is not built with. DeepStream before 9 does not know the key and would run the file wrongly:\n"
            "build an engine there with `minehat build`, and hand that off.")


BLACK = ("It costs little: helmet-nano (INT8, 416x416) lost 0.1 points of mAP50 on 300 pictures of SCUT-HEAD and 0.3\n"
         "  on 300 rendered scenes of 1280x720, both measured with minehat in November 2026.")
_UNBOUND = "It is an ONNX file; nvinfer builds an engine of it at the first start, which takes minutes."
_FORMS = {
    "raw": "nvinfer suppresses (`cluster-mode=2`): per class, greedy, as minehat does.",
    "suppressed": "Suppression is inside the network (`cluster-mode=4`). Its outputs hold int64 and bool, which\n"
                  "nvinfer takes from DeepStream 9 on. In the rare picture where it did not converge, boxes that\n"
                  "overlap are left; `cluster-mode=2` with the card's IoU as `nms-iou-threshold` settles those too."}
