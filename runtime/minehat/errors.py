"""The one error that a person can mend: what was found, what was wanted, what to type."""

from __future__ import annotations

from collections.abc import Sequence


class MineHatError(Exception):
    """Raised for anything that the user can put right. Doors print it on one line and exit 2."""


class Missing(MineHatError):
    """A guest library that is not here."""


class CudaLost(Exception):
    """The GPU's context ended under our hands: nothing on it answers any more until the process is started again.

    Never to be caught and tried again. Doors print it on one line and exit 5.
    """


class ManyFaults(MineHatError):
    """Several things that the user can put right, found in one go. Doors print each on its own line.

    lines: one for each fault. counted: how many of what, a sentence. cure: what to do about them, a sentence.
    """

    def __init__(self, lines: Sequence[str], counted: str, cure: str) -> None:
        self.lines, self.counted, self.cure = tuple(lines), counted, cure
        super().__init__("\n".join(self.told()))

    def told(self) -> list[str]:
        """What doors print: every fault and a line that sums them up, or, where there is but one, that one alone."""
        if len(self.lines) == 1:
            return [f"{self.lines[0]}. {self.cure}"]
        return [*self.lines, f"{self.counted} {self.cure}"]


def missing(package: str, purpose: str, cure: str) -> Missing:
    """The error for an absent guest library: who is missing, what for, and how to invite it."""
    return Missing(f"{package} is missing; it is needed to {purpose}. {cure}")
