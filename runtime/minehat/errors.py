"""The one error that a person can mend: what was found, what was wanted, what to type."""

from __future__ import annotations


class MineHatError(Exception):
    """Raised for anything that the user can put right. Doors print it on one line and exit 2."""


def missing(package: str, purpose: str, cure: str) -> MineHatError:
    """The error for an absent guest library: who is missing, what for, and how to invite it."""
    return MineHatError(f"{package} is missing; it is needed to {purpose}. {cure}")
