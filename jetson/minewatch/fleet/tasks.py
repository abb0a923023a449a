"""What is done with updates apart from the watch's loop: looking for one, putting it to trial, keeping it or not."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from minehat.errors import ManyFaults, MineHatError

from ..config.load import config_of
from ..events.event import iso
from . import config_file
from .deadline import within
from .ledger import Ledger, alone, folder_of, read_ledger, write_ledger
from .merging import change_of, merged
from .refusal import LASTING, NotTaken, refusing
from .report import deliver, name_of, report_of
from .sources import Login, source_of
from .staging import fetched, lying_in, staged
from .update import CHANGE, Here, Update

ASKED = "asked"  # file with the digest of an update that a person brought
SOURCE_SECONDS = 600.0  # for one source and one look; what came by then is kept for the next one
REPORT_SECONDS = 30.0
TRIES = 3  # trials that the watch did not live to see the end of


@dataclass(frozen=True)
class Task:
    """One errand. Travels as JSON."""

    what: str  # look, apply, keep, undo
    config: str  # the configuration file
    state: str
    key: str
    site: str
    box: str
    release: str = ""
    sources: tuple[str, ...] = ()
    login: dict[str, str] = field(default_factory=dict)
    disk_share: float = 1.0
    report: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    wall: float = 0.0
    digest: str = ""
    cause: str = ""
    text: str = ""


@dataclass(frozen=True)
class Done:
    """What came of an errand."""

    digest: str = ""  # of the update that was found, or put to trial
    told: str = ""  # of it, for people
    model: bool = False  # whether it brings one
    refusals: tuple[tuple[str, str], ...] = ()  # cause and text of what is told for the first time


def done(task: Task) -> Done:
    """Do it, with nobody else at the updates of this box. Raises MineHatError where that cannot be."""
    state = Path(task.state)
    with alone(state):
        ledger = read_ledger(state)
        return {"look": _look, "apply": _apply, "keep": _keep, "undo": _undo}[task.what](task, state, ledger)


def asked(state: Path) -> Path:
    """The file in which a person's update is named."""
    return folder_of(state) / ASKED


def _look(task: Task, state: Path, ledger: Ledger) -> Done:
    """The first source with news is enough; each one that fails is told once, until it does well again."""
    _sweep(state)
    here, login, before = Here(task.site, task.box, task.release), Login(**task.login), ledger
    found: Update | None = None
    refusals: list[tuple[str, str]] = []
    for place in (*_brought(state), *task.sources):
        try:
            with within(SOURCE_SECONDS):
                found = fetched(source_of(place, login), state, Path(task.key), here, ledger, task.disk_share)
            ledger = _well(ledger, place)
        except NotTaken as exc:
            ledger, news = _failed(ledger, place, exc)
            refusals += news
        if found:
            break
    ledger, news = _reported(task, state, ledger, login)
    if ledger != before:
        write_ledger(state, ledger)
    if found is None:
        asked(state).unlink(missing_ok=True)
        return Done(refusals=(*refusals, *news))
    return Done(found.digest, found.told, bool(found.model), (*refusals, *news))


def _apply(task: Task, state: Path, ledger: Ledger) -> Done:
    """Write the configuration that the update makes; the one of before lies beside it."""
    path = Path(task.config)
    if left := config_file.marker_of(path):  # of a trial that nobody saw the end of
        config_file.put_back(path, left)
    try:
        update = staged(state, task.digest, Path(task.key))
        if ledger.tries.get(update.digest, 0) >= TRIES:
            raise NotTaken("interrupted", f"{update.told}: the watch ended {TRIES} times while it was on trial")
        with refusing("place"):
            before, mode = path.read_bytes().decode(), path.stat().st_mode
        text = _written(update, before.removeprefix("\ufeff"), path, mode, lying_in(state, update.digest))
        tries = {**ledger.tries, update.digest: ledger.tries.get(update.digest, 0) + 1}
        write_ledger(state, replace(ledger, tries=tries))
        if path.read_bytes().decode(errors="replace") != before:
            raise NotTaken("place", f"{path} was changed while {update.told} was laid over it")
        config_file.put(path, text, config_file.marker_for(update.digest, update.told, state, before, text))
    except NotTaken as exc:
        return _refused(task, state, ledger, exc.cause, str(exc))
    except MineHatError as exc:
        config_file.settle(path)
        return _refused(task, state, ledger, "place", str(exc))
    return Done(update.digest, update.told, bool(update.model))


