"""The gate's findings as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minehat.progress import say
from minehat.tables import percent, print_table

from .exam import Answers
from .loss import Loss
from .trial import Trial, Tried

NAMED = 3  # lifted layers in a row of the frontier


def print_trial(trial: Trial, names: Mapping[str, str]) -> None:
    """Scores, the frontier where layers were lifted, and the second check, on stderr. names: of layers, for people."""
    say(f"\n{trial.exam.name}: {len(trial.exam.truths)} pictures; losses in points against FP32, positive is lost")
    print_table(*scores_table(trial))
    if len(trial.tried) > 1:
        say("\nlayers lifted, by estimated cost (all in INT8: 1)")
        print_table(*frontier_table(trial, names))
    last = next((one for one in reversed(trial.tried) if one.rendered), None)
    if last is not None:
        say(f"\n{rendered_told(trial, trial.chosen if trial.chosen and trial.chosen.rendered else last)}")
    say("")


def scores_table(trial: Trial) -> tuple[list[str], list[list[str]]]:
    """Header and rows: FP32, FP16 and the wanted precision, with nothing lifted and as chosen."""
    watched = trial.budget.watched
    header = ["model", "mAP50", "loss", "bound", f"{watched} recall", "loss", "bound"]
    rows = [_row("fp32", trial.parent, None, watched)]
    if trial.fp16:
        rows.append(_row("fp16", *trial.fp16, watched))
    rows += [_row(_name(trial, one), one.answers, one.loss, watched) for one in _shown(trial)]
    return header, rows


def frontier_table(trial: Trial, names: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: every set of layers that was tried, the cheapest first. names: of layers, for people."""
    header = ["lifted", "cost", "mAP50", "loss", f"{trial.budget.watched} recall", "loss", "rendered bound", "",
              "layers"]
    ordered = sorted(trial.tried, key=lambda one: (one.cost, len(one.lifted)))
    return header, [[str(len(one.lifted)), f"{one.cost:.2f}x", percent(one.answers.score.map50),
                     points(one.loss.map50.drop), percent(one.answers.score.recall[trial.budget.watched]),
                     points(one.loss.recall.drop), points(one.rendered.bound) if one.rendered else "-",
                     _verdict(trial, one), _named(sorted(one.lifted), names)] for one in ordered]


def tried_told(one: Tried) -> str:
    """One set of layers in a line, as soon as it is known."""
    rendered = f", rendered {points(one.rendered.drop)} (bound {points(one.rendered.bound)})" if one.rendered else ""
    return (f"{len(one.lifted)} layers lifted, cost {one.cost:.2f}x: mAP50 {points(one.loss.map50.drop)}, recall "
            f"{points(one.loss.recall.drop)}{rendered}: {'holds' if one.holds else 'over'}")


def points(fraction: float) -> str:
    """A loss as people say it: 0.0123 -> +1.2."""
    return f"{round(100 * fraction, 1) + 0.0:+.1f}"  # + 0.0: no -0.0


def rendered_told(trial: Trial, one: Tried) -> str:
    """The second check in one line, of a set of layers that came so far."""
    assert trial.rendered is not None and one.rendered is not None
    watched = trial.budget.watched
    exam = trial.rendered.exam
    label = exam.card.classes.index(watched)
    heads = sum(int((truth.labels == label).sum()) for truth in exam.truths)
    recall = trial.rendered.score.recall[watched]
    return (f"{heads} rendered {watched}s in {len(exam.truths)} frames: FP32 finds {percent(recall)} %, "
            f"{trial.wish.name} loses {points(one.rendered.drop)} points of it (95 % bound "
            f"{points(one.rendered.bound)}, allowed {100 * trial.budget.recall:g})")


def _row(name: str, answers: Answers, loss: Loss | None, watched: str) -> list[str]:
    lost = [(points(one.drop), points(one.bound)) for one in (loss.map50, loss.recall)] if loss else [("-", "-")] * 2
    return [name, percent(answers.score.map50), *lost[0], percent(answers.score.recall[watched]), *lost[1]]


def _shown(trial: Trial) -> list[Tried]:
    first = trial.tried[:1]
    return first if trial.chosen in (None, *first) else [*first, trial.chosen]


def _name(trial: Trial, one: Tried) -> str:
    return f"{trial.wish.name}, {len(one.lifted)} lifted" if one.lifted else trial.wish.name


def _verdict(trial: Trial, one: Tried) -> str:
    return "taken" if one is trial.chosen else "holds" if one.holds else "over"


def _named(lifted: Sequence[str], names: Mapping[str, str]) -> str:
    shown = [names[name] for name in lifted[:NAMED]]
    return ", ".join(shown) + (f" and {len(lifted) - NAMED} more" if len(lifted) > NAMED else "") or "none"
