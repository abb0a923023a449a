"""How a run goes: the paper's way, ours, and what may be changed of either."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from minehat.errors import MineHatError

from ..data.augment import Augmentation
from ..loss import LossSettings

SCHEDULES = ("cosine", "drops")
PRECISIONS = ("fp32", "bf16", "fp16")
STEP = 32  # pixels between the sides that a square may have


@dataclass(frozen=True)
class TrainSettings:
    """The defaults are our way, `modern`."""

    epochs: int = 60
    batch: int = 16  # pictures a step, shared by all processes
    accumulate: int = 1  # parts in which a process works off its share of a batch
    size: int = 416  # side of the square, pixels
    start_size: int = 416  # the first half of the run grows from here to `size`
    multi_scale: float = 0.0  # each step's square is up to this share larger or smaller
    lr: float = 0.01
    schedule: str = "cosine"  # to 1 % of the rate; or drops: times 0.1 every `drop_every` steps
    drop_every: int = 10_000
    warmup: float = 0.03  # share of the run over which the rate rises from 0
    momentum: float = 0.9
    decay: float = 1e-4
    average: float = 0.998  # decay of the averaged weights; 0 for the last ones
    precision: str = "fp32"  # bf16 and fp16 are autocast
    seed: int = 0
    every: int = 5  # epochs between validations
    patience: int = 0  # validations without a better one after which a run ends; 0 for never
    augment: Augmentation = field(default_factory=Augmentation)
    loss: LossSettings = field(default_factory=LossSettings)

    def __post_init__(self) -> None:
        if self.size % STEP or self.start_size % STEP or not STEP <= self.start_size <= self.size:
            raise MineHatError(f"--size {self.size} and --start-size {self.start_size} must be multiples of {STEP}, "
                               "the second not larger than the first.")
        if not 0 <= self.multi_scale <= 0.5:
            raise MineHatError(f"--multi-scale {self.multi_scale} must lie in 0..0.5.")
        if self.seed >= 2**63:
            raise MineHatError(f"--seed {self.seed} must be less than {2**63}.")
        for flag, value, known in (("--schedule", self.schedule, SCHEDULES),
                                   ("--precision", self.precision, PRECISIONS)):
            if value not in known:
                raise MineHatError(f"{flag} {value} is not known; choose from {', '.join(known)}.")

    def share_of(self, processes: int) -> int:
        """Pictures of a batch that one of so many processes works off. Raises MineHatError where they do not divide."""
        if self.batch % (processes * self.accumulate):
            raise MineHatError(f"--batch {self.batch} cannot be shared by {processes} process(es) in {self.accumulate} "
                               "part(s) each: give a multiple of their product.")
        return self.batch // processes

    def with_(self, **changes: object) -> TrainSettings:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


MODERN = TrainSettings()
PAPER = TrainSettings(lr=5e-4, schedule="drops", warmup=0.0, average=0.0, augment=Augmentation.plain(),
                      loss=LossSettings(box="yolov3", near=1.0))
MODES = {"modern": MODERN, "paper": PAPER}
CELLS = {"modern": 3, "paper": 1}  # of a new network, by mode
