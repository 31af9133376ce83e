"""The steps of a phase that ranks; the command line prints between them, `Study` returns what they came to."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from lge_sweep.api.progress import CallbackObserver
from lge_sweep.api.settings import read_settings
from lge_sweep.api.study import Study
from lge_sweep.config import SweepConfig
from lge_sweep.engine import Driver, Observer, Placement, SweepOutcome, drive, run_sweeps
from lge_sweep.errors import InheritError, SelectionError
from lge_sweep.progress import ProgressCallback, say_nothing
from lge_sweep.study import Plan, make_plans

if TYPE_CHECKING:
    from lge_sweep.api.ranking import Ranking


@contextmanager
def open_driver(study: Study, observer: Observer) -> Iterator[Driver]:
    """Hold the runs directory of a study, and what executes its cells.

    Args:
        study: where results go, and where cells are trained.
        observer: is told what happens.

    Raises:
        InheritError: another phase has to be run first; the message has the command that does it.
        RunsError: as of `drive`.
    """
    placement = Placement(study.executor, study.cluster, study.workers, study.gpus_per_trial)
    with drive(study.store(), placement, observer) as driver:
        try:
            yield driver
        except InheritError as error:
            if not error.phase:
                raise
            raise InheritError(str(error), command=study.command(error.phase, error.stage)) from None


def conclude_sweeps(
    driver: Driver, configs: Sequence[SweepConfig], study: Study
) -> Generator[tuple[Plan, SweepOutcome | None], None, None]:
    """Complete the sweeps of a phase, and select in each.

    Args:
        driver: holds the runs directory.
        configs: settings of the sweeps, one a stage.
        study: the data, and whether cells may fail.

    Yields:
        Each sweep as soon as it is done, and what it came to; None where nothing can be selected. Close the iterator
        when it is left early.

    Raises:
        LgeSweepError: something the user can act on.
        SelectionError: at the end, for all in which nothing could be selected.
    """
    refused: list[SelectionError] = []
    plans = make_plans(configs, study.image_root, driver.store.root)
    with closing(run_sweeps(driver, plans, study.allow_incomplete)) as sweeps:
        for plan, conclude in sweeps:
            try:
                outcome = conclude()
            except SelectionError as error:
                refused.append(error)
                yield plan, None
                continue
            yield plan, outcome
    if refused:
        raise SelectionError(*(line for error in refused for line in str(error).split("\n")))


def rankings_of(
    study: Study, phase: str, stages: Sequence[int], on_progress: ProgressCallback | None
) -> "dict[int, Ranking]":
    """Run a phase that ranks, for `Study`.

    Args:
        study: what is run.
        phase: "phase1", "phase2" or "search".
        stages: 1, 2 or both.
        on_progress: as of `Study.phase1`.
    """
    configs = read_settings(phase, stages, study).configs
    with open_driver(study, CallbackObserver(on_progress or say_nothing)) as driver:
        plans = [plan for plan, _ in conclude_sweeps(driver, configs, study)]
    from lge_sweep.api.ranking import Ranking  # imports scipy

    return {plan.config.stage: Ranking.read(plan.files) for plan in plans}
