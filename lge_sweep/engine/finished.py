"""What a sweep's cells have come to, before anything is concluded from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lge_sweep.engine.front import search_front
from lge_sweep.scoring import Front, Result
from lge_sweep.study import Plan


@dataclass(frozen=True)
class FinishedSweep:
    """A sweep of which no cell is left to do.

    Attributes:
        plan: the sweep; of a search with the cells that it drew and finished.
        results: cell -> its result, of the finished cells in the plan's order.
        failed: cell (or what else is missing) -> why there is no result.
        trials: finished cell -> number of its trial in the ledger.
    """

    plan: Plan
    results: Mapping[str, Result]
    failed: Mapping[str, str] = field(default_factory=dict)
    trials: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def front(self) -> Front | None:
        """Of a search with several objectives, the trials to choose from; see `search_front`."""
        return search_front(self.plan)
