"""Phase 4: the one evaluation on the test subset. The only module that reads it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lge_sweep.errors import DamagedError
from lge_sweep.pipeline.access import begin_access, describe_accesses, finish_access
from lge_sweep.pipeline.compare import PipelineComparison, compare, read_comparison
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.pipeline.records import EvaluationRecord, MeasuredSubset
from lge_sweep.pipeline.results import write_results
from lge_sweep.pipeline.variants import EvaluatedSubset, Say, two_stage_variants
from lge_sweep.study.records import read_record, write_record

EVALUATION = "evaluation.json"
"""Written last: an evaluation whose folder has it is finished."""
EARLIER = "earlier"
"""Folder of the evaluations that this one replaced, by their numbers."""
TEST: MeasuredSubset = "test"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """What the test subset says.

    Attributes:
        folder: tables, figures and everything they were made of.
        comparison: the pipeline beside its controls.
        test_access: a sentence on how untouched the test subset was.
        brief: Tables VI and VII, means over images, as Markdown; the other forms and tables are in the folder.
        values: name -> number, for MLflow.
        again: whether this is an evaluation of before, read back.
    """

    folder: Path
    comparison: PipelineComparison
    test_access: str
    brief: str
    values: Mapping[str, float]
    again: bool

    @property
    def key(self) -> str:
        """What tells this evaluation from those that it replaced, which stay where they are shown."""
        earlier = len(_earlier(self.folder))
        return f"{self.folder.name}/{earlier + 1}" if earlier else self.folder.name


def evaluate_once(runs: Path, two_stage: TwoStage, say: Say) -> Evaluation:
    """Evaluate a fitted pipeline and everything it is compared with on the test subset, or read back that it was.

    Args:
        runs: the runs directory.
        two_stage: the fitted pipeline.
        say: told what labels the subset next, how many have, and how many there are.

    Raises:
        RunsError: the record of earlier looks cannot be read.
    """
    fits = two_stage.fits
    folder = runs / fits.name.replace(f"{fits.config.phase}-stage{fits.config.stage}", "phase4")
    if (folder / EVALUATION).is_file():
        finish_access(runs, folder.name)
        found = _read(folder, two_stage)
        if found is not None:
            return found
        _set_aside(folder)  # damaged, or something is compared or shipped that was not then: another look
    folder.mkdir(parents=True, exist_ok=True)
    test_access = describe_accesses(folder.name, begin_access(runs, folder.name, fits.manifest))
    subset = EvaluatedSubset(two_stage, TEST)
    labelled = subset.label(say)
    comparison = compare(fits, TEST, labelled, two_stage.failed, folder)
    brief, values = write_results(folder, subset, comparison, labelled, test_access)
    record = EvaluationRecord(
        **dict(comparison.record()),
        fits=fits.name,
        shipped=two_stage.fit.shipped,
        test_access=test_access,
        brief=brief,
        values=values,
    )
    write_record(folder / EVALUATION, record)
    finish_access(runs, folder.name)
    return Evaluation(folder, comparison, test_access, brief, values, again=False)


def _set_aside(folder: Path) -> None:
    """Move an evaluation to `EARLIER/<n>` in its folder."""
    earlier = folder / EARLIER
    place = earlier / str(1 + len(_earlier(folder)))
    place.mkdir(parents=True)
    (folder / EVALUATION).rename(place / EVALUATION)  # first: without it the rest is not an evaluation
    for path in list(folder.iterdir()):
        if path != earlier:
            path.rename(place / path.name)


def _earlier(folder: Path) -> list[Path]:
    return list((folder / EARLIER).glob("*"))


def _read(folder: Path, two_stage: TwoStage) -> Evaluation | None:
    """Read an evaluation back; None if it is damaged, or was not of all that is compared and shipped now."""
    try:
        record = read_record(EvaluationRecord, folder / EVALUATION)
        if record.shipped != two_stage.fit.shipped or record.failed != dict(two_stage.failed):
            return None
        if not set(two_stage_variants(two_stage)) <= set(record.meanings):
            return None
        comparison = read_comparison(two_stage.fits, folder, record)
    except DamagedError as error:
        _log.warning("%s. It is set aside, and the test subset evaluated again, which is another look", error)
        return None
    return Evaluation(folder, comparison, record.test_access, record.brief, record.values, again=True)
