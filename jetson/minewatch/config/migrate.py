"""Configurations of older versions: step by step to the present one, every comment kept."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path

from minehat.errors import MineHatError
from minehat.files import written_whole
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from .positions import Entry
from .schema import VERSION

Step = Callable[[CommentedMap], None]
STEPS: Mapping[int, Step] = {}  # version -> what makes version + 1 of it, in place; there was none before 1 so far


def is_older(found: Entry | None, steps: Mapping[int, Step] = STEPS, newest: int = VERSION) -> bool:
    """Whether there is a way from the version that the file says to the newest."""
    version = found.node.value if found else None
    return type(version) is int and version < newest and all(each in steps for each in range(version, newest))


def migrated(text: str, steps: Mapping[int, Step] = STEPS, newest: int = VERSION) -> str:
    """The same configuration as the newest version writes it. The text must have passed `positions.tree_of`."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(text)
    while content["version"] < newest:
        steps[content["version"]](content)
        content["version"] += 1
    out = io.StringIO()
    yaml.dump(content, out)
    return out.getvalue()


def kept_beside(text: str, path: Path, mode: int, newest: int = VERSION) -> Path:
    """Write a migrated text as NAME.v1.yaml beside the old file, as closed as that one. It need not succeed."""
    copy = path.with_name(f"{path.stem}.v{newest}{path.suffix}")
    with contextlib.suppress(MineHatError, OSError), written_whole(copy) as scratch:
        scratch.chmod(mode & 0o666)
        scratch.write_text(text, encoding="utf-8")
    return copy
