"""python -m minebench.gpu.one MODULE:FUNCTION ARGUMENTS OUT: one check, its answer as JSON in OUT."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minehat.errors import Missing
from minehat.files import write_whole

from .outcome import FAILED, NOT_RUN, PASSED, NotRun


def main(argv: Sequence[str]) -> int:
    target, arguments, out = argv
    write_whole(Path(out), json.dumps(_answer(target, json.loads(arguments))))
    return 0


def _answer(target: str, arguments: dict[str, Any]) -> dict[str, Any]:
    module, function = target.split(":")
    try:
        figures = getattr(importlib.import_module(module), function)(**arguments)
        return {"status": PASSED, "figures": figures}
    except (NotRun, Missing) as exc:
        return {"status": NOT_RUN, "reason": " ".join(str(exc).split())}
    except Exception as exc:  # whatever it is, it is this row's answer
        traceback.print_exc()
        kind = "" if isinstance(exc, AssertionError) else f"{type(exc).__name__}: "
        return {"status": FAILED, "reason": kind + " ".join(str(exc).split())}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
