"""An update on trial: whether it stays or is taken back, from what the watch hears of itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

LOADING = 600.0  # seconds that a new model's trial may take, loading included
PATIENCE = 120.0  # seconds beyond `settle` in which cameras may come back that the update had opened anew

Verdict = Literal["", "stays", "goes"]


@dataclass(frozen=True)
class Trial:
    """Times are monotonic."""

    settle: float  # seconds that it must go well
    watched: bool  # whether all was watched before it
    since: float  # since when it has been running, or been waited for
    model: str = ""  # file of the model that it brought; "" where it leaves the old one
    waits: bool = False  # for the detector's trial of that model
    fault: str = ""  # why it cannot stay
    cause: Literal["", "config", "model", "watching"] = ""


def reloaded(trial: Trial, model: str, now: float) -> Trial:
    """The watch took the configuration. model: the file of which the detector begins a trial; "" for none."""
    return replace(trial, since=now, model=model, waits=bool(model))


def config_refused(trial: Trial, text: str) -> Trial:
    """The watch did not take it."""
    return replace(trial, fault=text, cause="config")


def heard(trial: Trial, kind: str, file: str, text: str, now: float) -> Trial:
    """The detector tells of a model: "swapped" or "refused"; only that of the update matters."""
    if file != trial.model:
        return trial
    if kind == "refused":
        return replace(trial, fault=text, cause="model")
    return replace(trial, since=now, waits=False)


def judged(trial: Trial, watching: bool, text: str, now: float) -> tuple[Trial, Verdict]:
    """What is to be done at this moment. watching: whether all is watched, and `text` tells why not."""
    lasted = now - trial.since
    if not trial.fault and trial.waits and lasted > LOADING:
        trial = replace(trial, fault=f"its model's trial had no end within {LOADING:.0f} s", cause="model")
    if not trial.fault and not trial.waits and trial.watched and not watching and lasted > trial.settle + PATIENCE:
        trial = replace(trial, fault=f"with it not all is watched, as before it: {text}", cause="watching")
    if trial.fault:
        return trial, "goes"
    well = not trial.waits and lasted >= trial.settle and (watching or not trial.watched)
    return trial, "stays" if well else ""
