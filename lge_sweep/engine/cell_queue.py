"""Where the cells of a sweep come from: all of a grid in order, or one after the other from a search.

A cell is finished when its folder holds a whole result: that was paid for, whatever became of the ledger. The ledger
takes it up if it does not know it; a folder that is damaged is set aside, and its cell done again.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from lge_sweep.config import Cell

Assignment = tuple[Cell, int]
"""A cell, and the number of its trial in the ledger."""


class CellQueue(Protocol):
    """Hands out what is left to do.

    Attributes:
        total: cells in all.
    """

    total: int

    def finished(self) -> list[Assignment]:
        """Cells that are complete now and whose folder is whole, in order."""

    def cells(self) -> list[Cell]:
        """The cells of the sweep, in order, as far as they are known."""

    def done(self) -> int:
        """How many cells need no more work."""

    def costs(self) -> Mapping[str, float]:
        """How long the cells that wait are likely to take, beside each other; only of those that are known."""

    def take(self) -> Assignment | None:
        """What to do next; None if there is nothing left."""

    def put_longest_first(self) -> None:
        """Begin with what takes longest: cells are trained side by side, and the last ones should be short."""

    def requeue(self, assignment: Assignment) -> None:
        """Do this once more, next."""

    def without_result(self) -> Iterator[tuple[Cell, int, str]]:
        """Trials that have ended and are not tried again, with the reason of those that failed ("" of the others)."""

    def missing(self, failed: Mapping[str, str]) -> Mapping[str, str]:
        """Say why results are missing once nothing is left to do, given why cells failed in this session."""

    def stops(self, trial: int, validation: int, dice: float) -> bool:
        """Whether a trial should be given up after its n-th validation.

        Args:
            trial: number of the trial.
            validation: number of the validation, from 1.
            dice: the validation's mean Dice.
        """
