"""One engine of two layers as TensorRT's inspector would tell it: as a table of 10 and of 11, and as JSON of both.

Written by hand after NVIDIA's pages on the engine inspector and on migrating to 11; none of it was recorded.
"""

from __future__ import annotations

import json

TYPES = {"Int8": ("Four wide channel vectorized row major Int8 format", "Int8"),
         "FP32": ("Row major linear FP32", "Float"),
         "FP16": ("Channel major FP16 format where channel % 8 == 0", "Half")}
TACTIC = "sm87_xmma_fprop_implicit_gemm_i8i8_i8i32_f32"
TENSORS = {"images": ((1, 3, 8, 8), "FP32"), "r": ((1, 3, 8, 8), "Int8"), "s": ((1, 8, 8, 8), "FP16")}


def _layers() -> list[dict]:
    return [{"Name": "Reformatting CopyNode for Input Tensor 0 to stem + relu", "LayerType": "Reformat",
             "Inputs": ["images"], "Outputs": ["r"], "Metadata": ""},
            {"Name": "stem + relu", "LayerType": "CaskConvolution", "Inputs": ["r"], "Outputs": ["s"],
             "Weights": {"Type": "Int8", "Count": 216}, "Bias": {"Type": "Float", "Count": 8}, "TacticName": TACTIC,
             "Metadata": "[ONNX Layer: stem]\x1e[ONNX Layer: relu]"}]


def _tensor(name: str, eleven: bool) -> dict:
    shape, kind = TENSORS[name]
    both, alone = TYPES[kind]
    told = {"Datatype": alone, "Format": both} if eleven else {"Format/Datatype": both}
    return {"Name": name, "Location": "Device", "Dimensions": list(shape), **told}


def information(version: int) -> str:
    """The inspector's JSON of TensorRT 10 or 11."""
    layers = [{**layer, **{side: [_tensor(name, version == 11) for name in layer[side]]
                           for side in ("Inputs", "Outputs")}} for layer in _layers()]
    if version == 10:
        return json.dumps({"Layers": layers, "Bindings": ["images", "s"]})
    ends = [{"Name": name, "IOMode": mode, "DataType": "Float", "Dimensions": [1], "Location": "Device",
             "IsShapeInferenceIO": False, "ProfileInfo": []} for name, mode in (("images", "Input"), ("s", "Output"))]
    return json.dumps({"Layers": layers, "I/O Tensors": ends, "Engine Metadata": {}})


def table(version: int) -> str:
    """The same layers as the builder's log prints them."""
    return "Layers:\n" + "\n".join(_line(layer, version == 11) for layer in _layers())


def _line(layer: dict, eleven: bool) -> str:
    def told(name: str) -> str:
        parts = {**_tensor(name, eleven), "Dimensions": str(TENSORS[name][0]).replace(" ", "").replace("(", "[")}
        parts["Dimensions"] = parts["Dimensions"].replace(")", "]")
        return "{ " + ", ".join(f"{key}: {value}" for key, value in parts.items()) + " }"

    sides = ", ".join(f"{side}: [ {', '.join(map(told, layer[side]))}]" for side in ("Inputs", "Outputs"))
    more = "".join(f"{key}: {json.dumps(layer[key])}, " for key in ("Weights", "Bias") if key in layer)
    tactic = f"TacticName: {layer['TacticName']}, " if "TacticName" in layer else ""
    return (f"Name: {layer['Name']}, LayerType: {layer['LayerType']}, {sides}, {more}{tactic}StreamId: 0, "
            f"Metadata: {layer['Metadata']}")
