"""The YOLOv3 loss: which anchors answer for which head, and how wrong they are.

An anchor is *positive* for a labelled box when its cell answers for the box (it holds the centre, or is one of the
two nearest to it where the recipe has 3 cells) and its shape fits best of all, or at least as well as `near`.
Boxes predicted well by other anchors are not punished (IoU over `ignore`), as in YOLOv3
(https://arxiv.org/abs/1804.02767, section 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from .network import LARGEST_EXPONENT, STRIDES, Recipe, boxes_of, split_anchors

BOX_LOSSES = ("ciou", "yolov3")


@dataclass(frozen=True)
class LossSettings:
    """How the three terms are made and weighed."""

    box: str = "ciou"  # or yolov3: cross-entropy on the centre, squares on the log sides
    near: float = 0.4  # shape IoU from which further anchors are positive; 1 for the best alone
    ignore: float = 0.5  # predicted IoU over which an unassigned anchor is left alone
    box_weight: float = 5.0  # of ciou; yolov3's own terms weigh 1


@dataclass(frozen=True)
class Positives:
    """Which places of one scale answer for which truth; all [P] but `boxes`."""

    image: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    labels: Tensor
    boxes: Tensor  # [P, 4] x0 y0 x1 y1 in square pixels

    @property
    def index(self) -> tuple[Tensor, ...]:
        return self.image, self.anchor, self.row, self.column


def yolo_loss(maps: Sequence[Tensor], truths: Tensor, found: Sequence[Positives], recipe: Recipe,
              settings: LossSettings) -> Tensor:
    """[3] float32: the box, objectness and class terms, each summed over the batch, of raw maps.

    truths: [M, 6] (image, label, x0 y0 x1 y1 px); found: `assign_all` of them. Divide by the number of positives,
    of all the processes and parts that share a step.
    """
    box = obj = label = maps[0].new_zeros((), dtype=torch.float32)
    for scale, (raw, mine) in enumerate(zip(maps, found, strict=True)):
        places = split_anchors(raw.float(), recipe)
        predicted = boxes_of(places, scale, recipe)
        chosen = places[mine.index]
        box = box + _box_term(chosen, predicted[mine.index], mine, scale, recipe, settings)
        label = label + bce(chosen[:, 5:], _one_hot(mine.labels, len(recipe.classes)), reduction="sum")
        obj = obj + _objectness_term(places[..., 4], predicted.detach(), truths, mine, settings.ignore)
    return torch.stack([box, obj, label])


def assign_all(truths: Tensor, size: int, recipe: Recipe, near: float) -> list[Positives]:
    """The positives of every scale for truths [M, 6] in squares of `size` pixels."""
    return [assign(truths, scale, size // stride, recipe, near) for scale, stride in enumerate(STRIDES)]


def assign(truths: Tensor, scale: int, side: int, recipe: Recipe, near: float) -> Positives:
    """The positives of one scale, a map of `side` x `side` cells, for truths [M, 6]."""
    sides = truths[:, 4:6] - truths[:, 2:4]
    anchors = truths.new_tensor(recipe.anchors)
    shared = torch.minimum(sides[:, None], anchors[None]).prod(dim=2)
    fit = shared / (sides.prod(dim=1)[:, None] + anchors.prod(dim=1)[None] - shared)
    positive = (fit >= near) | (fit == fit.amax(dim=1, keepdim=True))
    first = scale * recipe.anchors_a_scale
    which, anchor = torch.nonzero(positive[:, first:first + recipe.anchors_a_scale], as_tuple=True)
    which, anchor, cells = _answering(truths, which, anchor, side, scale, recipe.cells)
    chosen = truths[which]
    return Positives(chosen[:, 0].long(), anchor, cells[:, 1], cells[:, 0], chosen[:, 1].long(), chosen[:, 2:6])


def _answering(truths: Tensor, which: Tensor, anchor: Tensor, side: int, scale: int,
               cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each (truth, anchor) the cell [., 2] (column, row) of the truth's centre, and with `cells` 3 its neighbours
    beside and above or below that are nearest to the centre, where the map has them."""
    centres = (truths[which, 2:4] + truths[which, 4:6]) / 2 / STRIDES[scale]
    own = centres.long().clamp(0, side - 1)
    if cells == 1:
        return which, anchor, own
    towards = torch.where(centres - own < 0.5, -1, 1)
    beside, above = towards * towards.new_tensor([1, 0]), towards * towards.new_tensor([0, 1])
    all_cells = torch.cat([own, own + beside, own + above])
    inside = ((all_cells >= 0) & (all_cells < side)).all(dim=1)
    return which.repeat(3)[inside], anchor.repeat(3)[inside], all_cells[inside]


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """CIoU of [P, 4] with [P, 4] boxes (https://arxiv.org/abs/1911.08287): IoU less distance and shape terms."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)
    sides_a, sides_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    iou = shared / (sides_a.prod(dim=1) + sides_b.prod(dim=1) - shared + 1e-7)
    around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    apart = ((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2).square().sum(dim=1)
    angles = [torch.atan(s[:, 0] / (s[:, 1] + 1e-7)) for s in (sides_a, sides_b)]
    shape = 4 / math.pi**2 * (angles[0] - angles[1]).square()
    with torch.no_grad():
        trade = shape / (1 - iou + shape + 1e-7)
    return iou - apart / (around.square().sum(dim=1) + 1e-7) - trade * shape


def _box_term(chosen: Tensor, predicted: Tensor, found: Positives, scale: int, recipe: Recipe,
              settings: LossSettings) -> Tensor:
    if settings.box == "ciou":
        return settings.box_weight * (1 - complete_iou(predicted, found.boxes)).sum()
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 / STRIDES[scale]
    corners = torch.stack([found.column, found.row], dim=1) - (recipe.reach - 1) / 2
    inside = ((centres - corners) / recipe.reach).clamp(0, 1)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    anchors = sides.new_tensor(recipe.anchors_of(scale))[found.anchor]
    wanted = (sides / anchors).clamp(min=1e-4).log().clamp(max=LARGEST_EXPONENT)
    return (bce(chosen[:, 0:2], inside, reduction="sum")
            + 0.5 * (chosen[:, 2:4] - wanted).square().sum())


def _objectness_term(logits: Tensor, predicted: Tensor, truths: Tensor, found: Positives,
                     ignore: float) -> Tensor:
    wanted = torch.zeros_like(logits)
    wanted[found.index] = 1.0
    weight = (_best_overlap(predicted, truths) < ignore).to(logits.dtype)
    weight[found.index] = 1.0
    return bce(logits, wanted, weight=weight, reduction="sum")


def _best_overlap(predicted: Tensor, truths: Tensor) -> Tensor:
    """[N, a, h, w, 4] predicted boxes -> their best IoU with a truth of the same image, [N, a, h, w]."""
    best = predicted.new_zeros(predicted.shape[:-1])
    for image in range(len(predicted)):
        mine = truths[truths[:, 0] == image, 2:6]
        if len(mine):
            best[image] = _ious(predicted[image].reshape(-1, 4), mine).amax(dim=1).reshape(best.shape[1:])
    return best


def _ious(a: Tensor, b: Tensor) -> Tensor:
    shared = ((torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(a[:, None, :2], b[None, :, :2]))
              .clamp(min=0).prod(dim=2))
    areas_a, areas_b = ((x[:, 2:] - x[:, :2]).prod(dim=1) for x in (a, b))
    return shared / (areas_a[:, None] + areas_b[None] - shared + 1e-7)


def _one_hot(labels: Tensor, classes: int) -> Tensor:
    return torch.nn.functional.one_hot(labels, classes).float()
