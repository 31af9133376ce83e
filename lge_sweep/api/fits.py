"""The steps of phases 3 and 4; the command line prints between them, `Study` returns what they came to."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from lge_sweep.api.pipelines import Pipelines
from lge_sweep.api.progress import CallbackBar, CallbackObserver
from lge_sweep.api.settings import read_settings
from lge_sweep.api.study import Study
from lge_sweep.api.sweeps import open_driver
from lge_sweep.config import SweepConfig
from lge_sweep.engine import Driver
from lge_sweep.errors import InheritError
from lge_sweep.pipeline import (
    Evaluation,
    OutOfFoldComparison,
    PipelineComparison,
    TwoStage,
    compare_on_validation,
    compare_out_of_fold,
    evaluate_once,
    find_two_stage,
    fit_two_stage,
    ship,
    shipped_words,
    show_evaluation,
    update_card,
)
from lge_sweep.progress import ProgressCallback, say_nothing

Bar = Callable[[str], AbstractContextManager[ProgressCallback]]
"""Given what is done, shows how far it is while it is entered."""


def fit_pipelines(driver: Driver, configs: Sequence[SweepConfig], study: Study) -> TwoStage:
    """Fit the pipeline of the two selected networks, and its controls; what executes cells has ended then.

    Args:
        driver: holds the runs directory.
        configs: settings of phase 3, of both stages.
        study: the data, and whether cells may fail.

    Raises:
        LgeSweepError: something the user can act on.
    """
    fitted = fit_two_stage(driver, _by_stage(configs), study.image_root, study.allow_incomplete)
    driver.executor.close()  # they hold the GPU, which may be there for one process alone
    return fitted


@dataclass(frozen=True)
class Compared:
    """The pipelines of phase 3, measured.

    Attributes:
        two_stage: the fitted pipeline, with what is shipped.
        comparison: all on the validation subset.
        outside: those past the paper on cases that their networks never saw; None where there are none.
    """

    two_stage: TwoStage
    comparison: PipelineComparison
    outside: OutOfFoldComparison | None


def compare_pipelines(driver: Driver, fitted: TwoStage, bar: Bar) -> Compared:
    """Measure fitted pipelines, out of fold and on the validation subset.

    Args:
        driver: holds the runs directory.
        fitted: the pipelines.
        bar: shows how far it is.
    """
    outside = None
    if fitted.composed is not None:
        with bar("labelling cases out of fold") as on_progress:
            outside = compare_out_of_fold(driver.tracker, fitted, fitted.composed, on_progress)
        fitted = outside.two_stage
    with bar("labelling the validation subset") as on_progress:
        labelled = outside.labelled if outside else {}
        comparison = compare_on_validation(driver.tracker, fitted, on_progress, labelled)
    return Compared(fitted, comparison, outside)


def find_shipped(driver: Driver, configs: Sequence[SweepConfig], study: Study) -> TwoStage:
    """Find the pipeline that phase 3 has shipped.

    Args:
        driver: holds the runs directory.
        configs: settings of phase 4, of both stages.
        study: the data, and whether cells may be missing.

    Raises:
        InheritError: there is none, or another than is asked for.
        LgeSweepError: something else that the user can act on.
    """
    stages = _by_stage(configs)
    fitted = find_two_stage(driver.store.root, stages, study.image_root, study.allow_incomplete)
    asked = stages[2].fit
    if asked and not fitted.ships(asked.shipped) and any(s.startswith("fit.shipped") for s in study.overrides):
        words = shipped_words(fitted)
        raise InheritError(f"phase 3 has shipped another pipeline than fit.shipped asks for: {words}", "phase3")
    return fitted


def evaluate_shipped(driver: Driver, fitted: TwoStage, bar: Bar) -> Evaluation:
    """Evaluate the pipeline on the test subset, once, and show it in MLflow and in the model's card.

    Args:
        driver: holds the runs directory.
        fitted: the pipeline.
        bar: shows how far it is.
    """
    with bar("labelling the test subset") as on_progress:
        evaluation = evaluate_once(driver.store.root, fitted, on_progress)
    show_evaluation(driver.tracker, fitted.fits, evaluation.files, evaluation.record)
    update_card(driver.tracker, fitted, evaluation.comparison)
    return evaluation


def pipelines_of_phase3(study: Study, anew: bool, on_progress: ProgressCallback | None) -> Pipelines:
    """Run phase 3, for `Study`; arguments as of `Study.phase3`.

    Args:
        study: what is run.
        anew: as of `lge_sweep.pipeline.ship`.
        on_progress: told of cells, and of what is labelled.
    """
    configs, on_progress = read_settings("phase3", (1, 2), study).configs, on_progress or say_nothing
    with open_driver(study, CallbackObserver(on_progress)) as driver:
        compared = compare_pipelines(driver, fit_pipelines(driver, configs, study), CallbackBar(on_progress))
        two_stage = compared.two_stage
        ship(driver.tracker, two_stage, compared.comparison, anew)
    composed = two_stage.composed
    outside = None if composed is None else Pipelines.read(composed.files)
    return replace(Pipelines.read(two_stage.fits.files), out_of_fold=outside)


def pipelines_of_phase4(study: Study, on_progress: ProgressCallback | None) -> Pipelines:
    """Run phase 4, for `Study`; arguments as of `Study.phase4`."""
    configs, on_progress = read_settings("phase4", (1, 2), study).configs, on_progress or say_nothing
    with open_driver(study, CallbackObserver(on_progress)) as driver:
        fitted = find_shipped(driver, configs, study)
        evaluation = evaluate_shipped(driver, fitted, CallbackBar(on_progress))
    return Pipelines.read(evaluation.files)


def _by_stage(configs: Sequence[SweepConfig]) -> dict[int, SweepConfig]:
    return {config.stage: config for config in configs}
