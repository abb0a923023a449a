"""Darknet networks made on the spot: layer tables, their `.cfg` text, and random `.weights` for them."""

from dataclasses import dataclass

import numpy as np

ANCHORS = "10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326"


@dataclass(frozen=True)
class Layer:
    """A section of a cfg. `inputs` are the channels of what a convolution reads; `index` counts sections."""

    index: int
    kind: str
    options: dict
    channels: int
    inputs: int = 0

    @property
    def opencv_name(self):
        """What OpenCV calls the layer whose output this section's is."""
        if self.kind == "convolutional":
            return f"leaky_{self.index + 1}" if "batch_normalize" in self.options else f"conv_{self.index}"
        return f"{self.kind}_{self.index}"


class Table:
    """A growing list of layers that keeps count of channels."""

    def __init__(self):
        self.layers = []

    def add(self, kind, channels=None, **options):
        inputs = self.layers[-1].channels if self.layers else 3
        self.layers.append(Layer(len(self.layers), kind, options, channels or inputs, inputs))

    def conv(self, filters, size, stride=1):
        self.add("convolutional", filters, batch_normalize=1, filters=filters, size=size, stride=stride, pad=1,
                 activation="leaky")

    def output(self, filters):
        self.add("convolutional", filters, filters=filters, size=1, stride=1, pad=1, activation="linear")

    def route(self, *layers):
        at = [len(self.layers) + layer if layer < 0 else layer for layer in layers]
        self.add("route", sum(self.layers[row].channels for row in at), layers=",".join(map(str, layers)))

    @property
    def convolutions(self):
        return [layer for layer in self.layers if layer.kind == "convolutional"]

    def cfg(self, height, width):
        """The text of the .cfg file."""
        sections = [f"[net]\nbatch=1\nwidth={width}\nheight={height}\nchannels=3"]
        for layer in self.layers:
            sections.append("\n".join([f"[{layer.kind}]", *(f"{k}={v}" for k, v in layer.options.items())]))
        return "\n\n".join(sections) + "\n"


def yolov3(classes, stem=32, backbone_only=False):
    """YOLOv3 in the order of its cfg: Darknet53, then deep, middle and fine scale. `stem` 32 is full width."""
    table = Table()
    table.conv(stem, 3)
    for stage, blocks in enumerate((1, 2, 8, 8, 4)):
        filters = stem * 2 ** (stage + 1)
        table.conv(filters, 3, stride=2)
        for _ in range(blocks):
            table.conv(filters // 2, 1)
            table.conv(filters, 3)
            table.add("shortcut", **{"from": -3, "activation": "linear"})
    if backbone_only:
        return table
    for scale, filters in enumerate((16 * stem, 8 * stem, 4 * stem)):
        if scale:
            table.route(-4)
            table.conv(filters, 1)
            table.add("upsample", stride=2)
            table.route(-1, 61 if scale == 1 else 36)
        for _ in range(3):
            table.conv(filters, 1)
            table.conv(2 * filters, 3)
        table.output(3 * (5 + classes))
        table.add("yolo", mask=",".join(str(6 - 3 * scale + row) for row in range(3)), anchors=ANCHORS,
                  classes=classes, num=9)
    return table


def yolov3_tiny(classes=80):
    """YOLOv3-tiny in the order of its cfg."""
    table = Table()
    for row, filters in enumerate((16, 32, 64, 128, 256, 512)):
        table.conv(filters, 3)
        table.add("maxpool", size=2, stride=2 if row < 5 else 1)
    table.conv(1024, 3)
    table.conv(256, 1)
    table.conv(512, 3)
    table.output(3 * (5 + classes))
    anchors = "10,14, 23,27, 37,58, 81,82, 135,169, 344,319"
    table.add("yolo", mask="3,4,5", anchors=anchors, classes=classes, num=6)
    table.route(-4)
    table.conv(128, 1)
    table.add("upsample", stride=2)
    table.route(-1, 8)
    table.conv(256, 3)
    table.output(3 * (5 + classes))
    table.add("yolo", mask="0,1,2", anchors=anchors, classes=classes, num=6)
    return table


def random_weights(table, seed=0):
    """The bytes of a .weights file (version 0.2) that keeps signals of a size through all layers."""
    rng = np.random.default_rng(seed)
    parts = [np.array([0, 2, 5], "<i4").tobytes(), np.array([32_013_312], "<i8").tobytes()]
    for layer in table.convolutions:
        fan_in = layer.inputs * layer.options["size"] ** 2
        bias = rng.normal(0, 0.1, layer.channels)
        norm = [rng.uniform(0.5, 1.0, layer.channels), rng.normal(0, 0.1, layer.channels),
                rng.uniform(0.5, 1.5, layer.channels)] if "batch_normalize" in layer.options else []
        weights = rng.standard_normal(layer.channels * fan_in, np.float32) * np.float32(np.sqrt(1.5 / fan_in))
        parts += [values.astype("<f4").tobytes() for values in (bias, *norm, weights)]
    return b"".join(parts)
