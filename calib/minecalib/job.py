"""A parent, what is wanted of it, and what calibration saw: all that lowering needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from .graph import key_of
from .images import Squares
from .lowering import FORMS, Lowered, Wish, lower
from .parent import Parent
from .placement import Layer
from .ranges import Seen, gather
from .ranges.cache import cached, key_of_run
from .weights.equalise import betweens, greatest_of
from .weights.objects import Objects, objects_of

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Job:
    """A parent, what is wanted of it, and what calibration saw."""

    parent: Parent
    wish: Wish
    squares: Squares  # the calibration pictures; there may be none for plain FP16, and for a fine-tuned parent
    seen: Seen | None  # None without pictures
    kept: Path | None = None  # the file that `seen` was read from
    objects: Objects | None = None  # that biases make up for; None where nothing does

    def layers(self) -> list[Layer]:
        """What can be lifted from INT8, in the order of the graph."""
        if not self.wish.is_int8:
            return []
        return FORMS[self.wish.form].layers(self.parent.wiring(), self.wish.attention)

    def lowered(self, lifted: Collection[str] = ()) -> Lowered:
        """The model as wished, the layers named in `lifted` not in INT8."""
        return lower(self.parent, self.wish, self.seen, lifted, self.objects)


def open_job(parent: Parent, wish: Wish, squares: Squares, cache: Path | None) -> Job:
    """Calibrate, or find what was calibrated before. The pictures are surveyed already.

    cache: the folder of kept calibrations, None for none. The job's parent has its channels equalised, where wished.
    """
    if not squares.pictures:
        return Job(parent, wish, squares, None)
    free = wish.is_int8 and not parent.fine_tuned_for
    equalise = wish.equalise and free
    key = key_of_run(parent.sha256, squares.sha256, parent.card.to_json(), equalise)
    seen, kept = cached(key, cache, lambda: walk_over(parent, squares, equalise))
    parent = parent.equalised(seen.greatest)
    objects = objects_of(parent.model, parent.card, squares) if wish.correct_bias and free else None
    return Job(parent, wish, squares, seen, kept, objects)


def walk_over(parent: Parent, squares: Squares, equalise: bool = False) -> Seen:
    """What all activations are on the pictures, for both forms and FP16; after equalising, where wished."""
    greatest: dict[str, Array] = {}
    if equalise:
        greatest = greatest_of(parent.model, [one.tensor for one in betweens(parent.wiring())], squares.walk)
        parent = parent.equalised(greatest)
    wiring = parent.wiring()
    floats = wiring.float_tensors()
    names = [name for node in wiring.body for name in node.output if name in floats]
    averaged = list(dict.fromkeys(node.input[0] for node in wiring.convolutions))
    return replace(gather(wiring.model, names, averaged, squares.walk), greatest=greatest)


def names_of(job: Job) -> dict[str, str]:
    """Layers -> what people call them: the convolutions that read them, else the tensor."""
    weights = {key_of(node): node.input[1].removeprefix("network.").removesuffix(".weight")
               for node in job.parent.wiring().convolutions}
    return {layer.tensor: " + ".join(weights[name] for name in layer.convolutions) or layer.tensor
            for layer in job.layers()}
