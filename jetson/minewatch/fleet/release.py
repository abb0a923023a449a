"""Which release of the software runs: its build, so that an update from before it is not taken."""

from __future__ import annotations

import sys
from pathlib import Path

from ..berth import manifest
from ..berth.errors import Refused
from .update import STAMP


def release_here(prefix: str = sys.prefix) -> str:
    """The build of the release that this Python's venv lies in; "" where it was installed otherwise."""
    try:
        found = manifest.read(Path(prefix).parent)
    except Refused:
        return ""
    return found.build if found.kind == "release" and STAMP.fullmatch(found.build) else ""
