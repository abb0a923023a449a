"""How a check ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"


@dataclass(frozen=True)
class Check:
    """One thing to try."""

    name: str
    target: str  # module:function; it takes the arguments and returns figures, or raises NotRun or anything else
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 120.0  # it may take
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """What came of it."""

    name: str
    status: str  # passed, failed, not run
    reason: str = ""  # why it failed or was not run
    seconds: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)


class NotRun(Exception):
    """Something that the check needs is not here."""


def expect(held: bool, otherwise: str) -> None:
    """Fail the check with a reason unless something held."""
    if not held:
        raise AssertionError(otherwise)
