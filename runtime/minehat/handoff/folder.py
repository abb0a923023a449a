"""A folder of files that we wrote: written anew only where it holds nothing but those, as we left them."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..errors import MineHatError
from ..files import make_folder, sha256_of, write_whole, written_whole

MANIFEST = "minehat-handoff.json"  # which files are ours, and their hashes
Content = str | bytes | Path  # of a file; a Path is copied


def write_folder(folder: Path, kind: str, files: Mapping[str, Content]) -> None:
    """Write files, each whole, by their names in the folder, which is made where it is absent.

    What an earlier hand-off wrote there and this one does not is removed. Raises MineHatError where the folder
    holds other things, or files of ours that were changed since.
    """
    before = _before(folder, kind)
    _refuse_other(folder, before, files)
    hashes = {name: _sha256(content) for name, content in files.items()}
    make_folder(folder)
    # Until all is done both are ours: what was there before, and what will be.
    _note(folder, kind, {name: [*before.get(name, []), *([hashes[name]] if name in hashes else [])]
                         for name in {**before, **hashes}})
    for name, content in files.items():
        _write(folder / name, content)
    for name in before.keys() - files.keys():
        (folder / name).unlink(missing_ok=True)
    _note(folder, kind, {name: [digest] for name, digest in hashes.items()})


def _before(folder: Path, kind: str) -> dict[str, list[str]]:
    """The hashes of what an earlier hand-off wrote there, by name."""
    if folder.exists() and not folder.is_dir():
        raise MineHatError(f"{folder} is a file, not a folder. Name another one with -o.")
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {str(name): [str(digest) for digest in digests] for name, digests in found["files"].items()}
        wrote = str(found["kind"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise MineHatError(f"{folder / MANIFEST} cannot be read ({exc}). Name another folder with -o.") from exc
    if wrote != kind:
        raise MineHatError(f"{folder} holds a hand-off to {wrote}. Name another folder with -o.")
    return files


def _refuse_other(folder: Path, before: Mapping[str, list[str]], files: Mapping[str, Content]) -> None:
    others = [] if before or not folder.is_dir() else sorted(path.name for path in folder.iterdir())
    others += sorted(name for name in files if name not in before and (folder / name).exists())
    if others:
        raise MineHatError(f"{folder} holds other things, such as {others[0]}. Name a folder with -o that is new, "
                           "empty, or of an earlier hand-off.")
    for name, digests in before.items():
        if (folder / name).is_file() and sha256_of(folder / name) not in digests:
            raise MineHatError(f"{folder / name} was changed since it was handed off. Keep it under another name, or "
                               f"have it written anew: `rm {shlex.quote(str(folder / name))}`.")


def _note(folder: Path, kind: str, files: Mapping[str, list[str]]) -> None:
    write_whole(folder / MANIFEST, json.dumps({"kind": kind, "files": files}, indent=1, sort_keys=True) + "\n")


def _write(path: Path, content: Content) -> None:
    if isinstance(content, Path):
        with written_whole(path) as scratch:
            shutil.copyfile(content, scratch)
    else:
        write_whole(path, content)


def _sha256(content: Content) -> str:
    if isinstance(content, Path):
        return sha256_of(content)
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
