"""What a person says of a foreign model, and the card that follows from it, the file and the layout."""

from __future__ import annotations

from dataclasses import dataclass

from ..card import OUTPUTS, ModelCard
from ..files import sha256_of
from ..guests import load_onnx
from ..labels.class_map import AS_NAMED, ClassMap
from .foreign import Foreign
from .layout import Layout
from .pixels import PIXELS

AUTO = "auto"
STRIDES = (32, 16, 8, 4, 2, 1)


@dataclass(frozen=True)
class Wish:
    """Where the file does not say it, or says it wrongly."""

    layout: str = AUTO
    classes: tuple[str, ...] | None = None  # its names, column by column
    mapping: ClassMap = AS_NAMED  # of its names to ours
    anchors: tuple[tuple[float, float], ...] | None = None
    size: tuple[int, int] | None = None  # height, width
    pixels: str | None = None  # a key of PIXELS
    conf: float | None = None
    iou: float | None = None
    card: ModelCard | None = None  # of the model as it came: its names, size, pixels and thresholds

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of the foreign columns."""
        return self.classes or (self.card.classes if self.card else None)


def card_for(foreign: Foreign, wish: Wish, layout: Layout, classes: tuple[str, ...]) -> ModelCard:
    """The card of the adapted file: flags first, then the card given by hand, then what is usual with the layout."""
    stride = next(side for side in (foreign.metadata.stride or STRIDES[0], *STRIDES)
                  if foreign.height % side == 0 == foreign.width % side)
    usual = ModelCard(name=foreign.path.stem, classes=classes, height=foreign.height, width=foreign.width,
                      stride=stride, pad=layout.pad, iou=layout.iou)
    card = usual if wish.card is None else wish.card.with_(
        classes=classes, height=foreign.height, width=foreign.width, stride=stride, accuracy={},
        outputs=OUTPUTS["none"], suppression="none", candidates=0)
    if wish.pixels or not wish.card:
        pixels = PIXELS[wish.pixels or layout.pixels]
        card = card.with_(channel_order=pixels.channel_order, mean=pixels.mean, scale=pixels.scale)
    return card.with_(precision="fp16" if _in_halves(foreign) else "fp32", parent_sha256=sha256_of(foreign.path),
                      conf=card.conf if wish.conf is None else wish.conf,
                      iou=card.iou if wish.iou is None else wish.iou)


def _in_halves(foreign: Foreign) -> bool:
    onnx = load_onnx("adapt models")
    return any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in foreign.model.graph.initializer)
