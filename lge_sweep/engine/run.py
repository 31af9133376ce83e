"""One sweep from its plan to its selection."""

from typing import TYPE_CHECKING

from lge_sweep.engine.driver import Driver
from lge_sweep.study import Plan

if TYPE_CHECKING:
    from lge_sweep.engine.conclusion import SweepOutcome


def run_sweep(driver: Driver, plan: Plan, allow_incomplete: bool = False) -> "SweepOutcome":
    """Complete the cells of a sweep, and select.

    Args:
        driver: holds the runs directory and what executes cells.
        plan: the sweep.
        allow_incomplete: select although cells failed.

    Raises:
        LgeSweepError: the weights or the runs directory cannot be used, or nothing can be selected.
        KeyboardInterrupt: stopped; the same command goes on where it was.
    """
    driver.observer.introduce(plan)
    run = driver.open_run(plan)
    from lge_sweep.tracking import finishing

    with finishing(run):
        finished = driver.run(plan, run)
        from lge_sweep.engine.conclusion import conclude  # imports matplotlib and scipy

        return conclude(driver.tracker, run, finished, allow_incomplete)
