"""What a run leaves to look at: results.csv, TensorBoard's events, a plot of the curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.progress import say

from ..plots import plot_history

COLUMNS = ("epoch", "lr", "loss", "box", "obj", "class", "seconds", "loading", "waiting", "map50", "map",
           "ap50_helmet", "ap50_head", "recall_helmet", "recall_head")
EVERY = 10  # steps between two of TensorBoard's points
Row = Mapping[str, float]


class Logbook:
    """The rows of a run, one an epoch. The files are made from them, so that they never tell of what was undone."""

    def __init__(self, out: Path, rows: Sequence[Row] = (), step: int = 0, events: bool = True) -> None:
        self.out, self.rows = out, [dict(row) for row in rows]
        self._board = _board(out / "events", step) if events else None
        if rows:
            self._write()  # it may have been killed between a checkpoint and its row

    def add(self, row: Row, step: int) -> None:
        """Keep an epoch's row and tell of it everywhere. step: of the run, the epoch's last."""
        self.rows.append(dict(row))
        say("  ".join(f"{key} {value:.4g}" for key, value in row.items()))
        self._write()
        if "map50" in row:
            plot_history(self.rows, self.out / "curves.png")
        self._tell("epoch", {key: value for key, value in row.items() if key != "epoch"}, step)

    def _write(self) -> None:
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows([f"{row[column]:.6g}" if column in row else "" for column in COLUMNS] for row in self.rows)
        write_whole(self.out / "results.csv", text.getvalue())

    def point(self, values: Mapping[str, float], step: int) -> None:
        """A step's loss and its terms, for TensorBoard."""
        if step % EVERY == 0:
            self._tell("step", values, step)

    def _tell(self, group: str, values: Row, step: int) -> None:
        if self._board is None:
            return
        try:
            for key, value in values.items():
                self._board.add_scalar(f"{group}/{key}", value, step)
            if group == "epoch":
                self._board.flush()
        except OSError as exc:
            raise _not_written(self.out / "events", exc) from exc

    def close(self) -> None:
        """Draw the curves to their end, flush and let go."""
        if self.rows:
            plot_history(self.rows, self.out / "curves.png")
        if self._board is not None:
            with suppress(OSError):  # it was told already, or the last two minutes of events are lost and no more
                self._board.close()


def _board(folder: Path, step: int) -> Any:
    """TensorBoard's writer, or None with a word where TensorBoard is absent. Points from `step` on are written anew."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        say("TensorBoard is missing, so there are no events for it: `pip install tensorboard`.")
        return None
    try:
        return SummaryWriter(str(folder), purge_step=step or None)
    except OSError as exc:
        raise _not_written(folder, exc) from exc


def _not_written(folder: Path, exc: OSError) -> MineHatError:
    return MineHatError(f"{folder} cannot be written to: {exc.strerror or exc}. Free some room and go on with "
                        "--resume, or name another --out.")
