"""A torch network scored on labelled pictures, through the same letterbox, suppression and scoring as the runtime."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from minehat.card import ModelCard
from minehat.detections import Detections
from minehat.detector import seen_in_frame
from minehat.labels import Labelled
from minehat.letterbox import as_input, letterbox
from minehat.progress import bar
from minehat.scoring import Score, score

from .network import Decoded, MineNet

LOWEST_SCORE = 0.001  # detections below this cannot change the mAP


def evaluate(network: MineNet, pictures: Sequence[Labelled], card: ModelCard, device: str = "cpu",
             bf16: bool = False) -> Score:
    """mAP and recall of `network` on `pictures`; recall at the card's threshold."""
    return score(detections_of(network, pictures, card, device, bf16), pictures, card.classes, card.conf)


def detections_of(network: MineNet, pictures: Sequence[Labelled], card: ModelCard, device: str = "cpu",
                  bf16: bool = False) -> list[Detections]:
    """What `network` finds in each picture from score 0.001 on, boxes in pixels of that picture.

    One picture at a time: on CPUs larger batches gain nothing. The network is left in eval mode.
    """
    graph = Decoded(network).eval()
    return [_detect(graph, one, card, device, bf16) for one in bar(pictures, label="scoring")]


def _detect(graph: Decoded, labelled: Labelled, card: ModelCard, device: str, bf16: bool) -> Detections:
    frame = labelled.read()
    square, placement = letterbox(frame, card.height, card.width, card.pad)
    images = torch.from_numpy(as_input(square, card)[None]).to(device, memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=bf16):
        boxes, scores = graph(images)
    return seen_in_frame(boxes[0].float().cpu().numpy(), scores[0].float().cpu().numpy(), placement, LOWEST_SCORE,
                         card.iou)
