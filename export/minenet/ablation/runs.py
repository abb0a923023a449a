"""The runs of the tables: each trained with our training; what is finished is kept and not done twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from minehat.errors import MineHatError
from minehat.files import make_folder
from minehat.progress import say

from ..checkpoint import load_checkpoint
from ..classes import CLASSES
from ..data.sources import Source, read_material
from ..training.processes import Processes
from ..training.run import Run
from .budget import with_epochs
from .plan import Journal, Plan
from .rows import Row
from .start import card_of, new_network, sets_of


def finish_runs(rows: Sequence[Row], seeds: Sequence[int], journal: Journal, device: str, machine: str) -> None:
    """Train every row with every seed, each in <row>-<seed>/ beside the journal, but for those that the journal knows.

    All rows with the first seed come first, so that a table without spread is there early. A run that was
    broken off goes on where it was. machine: in words, kept with what it has trained.
    """
    began = time.monotonic()
    wanted = {f"{row.name}-{seed}": (row, seed) for seed in seeds for row in rows}
    left = {name: which for name, which in wanted.items() if name not in journal.runs}
    say(f"{len(wanted)} runs, {len(wanted) - len(left)} of them finished before")
    if not left:
        return
    material = read_material(journal.plan.data, journal.plan.val, CLASSES, journal.plan.size)
    if not journal.plan.epochs:
        jobs = [(row, sets_of(row, material)) for row, _ in left.values()]
        journal.choose(with_epochs(journal.plan, jobs, material.val, journal.out, device, began))
    for count, (name, (row, seed)) in enumerate(left.items(), 1):
        say(f"{name} ({count}/{len(left)}), {journal.plan.epochs} epochs")
        began = time.monotonic()
        sources = sets_of(row, material)
        run = _begun(row, journal.plan, seed, sources, journal.out / name, device)
        run.fit(sources, material.val)
        trained = sum(epoch["seconds"] for epoch in run.place.rows)  # however often the run was broken off
        journal.add(name, {"map50": run.place.best, "seconds": round(max(time.monotonic() - began, trained), 1),
                           "pictures": sum(len(source.samples) for source in sources), "machine": machine,
                           "finished": datetime.now(timezone.utc).date().isoformat()})


def _begun(row: Row, plan: Plan, seed: int, sources: Sequence[Source], folder: Path, device: str) -> Run:
    """The run of a row, at its start or where it was broken off."""
    settings, last = plan.settings(row, seed), folder / "last.pt"
    make_folder(folder)
    card = card_of(row, plan, sources)
    if not last.exists():
        return Run(new_network(row, plan, sources, seed), card, settings, folder, Processes(device))
    network, _, state = load_checkpoint(last)
    if state is None or state["settings"] != asdict(settings):
        raise MineHatError(f"{last} belongs to a run with other settings. Name another --out, or delete {folder}.")
    run = Run(network, card, settings, folder, Processes(device))
    run.resume(last)
    return run
