"""Sweeps from their plans to their selections, one after the other."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from lge_sweep.engine.driver import BegunSweep, Driver
from lge_sweep.engine.loop import SweepLoop
from lge_sweep.study import Plan

if TYPE_CHECKING:
    from lge_sweep.engine.conclusion import SweepOutcome


def run_sweeps(
    driver: Driver, plans: Sequence[Plan], allow_incomplete: bool = False
) -> "Generator[tuple[Plan, Callable[[], SweepOutcome]], None, None]":
    """Complete the cells of sweeps that do not build on each other, in order.

    While the last cells of one are trained, those of the next take the free slots, and go on while it is concluded.

    Args:
        driver: holds the runs directory and what executes cells.
        plans: the sweeps.
        allow_incomplete: select although cells failed.

    Yields:
        Each sweep as soon as its cells are done, and what selects then: it raises a `SelectionError` if nothing can be
        selected. Close the iterator when it is left early.

    Raises:
        LgeSweepError: the weights or the runs directory cannot be used.
        KeyboardInterrupt: stopped; the same command goes on where it was.
    """
    from lge_sweep.tracking import finishing

    left, begun = deque(plans), deque[BegunSweep]()
    with ExitStack() as runs:

        def begin() -> SweepLoop:
            plan = left.popleft()
            driver.observer.introduce(plan)
            run = driver.open_run(plan, left)
            runs.enter_context(finishing(run))
            begun.append(driver.begin(plan, run, left))
            return begun[-1].loop

        def begin_early() -> SweepLoop | None:
            return begin() if left and driver.may_begin_early(left[0]) else None

        while left or begun:
            if not begun:
                begin()
            sweep = begun.popleft()
            try:
                sweep.loop.complete(begin_early)
                finished = driver.finish(sweep)
                from lge_sweep.engine.conclusion import conclude  # imports matplotlib and scipy

                yield finished.plan, partial(conclude, driver.tracker, sweep.view.run, finished, allow_incomplete)
            except BaseException:
                sweep.loop.abandon()
                raise
