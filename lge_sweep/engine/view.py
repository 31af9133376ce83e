"""What the loop shows of a sweep's trials, whatever shows it. It is a view: what the ledger and the folders know."""

from typing import Protocol

from lge_sweep.config import Cell
from lge_sweep.scoring import Result
from lge_sweep.study import CellRecord


class TrialView(Protocol):
    """Shows one trial."""

    def show_curves(self) -> None:
        """Show the losses that its folder has so far."""

    def complete(self, record: CellRecord, result: Result) -> None:
        """Show all that the finished cell has left.

        Args:
            record: its record.
            result: what scoring needs of it.
        """

    def prune(self) -> None:
        """Show that a search gave the trial up."""

    def fail(self, reason: str) -> None:
        """Show that the trial failed."""

    def stop(self) -> None:
        """Show that the trial was stopped, to be taken up again."""


class SweepView(Protocol):
    """Shows the trials of one sweep."""

    def open_trial(self, cell: Cell, trial: int) -> TrialView:
        """Show a trial that begins or goes on.

        Args:
            cell: what is tried.
            trial: its number in the ledger.
        """
