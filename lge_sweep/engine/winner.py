"""The cell that stands for what a sweep selected."""

from dataclasses import dataclass

from lge_sweep.config import Cell
from lge_sweep.scoring import Selection, Uncertainty
from lge_sweep.study import Plan


@dataclass(frozen=True)
class Winner:
    """The cell that stands for what a sweep selected; in phase 2 its network is registered.

    Attributes:
        plan: the sweep.
        cell: of the configuration selected first, the cell whose seed scored best.
        trial: number of its trial in the ledger.
        selection: why it won.
        uncertainty: how sure that is.
    """

    plan: Plan
    cell: Cell
    trial: int
    selection: Selection
    uncertainty: Uncertainty
