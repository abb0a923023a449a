"""What the journal and the checkpoints of finished runs tell: figures of every table, and how they came to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone

from ..checkpoint import load_checkpoint
from .figures import Figures, Found
from .plan import Journal
from .race import picture_ms
from .report import Made
from .rows import Table, rows_of


def found_of(tables: Sequence[Table], seeds: Sequence[int], journal: Journal, device: str) -> list[Found]:
    """The tables with the scores of their finished runs, and times measured now."""
    rows, ms = rows_of(tables), _timed(tables, seeds, journal, device)
    figures = {row.name: Figures(row, tuple(100 * run["map50"] for run in journal.of(row, seeds).values()), len(seeds),
                                 ms.get(row.name)) for row in rows}
    return [Found(table, tuple(replace(figures[row.name], row=row) for row in table.rows)) for table in tables]


def made_of(tables: Sequence[Table], seeds: Sequence[int], journal: Journal, command: str, machine: str) -> Made:
    """machine: this one, in words."""
    runs = {f"{row.name}-{seed}": run for row in rows_of(tables) for seed, run in journal.of(row, seeds).items()}
    today = datetime.now(timezone.utc).date().isoformat()
    return Made(journal.plan.shared(), command,
                machines=tuple(dict.fromkeys(run.get("machine", machine) for run in runs.values())), timed_on=machine,
                minutes=sum(run["seconds"] for run in runs.values()) / 60,
                finished=max((run.get("finished", today) for run in runs.values()), default=today), runs=runs)


def _timed(tables: Sequence[Table], seeds: Sequence[int], journal: Journal, device: str) -> dict[str, float]:
    """Milliseconds a picture of every row's network of which a run is finished, by the row's name."""
    first = {row.name: seed for row in rows_of(tables) for seed in list(journal.of(row, seeds))[:1]}
    networks = [load_checkpoint(journal.out / f"{name}-{seed}" / "best.pt", device)[0] for name, seed in first.items()]
    return dict(zip(first, picture_ms(networks, journal.plan.size, device), strict=True))
