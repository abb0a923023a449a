"""Suppression by EfficientNMS_TRT, a plugin of full TensorRT. Unverified: its node was checked, never run.

What it takes and gives: https://github.com/NVIDIA/TensorRT/tree/release/10.3/plugin/efficientNMSPlugin
"""

from __future__ import annotations

import numpy as np

from ..card import ModelCard
from ..errors import MineHatError
from .fixed_point import labels_of
from .topk import GREATEST, ranked
from .writer import Writer

DOMAIN = "TRT"  # any will do, the parser looks for the plugin by the operator's name
LEAST_CONF = 0.01  # under 0.007 it takes another way, which lets through what is under the threshold


def suppressed_by_plugin(write: Writer, boxes: str, scores: str, card: ModelCard, most: int) -> None:
    """Write the outputs of `OUTPUTS["plugin"]`, K = `most` rows a picture.

    The plugin gives a box once for every class over the floor, so all but its label's score are hidden from it. It
    looks at the 4096 best, and drops from `iou` on, not from beyond it: it gets the next greater number.
    """
    if card.conf < LEAST_CONF:
        raise MineHatError(f"--nms plugin wants a card whose conf is at least {LEAST_CONF}, found {card.conf:g}: "
                           "below that the plugin lets boxes through that are under it. Take --nms graph.")
    ranks = ranked(write, boxes, scores)
    sound = write("Less", write("Abs", ranks), write.constant(GREATEST))
    label = labels_of(write, scores, ranks, len(card.classes))
    own = write("Equal", write.constant(np.arange(len(card.classes))), write.widened(label, 2))
    shown = write("Where", write("And", own, write.widened(sound, 2)), scores, write.constant(-1))
    places = write("Where", write.widened(sound, 2), boxes, write.constant(0))
    found = write.name("found")
    kinds = write.name("kinds")
    write.node("EfficientNMS_TRT", (places, shown), [found, "boxes", "scores", kinds], domain=DOMAIN,
               plugin_version="1", score_threshold=card.conf, max_output_boxes=most, background_class=-1,
               iou_threshold=float(np.nextafter(np.float32(card.iou), np.float32(2))), score_activation=0,
               box_coding=0)
    write.cast(kinds, "INT64", "labels")
    counted = write("Squeeze", write.cast(found, "FLOAT"), write.constant([1], np.int64))
    broken = write("GreaterOrEqual", write("Abs", write.reduced("Max", ranks, 1)), write.constant(GREATEST))
    write.cast(write("Where", broken, write.constant(-1), counted), "INT64", "count")
