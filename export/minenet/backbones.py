"""The two backbones. Each gives maps at strides 8, 16 and 32 and says how many channels they have."""

from __future__ import annotations

from torch import Tensor, nn

WIDTHS = {"full": 1.0, "small": 0.375, "nano": 0.25}

# Darknet53, a row a stage: channels, residual blocks, and whether its map goes to the neck.
DARKNET53 = (
    (64, 1, False),  # stride 2
    (128, 2, False),  # stride 4
    (256, 8, True),  # stride 8
    (512, 8, True),  # stride 16
    (1024, 4, True),  # stride 32
)

# ResNet50, a row a stage: inner channels (the map has four times as many), blocks, stride, to the neck.
RESNET50 = (
    (64, 3, 1, False),  # stride 4
    (128, 4, 2, True),  # stride 8
    (256, 6, 2, True),  # stride 16
    (512, 3, 2, True),  # stride 32
)


def scaled(channels: int, width: float) -> int:
    """Channels at a width, in multiples of 8 (what integer and half kernels like)."""
    return max(8, int(channels * width / 8 + 0.5) * 8)


class ConvUnit(nn.Sequential):
    """Convolution without bias, batch norm, LeakyReLU 0.1: the brick of Darknet."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.LeakyReLU(0.1),
        )


class ResidualBlock(nn.Module):
    """1x1 to half the channels, 3x3 back, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = ConvUnit(channels, channels // 2, 1)
        self.expand = ConvUnit(channels // 2, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.expand(self.squeeze(x))


class Darknet53(nn.Module):
    """Stem, then five stages that each halve the map and add residual blocks."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.stem = ConvUnit(3, scaled(32, width), 3)
        self.stages = nn.ModuleList()
        self.to_neck = tuple(wanted for _, _, wanted in DARKNET53)
        channels = scaled(32, width)
        for channels_full, blocks, _ in DARKNET53:
            channels_out = scaled(channels_full, width)
            down = ConvUnit(channels, channels_out, 3, stride=2)
            self.stages.append(nn.Sequential(down, *(ResidualBlock(channels_out) for _ in range(blocks))))
            channels = channels_out
        self.channels = tuple(scaled(c, width) for c, _, wanted in DARKNET53 if wanted)

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, 3, H, W] -> maps at strides 8, 16, 32."""
        return _maps(self.stem(x), self.stages, self.to_neck)


class Bottleneck(nn.Module):
    """ResNet's block: 1x1, 3x3 (with the stride), 1x1, added to what came in (projected where shapes differ)."""

    def __init__(self, channels_in: int, inner: int, stride: int) -> None:
        super().__init__()
        channels_out = 4 * inner
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, inner, 3, stride, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                                          nn.BatchNorm2d(channels_out))
        self.out = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x) + self.shortcut(x))


class ResNet50(nn.Module):
    """The paper's other backbone (He et al. 2015, https://arxiv.org/abs/1512.03385; stride in the 3x3)."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = scaled(64, width)
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 7, 2, 3, bias=False), nn.BatchNorm2d(channels),
                                  nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.stages = nn.ModuleList()
        self.to_neck = tuple(wanted for *_, wanted in RESNET50)
        for inner_full, blocks, stride, _ in RESNET50:
            inner = scaled(inner_full, width)
            first = Bottleneck(channels, inner, stride)
            channels = 4 * inner
            self.stages.append(nn.Sequential(first, *(Bottleneck(channels, inner, 1) for _ in range(blocks - 1))))
        self.channels = tuple(4 * scaled(inner, width) for inner, *_, wanted in RESNET50 if wanted)

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, 3, H, W] -> maps at strides 8, 16, 32."""
        return _maps(self.stem(x), self.stages, self.to_neck)


BACKBONES = {"darknet53": Darknet53, "resnet50": ResNet50}


def _maps(x: Tensor, stages: nn.ModuleList, to_neck: tuple[bool, ...]) -> list[Tensor]:
    maps = []
    for stage, wanted in zip(stages, to_neck, strict=True):
        x = stage(x)
        if wanted:
            maps.append(x)
    return maps
