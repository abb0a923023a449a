"""What the demo works on: pictures to calibrate with, labelled ones to score on, and some to show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minehat.errors import MineHatError
from minehat.labels import read_split
from minehat.pictures import SUFFIXES

from .accuracy import spread

ENOUGH = 32  # pictures of a site that calibrate by themselves; fewer get rendered scenes beside them
SHOWN = 8  # pictures on the page, beside the clip


@dataclass(frozen=True)
class Material:
    """Folders and pictures of one run."""

    calibration: tuple[Path, ...]  # folders of pictures, lists of a Pascal VOC split
    calibration_told: str
    labelled: Path  # Pascal VOC folder with a val split
    labelled_told: str
    shown: tuple[Path, ...]  # pictures to detect on
    real: bool  # whether any of this is photographs


def voc_in(data: Path | None) -> Path | None:
    """The Pascal VOC folder of a folder of the user's, or None. Raises MineHatError where it holds no picture."""
    if data is None:
        return None
    if not data.is_dir():
        raise MineHatError(f"{data} is no folder. Name one with pictures: `make demo DATA=folder`.")
    found = [folder for folder in (data, data / "helmets") if (folder / "ImageSets/Main/val.txt").is_file()]
    if not found and _site_in(data) is None:
        raise MineHatError(f"{data} holds no picture ({', '.join(sorted(SUFFIXES))}) and no Pascal VOC folder.")
    return found[0] if found else None


def material_of(data: Path | None, scenes: Path, classes: Sequence[str]) -> Material:
    """Sort out a folder of the user's, and fill what it lacks with rendered scenes.

    data: a Pascal VOC folder with a val split; or a folder of pictures; or one that holds `helmets/` (VOC)
    and perhaps `mine_frames/` (pictures of the site). scenes: VOC folder of rendered pictures.
    Raises MineHatError where `data` is given and holds no picture.
    """
    if data is None:
        drawn = scenes / "JPEGImages"
        return Material((drawn,), "rendered scenes", scenes, "rendered scenes", tuple(_pictures(drawn)[:SHOWN]), False)
    voc, site = voc_in(data), _site_in(data)
    sources = dict(_calibration(voc, site))
    if voc is None and site is not None and len(_pictures(site)) < ENOUGH:
        sources["rendered scenes"] = scenes / "JPEGImages"
    return Material(tuple(sources.values()), " and ".join(sources), voc or scenes,
                    f"{voc.name} val" if voc else "rendered scenes", _shown(voc, site, classes), True)


def _calibration(voc: Path | None, site: Path | None) -> Iterator[tuple[str, Path]]:
    """Names and places: pictures of the site, and labelled ones, those of the train split where there is one."""
    if site is not None:
        yield site.name, site
    if voc is not None:
        train = voc / "ImageSets" / "Main" / "train.txt"
        yield (f"{voc.name} train", train) if train.is_file() else (voc.name, voc / "JPEGImages")


def _shown(voc: Path | None, site: Path | None, classes: Sequence[str]) -> tuple[Path, ...]:
    """Pictures with most to see: bare heads among the labelled ones, then some of the site."""
    chosen: list[Path] = []
    if voc is not None:
        labelled = read_split(voc, "val", classes)
        whole = [truth for truth in labelled if truth.window is None]
        busy = [truth.path for truth in whole if len(set(truth.labels.tolist())) > 1 and len(truth.labels) < 9]
        chosen = spread(busy or [truth.path for truth in whole or labelled], SHOWN - 3 if site else SHOWN)
    if site is not None:
        chosen += spread(_pictures(site), SHOWN - len(chosen))
    return tuple(chosen)


def _site_in(data: Path) -> Path | None:
    """The folder of pictures without labels."""
    return next((folder for folder in (data / "mine_frames", data) if _pictures(folder)), None)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
