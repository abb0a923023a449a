"""What a look at one thing found: how it is, why that matters, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from ..doors import DONE, MENDABLE, SOME_FAILED
from ..errors import MineHatError
from ..progress import bar

WELL, NOTE, WARNING, FAULT = "well", "note", "warning", "fault"  # from best to worst
LEVELS = (WELL, NOTE, WARNING, FAULT)
CODES = {WELL: DONE, NOTE: DONE, WARNING: SOME_FAILED, FAULT: MENDABLE}


@dataclass(frozen=True)
class Finding:
    """One line of a doctor's. Its texts are sentences without the last full stop."""

    what: str  # "driver", "disk /", "camera North gate"
    level: str  # of LEVELS
    found: str
    why: str = ""  # it matters; "" where all is well
    cure: str = ""  # what to do or type next

    @property
    def text(self) -> str:
        """What was found, why it matters and what to do, in one line."""
        told = [" ".join(part.split()).rstrip(".") for part in (self.found, self.why, self.cure) if part]
        return told[0] if len(told) == 1 and self.level == WELL else ". ".join(told) + "."


Look = Callable[[], Iterable[Finding]]


def looked_at(looks: Sequence[tuple[str, Look]], at_once: int = 3, label: str = "") -> list[Finding]:
    """What all looks found, in their order, `at_once` side by side. label: of a progress bar, none where it is empty.

    A look that fails is a finding as well: this raises nothing.
    """
    with ThreadPoolExecutor(at_once) as pool:
        found = pool.map(lambda look: _found(*look), looks)
        return [finding for each in (bar(found, len(looks), label) if label else found) for finding in each]


def worst(findings: Iterable[Finding]) -> str:
    """The worst level of all, WELL of none."""
    return max((finding.level for finding in findings), key=LEVELS.index, default=WELL)


def report(findings: Sequence[Finding]) -> dict[str, Any]:
    """Plain values for json.dumps."""
    level = worst(findings)
    return {"level": level, "exit_code": CODES[level], "findings": [asdict(finding) for finding in findings]}


def _found(what: str, look: Look) -> list[Finding]:
    try:
        return list(look())
    except MineHatError as exc:
        return [Finding(what, WARNING, str(exc))]
    except PermissionError as exc:
        return [Finding(what, NOTE, f"{exc.filename or what} is closed to this user", "", "Look again with sudo")]
    except Exception as exc:  # whatever this machine is like, the other looks still answer
        return [Finding(what, WARNING, f"could not be looked at ({type(exc).__name__}: {exc})", "",
                        "Report this line to us")]
