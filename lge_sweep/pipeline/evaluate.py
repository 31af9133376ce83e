"""Phase 4: the one evaluation on the test subset. The only module that reads it."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from lge_sweep.errors import DamagedError
from lge_sweep.pipeline.access import begin_access, describe_accesses, finish_access
from lge_sweep.pipeline.compare import PipelineComparison, compare, read_comparison
from lge_sweep.pipeline.compose import describe_pipeline
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.pipeline.records import EvaluationRecord, MeasuredSubset
from lge_sweep.pipeline.results import write_results
from lge_sweep.pipeline.standing import find_methods, write_methods
from lge_sweep.pipeline.variants import EvaluatedSubset, shipped_name, two_stage_variants
from lge_sweep.progress import ProgressCallback
from lge_sweep.run_store import EvaluationFolder, RunStore
from lge_sweep.study import read_record, write_record

TEST: MeasuredSubset = "test"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """What the test subset says.

    Attributes:
        files: tables, figures and everything they were made of.
        comparison: the pipeline beside its controls.
        record: what is kept of it.
        again: whether this is an evaluation of before, read back.
        methods: all that was measured on these slices until now, labels of others too: `methods_frame`.
    """

    files: EvaluationFolder
    comparison: PipelineComparison
    record: EvaluationRecord
    again: bool
    methods: pd.DataFrame | None = None


def key_of(files: EvaluationFolder) -> str:
    """Return the key of an evaluation's run in MLflow, which tells it from those that it replaced."""
    earlier = len(files.earlier())
    return f"{files.name}/{earlier + 1}" if earlier else files.name


def evaluate_once(runs: Path, two_stage: TwoStage, on_progress: ProgressCallback) -> Evaluation:
    """Evaluate a fitted pipeline and everything it is compared with on the test subset, or read back that it was.

    Args:
        runs: the runs directory.
        two_stage: the fitted pipeline.
        on_progress: told what labels the subset next, how many have, and how many there are.

    Raises:
        RunsError: the record of earlier looks cannot be read.
    """
    store, fits = RunStore(runs), two_stage.fits
    found = _evaluate(store, two_stage, on_progress)
    methods = find_methods(store, fits, found.files, shipped_name(two_stage))
    if methods is not None:
        write_methods(found.files, fits, methods)
    return replace(found, methods=methods)


def _evaluate(store: RunStore, two_stage: TwoStage, on_progress: ProgressCallback) -> Evaluation:
    runs, fits = store.root, two_stage.fits
    files = store.evaluation(fits.name)
    name = files.name
    if files.record.is_file():
        finish_access(runs, name)
        found = _read(files, two_stage)
        if found is not None:
            return found
        _set_aside(files)  # damaged, or something is compared or shipped that was not then: another look
    files.path.mkdir(parents=True, exist_ok=True)
    test_access = describe_accesses(name, begin_access(runs, name, fits.manifest))
    subset = EvaluatedSubset(two_stage, TEST)
    labelled = subset.label(on_progress)
    comparison = compare(fits, TEST, labelled, two_stage.failed, files)
    brief, values = write_results(files, subset, comparison, labelled, test_access)
    record = EvaluationRecord(
        **{**dict(comparison.record()), "values": values},
        fits=fits.name,
        stage1=two_stage.stage1.cell.name,
        shipped=two_stage.fit.shipped,
        test_access=test_access,
        brief=brief,
        compositions=two_stage.compositions,
    )
    write_record(files.record, record)
    finish_access(runs, name)
    return Evaluation(files, comparison, record, again=False)


def _set_aside(files: EvaluationFolder) -> None:
    """Move an evaluation to the earlier ones in its folder."""
    place = files.next_earlier()
    place.path.mkdir(parents=True)
    files.record.rename(place.record)  # first: without it the rest is not an evaluation
    for path in list(files.path.iterdir()):
        if path != place.path.parent:
            path.rename(place.path / path.name)


def is_of(record: EvaluationRecord, two_stage: TwoStage) -> bool:
    """Whether an evaluation was of all that is compared and shipped now.

    Args:
        record: what is kept of the evaluation.
        two_stage: the fitted pipelines.
    """
    if record.shipped != two_stage.fit.shipped or record.failed != dict(two_stage.failed):
        return False
    meanings = {name: describe_pipeline(pipeline) for name, pipeline in two_stage.fit.pipelines.items()}
    meanings |= {name: variant.meaning for name, variant in two_stage_variants(two_stage).items()}
    known = record.compositions or two_stage.compositions  # of an evaluation by an earlier version words must do
    return meanings.items() <= record.meanings.items() and two_stage.compositions.items() <= known.items()


def _read(files: EvaluationFolder, two_stage: TwoStage) -> Evaluation | None:
    """Read an evaluation back; None if it is damaged, or was not of all that is compared and shipped now."""
    try:
        record = read_record(EvaluationRecord, files.record)
        if not is_of(record, two_stage):
            return None
        comparison = read_comparison(two_stage.fits, files, record)
    except DamagedError as error:
        _log.warning(
            "%s is damaged: %s. It is set aside, and the test subset evaluated again, which is another look",
            error.path, error.reason,
        )  # fmt: skip
        return None
    return Evaluation(files, comparison, record, again=True)
