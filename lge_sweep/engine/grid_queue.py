"""The cells of a grid, all of them in order."""

import logging
import shutil
from collections import deque
from collections.abc import Iterator, Mapping

from lge_sweep.config import Cell
from lge_sweep.config.architectures import ARCHITECTURES
from lge_sweep.config.grid import AXES
from lge_sweep.data import make_schedule
from lge_sweep.engine.cell_check import check_result
from lge_sweep.engine.cell_queue import Assignment
from lge_sweep.engine.ledger import SweepLedger
from lge_sweep.study import Plan, score_record

_log = logging.getLogger(__name__)


class GridQueue:
    """Every cell of a grid, each completed exactly once; those that were interrupted first."""

    def __init__(self, plan: Plan, study: SweepLedger) -> None:
        """Look up in the ledger and in the folders what is left."""
        self.plan, self.study, self.total = plan, study, len(plan.cells)
        # not what sets a variant apart: Optuna's axes are fixed, and variants can be added
        self.axes = {axis: list(dict.fromkeys(getattr(c, axis) for c in plan.cells)) for axis in AXES}
        entries = {cell.name: study.entry(cell.name) for cell in plan.cells}
        absent = {cell.name for cell in plan.cells if not plan.cell_files(cell).outcome.exists()}
        whole = {cell.name: record for cell in plan.cells if (record := check_result(plan, cell)) is not None}
        unknown = []
        for cell in plan.cells:
            state, record = entries[cell.name].state, whole.get(cell.name)
            if state == "complete" and record is None and cell.name in absent:
                _log.warning("the result of %s is gone; it is trained again", cell.name)
            elif state != "complete" and record is not None:
                trial = study.start(cell, self.axes)
                study.complete(trial, score_record(record, plan, cell), record.summary.collapsed)
                unknown += [cell.name] * (state != "running")
        if unknown:
            listed = ", ".join(unknown[:3]) + ", ..." * (len(unknown) > 3)
            _log.warning("%d finished cells that the ledger did not know are kept (%s)", len(unknown), listed)
        open_first = sorted(plan.cells, key=lambda cell: entries[cell.name].state != "running")
        self._left = deque(cell for cell in open_first if cell.name not in whole)

    def finished(self) -> list[Assignment]:
        """Cells that are complete now and whose folder is whole, in grid order."""
        entries = [(cell, self.study.entry(cell.name)) for cell in self.plan.cells]
        return [
            (cell, entry.trial or 0)
            for cell, entry in entries
            if entry.state == "complete" and self.plan.cell_files(cell).outcome.is_file()
        ]

    def cells(self) -> list[Cell]:
        """All cells of the grid."""
        return list(self.plan.cells)

    def done(self) -> int:
        """How many cells need no more work."""
        return len(self.finished())

    def costs(self) -> dict[str, float]:
        """How long the cells that wait are likely to take, beside each other."""
        return {cell.name: _cell_cost(self.plan, cell) for cell in self._left}

    def take(self) -> Assignment | None:
        """Start, or take up again, the trial of the next cell."""
        if not self._left:
            return None
        cell = self._left.popleft()
        if self.study.entry(cell.name).state == "failed":
            # before the new trial exists: it must not resume the failed one
            shutil.rmtree(self.plan.cell_files(cell).path, ignore_errors=True)
        return cell, self.study.start(cell, self.axes)

    def put_longest_first(self) -> None:
        """Begin with those that were interrupted, and then with what takes longest."""
        running = {cell.name for cell in self._left if self.study.entry(cell.name).state == "running"}
        self._left = deque(
            sorted(self._left, key=lambda cell: (cell.name not in running, -_cell_cost(self.plan, cell)))
        )

    def requeue(self, assignment: Assignment) -> None:
        """Do this cell once more, next."""
        self._left.appendleft(assignment[0])

    def without_result(self) -> Iterator[tuple[Cell, int, str]]:
        """Cells whose latest trial failed."""
        for cell in self.plan.cells:
            entry = self.study.entry(cell.name)
            if entry.state == "failed" and entry.trial is not None:
                yield cell, entry.trial, entry.reason

    def missing(self, failed: Mapping[str, str]) -> Mapping[str, str]:
        """Every cell that the ledger does not know as complete, with its folder whole, is missing."""
        done = {cell.name for cell, _ in self.finished()}
        return {
            cell.name: failed.get(cell.name) or self.study.entry(cell.name).reason or "it was not completed"
            for cell in self.plan.cells
            if cell.name not in done
        }

    def stops(self, trial: int, validation: int, dice: float) -> bool:
        """Every cell of a grid is trained to its end."""
        return False


def _cell_cost(plan: Plan, cell: Cell) -> float:
    """Return how long the training of a cell is likely to take, beside other cells: its steps, by what a step takes.

    Args:
        plan: the sweep.
        cell: one of its cells.
    """
    inputs = plan.inputs_of(cell)
    training = inputs.training
    steps = make_schedule(len(inputs.rows["train"]), training).total_steps
    return ARCHITECTURES[cell.model].cost * steps * training.batch_size * training.image_size**2
