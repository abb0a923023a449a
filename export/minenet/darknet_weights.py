"""Darknet `.weights` files: little-endian float32, layer by layer, after a header of version and images seen.

A convolution with batch norm is stored as bias, scale, mean, variance, weights; one without as bias,
weights (https://github.com/pjreddie/darknet, src/parser.c).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from minehat.errors import MineHatError
from torch import Tensor, nn

from .backbones import ConvUnit, Darknet53
from .network import MineNet


class WeightsFile:
    """A reader that hands out the floats of a file in order."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            content = self.path.read_bytes()
        except OSError as exc:
            raise MineHatError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
        if len(content) < 16:
            raise MineHatError(f"{path} is too short ({len(content)} bytes) for a darknet weights file.")
        major, minor, _ = np.frombuffer(content, "<i4", 3)
        header = 20 if major * 10 + minor >= 2 else 16  # the count of images seen became 64 bits wide
        if (len(content) - header) % 4:
            raise MineHatError(f"{path} is no darknet weights file: its body is not a whole number of floats.")
        self.values = np.frombuffer(content, "<f4", offset=header)
        self.at = 0

    @property
    def left(self) -> int:
        """Floats not yet handed out."""
        return len(self.values) - self.at

    def take(self, shape: torch.Size) -> Tensor:
        """The next floats, in a shape."""
        count = shape.numel()
        if count > self.left:
            raise MineHatError(f"{self.path} ends too early: {count} floats wanted, {self.left} left. "
                               "It belongs to another network, or its download was cut short.")
        self.at += count
        return torch.from_numpy(self.values[self.at - count:self.at].copy()).reshape(shape)

    def read_convolution(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> None:
        """Fill a convolution, with its batch norm where it has one."""
        targets = [conv.bias] if norm is None else [norm.bias, norm.weight, norm.running_mean, norm.running_var]
        with torch.no_grad():
            for target in (*targets, conv.weight):
                target.copy_(self.take(target.shape))


def load_darknet(network: MineNet, path: str | Path) -> str:
    """Fill the network from `darknet53.conv.74` (backbone) or yolov3.weights (all), and say what was read.

    A yolov3 file for other classes or anchors fills all but the three output convolutions.
    """
    if not isinstance(network.backbone, Darknet53):
        raise MineHatError(f"{path}: darknet weights need --backbone darknet53.")
    file = WeightsFile(path)
    backbone = list(_units(network.backbone))
    if file.left == sum(_floats(*unit) for unit in backbone):
        for unit in backbone:
            file.read_convolution(*unit)
        return f"{path}: {len(backbone)} convolutions of the backbone"
    return _load_whole(network, file, backbone)


def _load_whole(network: MineNet, file: WeightsFile, backbone: list[tuple[nn.Conv2d, nn.BatchNorm2d]]) -> str:
    scales = _neck_and_heads(network)
    units = backbone + [unit for neck, _ in scales for unit in neck]
    outputs = [conv for _, conv in scales]
    channels = _output_channels(file, units, outputs)
    same = channels == outputs[0].out_channels
    for unit in backbone:
        file.read_convolution(*unit)
    for neck, output in scales:
        for unit in neck:
            file.read_convolution(*unit)
        theirs = output if same else nn.Conv2d(output.in_channels, channels, 1)
        file.read_convolution(theirs, None)
    kept = "with" if same else f"without the three output convolutions (the file's have {channels} channels)"
    return f"{file.path}: {len(units)} convolutions, {kept} {'the outputs' if same else ''}".rstrip()


def _neck_and_heads(network: MineNet) -> list[tuple[list[tuple[nn.Conv2d, nn.BatchNorm2d]], nn.Conv2d]]:
    """In the order of yolov3.cfg: deep, middle, fine; each the units before its output, and the output."""
    fine, middle, deep = network.heads
    groups = [([network.mix_deep, deep], deep), ([network.up_deep, network.mix_middle, middle], middle),
              ([network.up_middle, network.mix_fine, fine], fine)]
    return [([unit for part in parts for unit in _units(part)], head[1]) for parts, head in groups]


def _output_channels(file: WeightsFile, units: list[tuple[nn.Conv2d, nn.BatchNorm2d]],
                     outputs: list[nn.Conv2d]) -> int:
    """How many channels the file's output convolutions have, from what is left after all others."""
    rest = file.left - sum(_floats(*unit) for unit in units)
    channels, odd = divmod(rest, sum(conv.in_channels + 1 for conv in outputs))
    if odd or channels <= 0:
        raise MineHatError(f"{file.path} holds {file.left} floats, which fits neither the Darknet53 backbone nor "
                           f"a YOLOv3 of width {_width_text(units)}. Take --width full for published files.")
    return channels


def _width_text(units: list[tuple[nn.Conv2d, nn.BatchNorm2d]]) -> str:
    """The stem's channels, which tell the width apart in an error."""
    return f"{units[0][0].out_channels}/32"


def _units(module: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """(convolution, batch norm) of every unit, in the order of the file."""
    for part in module.modules():
        if isinstance(part, ConvUnit):
            yield part[0], part[1]


def _floats(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> int:
    return conv.weight.numel() + 4 * norm.num_features