def _written(update: Update, before: str, path: Path, mode: int, folder: Path) -> str:
    """The text of the new configuration. Raises NotTaken where the watch would not read it."""
    try:
        config_of(before, path, mode)
    except MineHatError as exc:
        raise NotTaken("place", f"{path} is wrong by itself, so that no update is laid over it: {_first(exc)}") from exc
    with refusing("place"):
        change = change_of((folder / CHANGE).read_text("utf-8")) if CHANGE in update.manifest.files else {}
    text = merged(before, change, {key: folder / inner for key, inner in update.model.items()})
    try:
        config_of(text, path, mode)
    except MineHatError as exc:
        raise NotTaken("config", f"{update.told} makes a configuration that is wrong here: {_first(exc)}") from exc
    return text


def _keep(task: Task, state: Path, ledger: Ledger) -> Done:
    """It went well: nothing is put back any more, and what only older ones needed goes."""
    try:
        update = staged(state, task.digest, Path(task.key))
    except NotTaken as exc:  # its files were spoiled meanwhile: the watch could not begin with them again
        return _undo(replace(task, cause="model", text=f"what it brought is spoiled: {exc}"), state, ledger)
    applied = {"build": update.build, "digest": update.digest, "note": update.note, "time": iso(task.wall)}
    config_file.settle(Path(task.config))  # first: a cut between the two has it tried again, and never half forgotten
    write_ledger(state, replace(
        _well(ledger, update.digest), running=update.digest, build=update.build,
        newest=max(ledger.newest, update.build), applied=(*ledger.applied, applied), tries={}))
    asked(state).unlink(missing_ok=True)
    text = Path(task.config).read_bytes().decode(errors="replace")
    for folder in (folder_of(state) / "files").iterdir():
        if folder != lying_in(state, update.digest) and folder.name not in text:
            shutil.rmtree(folder, ignore_errors=True)
    return Done(update.digest, update.told)


def _undo(task: Task, state: Path, ledger: Ledger) -> Done:
    """It did not go well: the configuration of before, and never this update again."""
    path, text = Path(task.config), task.text
    marker = config_file.marker_of(path)
    if marker and not config_file.put_back(path, marker):
        text += f" {path} was changed since: {config_file.CHANGED}."
    return _refused(task, state, ledger, task.cause, text)


def _refused(task: Task, state: Path, ledger: Ledger, cause: str, text: str) -> Done:
    """The same update is not looked at again where it would be refused again; its files go."""
    if cause in LASTING:
        ledger = replace(ledger, refused={**ledger.refused, task.digest: text}, tries={
            digest: count for digest, count in ledger.tries.items() if digest != task.digest})
        asked(state).unlink(missing_ok=True)
        if lying_in(state, task.digest).name not in Path(task.config).read_bytes().decode(errors="replace"):
            shutil.rmtree(lying_in(state, task.digest), ignore_errors=True)
        news = [(cause, text)]
    else:
        ledger, news = _failed(ledger, task.digest, NotTaken("place", text))
    write_ledger(state, ledger)
    return Done(refusals=tuple(news))


def _brought(state: Path) -> list[str]:
    """What a person brought lies in the state folder already, whole."""
    try:
        return [str(lying_in(state, asked(state).read_text("ascii").strip()))]
    except (OSError, ValueError):
        return []


def _reported(task: Task, state: Path, ledger: Ledger, login: Login) -> tuple[Ledger, list[tuple[str, str]]]:
    place = task.report or "report"
    try:
        with within(REPORT_SECONDS):
            text = report_of(task.about, ledger, state, Path(task.config), task.wall)
            deliver(text, state, task.report, name_of(task.site, task.box), login)
    except NotTaken as exc:
        return _failed(ledger, f"{place} (report)", exc)
    except MineHatError as exc:
        return _failed(ledger, f"{place} (report)", NotTaken("place", str(exc)))
    return _well(ledger, f"{place} (report)"), []


def _failed(ledger: Ledger, place: str, exc: NotTaken) -> tuple[Ledger, list[tuple[str, str]]]:
    """Noted; and what is to be told, where it was not before."""
    if ledger.told.get(place) == str(exc):
        return ledger, []
    return replace(ledger, told={**ledger.told, place: str(exc)}), [(exc.cause, f"{place}: {exc}")]


def _well(ledger: Ledger, place: str) -> Ledger:
    return replace(ledger, told={other: why for other, why in ledger.told.items() if other != place})


def _sweep(state: Path) -> None:
    """What a killed process left behind."""
    for left in folder_of(state).glob(".verify-*"):
        shutil.rmtree(left, ignore_errors=True)


def _first(exc: MineHatError) -> str:
    return exc.lines[0] if isinstance(exc, ManyFaults) and exc.lines else str(exc)


def to_json(what: Task | Done) -> dict[str, Any]:
    """As it travels."""
    return asdict(what)
