"""Ship a fitted pipeline: write it as a folder, show it in MLflow, register it as `models:/lge-two-stage@champion`."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from lge_sweep.atomic import write_text
from lge_sweep.config import Cell
from lge_sweep.config.segmenter import SIMULATED, Composed, Options, SegmenterSettings
from lge_sweep.engine import best_network, open_sweep, plan_tags
from lge_sweep.errors import DamagedError
from lge_sweep.hashing import file_digest
from lge_sweep.models import Segmenter
from lge_sweep.pipeline.card import CARD, card_markdown, model_card
from lge_sweep.pipeline.champions import Champion
from lge_sweep.pipeline.compare import PipelineComparison, compare, compare_patients
from lge_sweep.pipeline.compose import describe_pipeline
from lge_sweep.pipeline.errors import write_errors
from lge_sweep.pipeline.evaluate import key_of
from lge_sweep.pipeline.exams import out_of_fold_rows
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.pipeline.out_of_fold import (
    pipeline_cells,
)
from lge_sweep.pipeline.records import (
    PIPELINE,
    ComparisonRecord,
    EvaluationRecord,
    MeasuredSubset,
    ShippedRecord,
)
from lge_sweep.pipeline.register import register_segmenter
from lge_sweep.pipeline.results import PATIENTS_HEADING
from lge_sweep.pipeline.variants import (
    EvaluatedSubset,
    Labelled,
    shipped_name,
    shipped_variant,
    shipped_words,
)
from lge_sweep.progress import ProgressCallback
from lge_sweep.run_store import EvaluationFolder
from lge_sweep.segmenter import NAME, read_settings, write_segmenter
from lge_sweep.study import Plan, read_per_image, read_record, write_record
from lge_sweep.text import slug
from lge_sweep.tracking import Tracker, cases_words, collapsed_tag, describe_version, finishing, promote

VAL: MeasuredSubset = "val"


def compare_on_validation(
    tracker: Tracker, two_stage: TwoStage, on_progress: ProgressCallback, pipelines: Mapping[str, Labelled]
) -> PipelineComparison:
    """Measure the pipeline and everything it is compared with on the validation subset, and show it in the fits' run.

    Args:
        tracker: MLflow.
        two_stage: the fitted pipeline.
        on_progress: told what labels the subset next, how many have, and how many there are.
        pipelines: labels of the pipelines past the paper, as `OutOfFoldComparison.labelled`.
    """
    fits, rows = two_stage.fits, out_of_fold_rows(two_stage.fits.manifest)
    places = [rows.index(row) for row in fits.rows(VAL)]
    there = {name: found.of(places) for name, found in pipelines.items() if name != PIPELINE}
    subset = EvaluatedSubset(two_stage, VAL, there)
    labelled = subset.label(on_progress)
    comparison = compare(fits, VAL, labelled, two_stage.failed, fits.files)
    write_errors(fits.files, subset, labelled[shipped_name(two_stage)])
    patients = compare_patients(two_stage, VAL, labelled, fits.files)
    write_text(fits.files.tables, f"# {fits.name}, validation subset\n\n{PATIENTS_HEADING}\n\n{patients.markdown}")
    values = comparison_values(comparison, {PIPELINE, shipped_name(two_stage)}) | patients.values
    record = comparison.record().model_copy(update={"values": values})
    write_record(fits.files.comparison, record)
    show_comparison(tracker, fits, record)
    return comparison


def show_comparison(tracker: Tracker, fits: Plan, record: ComparisonRecord) -> None:
    """Show a comparison in the run of the networks that are compared.

    Args:
        tracker: MLflow.
        fits: their sweep.
        record: what is kept of the comparison.
    """
    subset, files = record.subset, fits.files
    run = open_sweep(tracker, fits)
    with finishing(run):
        run.set(record.values)
        run.describe(cases_words(fits.name))
        run.log_files([files.subset_table(subset, name) for name in record.meanings], subset)
        about = [path for path in (files.comparison, files.choice, files.tables) if path.is_file()]
        run.log_files([*about, *sorted(fits.folder.glob(f"*_{subset}.csv"))])
        run.finish()


def ship(tracker: Tracker, two_stage: TwoStage, comparison: PipelineComparison, anew: bool) -> str:
    """Write the pipeline that the settings ask for, and register it as the champion.

    Args:
        tracker: MLflow.
        two_stage: the fitted pipeline.
        comparison: how it does on the validation subset.
        anew: make it the champion although it has been shipped before, and another has taken its place since.

    Returns:
        What is shipped, what was registered and what the champion is.

    Raises:
        ModelError: its folder cannot be written.
        RunsError: it cannot be registered.
    """
    fits = two_stage.fits
    package = _pipeline_package(two_stage) if two_stage.fit.shipped.pipeline else _stage2_package(two_stage)
    folder = fits.files.segmenter(package.digest())
    if not folder.is_dir():
        write_segmenter(folder, package.networks(), package.settings)
    collapsed = comparison.summaries[shipped_name(two_stage)].collapsed
    facts = {**read_settings(folder).facts, "collapsed": collapsed_tag(collapsed)}
    about = f"The two-stage segmenter of {fits.name}: {two_stage.stage1.cell.name}, then {package.words}"
    card = _card(two_stage, about, {VAL: comparison.tables[shipped_name(two_stage)]}, collapsed)
    write_text(folder / CARD, card)
    with tracker.required():
        version = register_segmenter(tracker, folder, fits.name, fits.name, facts=facts, about=about)
        describe_version(tracker, NAME, version.key, card)
        new = anew or _shipped_before(fits) != version.key
        said = promote(tracker, NAME, version, f"{fits.name}/", new=new, remedy="the same command with --ship")
    record = ShippedRecord(
        key=version.key, shipped=two_stage.fit.shipped, pipeline=shipped_name(two_stage),
        composition=two_stage.composition,
    )  # fmt: skip
    write_record(fits.files.shipped, record)
    return f"Shipped: {shipped_words(two_stage)}. {said}"


@dataclass(frozen=True)
class _Package:
    """What is shipped.

    Attributes:
        settings: of the segmenter.
        plan: the sweep of the networks that follow stage 1.
        cells: theirs.
        stage1: the champion of stage 1.
        words: what follows stage 1.
    """

    settings: SegmenterSettings
    plan: Plan
    cells: Sequence[Cell]
    stage1: Champion
    words: str

    def digest(self) -> str:
        """Return what its folder is called: made of what it does, and of its networks."""
        done = self.settings.options.model_dump_json()
        if self.settings.composed is not None:
            done += self.settings.composed.model_dump_json()
        weights = [file_digest(self.plan.cell_files(cell).best) for cell in self.cells]
        return hashlib.sha256("".join([done, self.stage1.digest, *weights]).encode()).hexdigest()[:12]

    def networks(self) -> list[Segmenter]:
        """Load all networks, stage 1 first."""
        others = [best_network(self.plan, cell) for cell in self.cells]
        return [best_network(self.stage1.plan, self.stage1.cell), *others]


def _stage2_package(two_stage: TwoStage) -> _Package:
    """Return what is shipped where it is a fit of stage 2."""
    variant, fits = shipped_variant(two_stage), two_stage.fits
    cell = two_stage.fitted(variant.fit)
    assert cell is not None
    words = f"{cell.model}-{cell.loss}-{cell.optimizer}"
    settings = _settings(two_stage, f"{fits.name}/{cell.name}: {words}", options=variant.options)
    return _Package(settings, fits, [cell], two_stage.stage1, words)


def _pipeline_package(two_stage: TwoStage) -> _Package:
    """Return what is shipped where it is a pipeline past the paper: all its networks, averaged."""
    plan, choice, name = two_stage.composed, two_stage.choice, two_stage.fit.shipped.pipeline
    assert plan is not None
    assert choice is not None
    assert name is not None
    pipeline = two_stage.fit.pipelines[name]
    members = [member for fold in pipeline_cells(two_stage, name, pipeline) for member in fold]
    cells = [cell for member in members for cell in member]
    composed = Composed(
        networks=len(members), seeds=pipeline.seeds, finds=pipeline.finds, window=pipeline.window,
        neighbours=pipeline.neighbours, symmetries=pipeline.symmetries,
        cleaning=choice.pipelines[name].cleaning, doubt=choice.pipelines[name].doubt,
    )  # fmt: skip
    words = f"{len(cells)} networks of the pipeline {name}: {describe_pipeline(pipeline)}"
    options = Options(guided=pipeline.guided)
    settings = _settings(two_stage, f"{plan.name}: {words}", options=options, composed=composed)
    return _Package(settings, plan, cells, two_stage.stage1, words)


def _settings(
    two_stage: TwoStage, stage2: str, options: Options, composed: Composed | None = None
) -> SegmenterSettings:
    """Return the settings of what is shipped.

    Args:
        two_stage: the fitted pipelines.
        stage2: what follows stage 1, in words.
        options: what is done beyond the paper.
        composed: what is done instead by a pipeline past the paper.
    """
    stage1, config = two_stage.stage1, two_stage.config
    facts = {
        "stage1": f"{stage1.plan.name}/{stage1.cell.name}",
        "stage2": stage2,
        "data": config.data,
        "data_digest": two_stage.fits.data_digest[:16],
        "profile": config.profile,
    }
    if config.simulated:
        facts[SIMULATED] = "yes"
    return SegmenterSettings(
        **dict(config.frame), options=options, composed=composed, window=config.source.uses_display_window, facts=facts,
    )  # fmt: skip


def _shipped_before(fits: Plan) -> str | None:
    """Return the key of what was shipped last; None if nothing was, or the record of it is damaged."""
    with suppress(DamagedError):
        return read_record(ShippedRecord, fits.files.shipped).key
    return None


def show_evaluation(tracker: Tracker, fits: Plan, files: EvaluationFolder, record: EvaluationRecord) -> None:
    """Show phase 4 in MLflow, as a run of its own; an evaluation that it replaced keeps its own.

    Args:
        tracker: MLflow.
        fits: the sweep of the fits.
        files: tables, figures and everything they were made of.
        record: what the test subset said.
    """
    tags = {**plan_tags(fits), "phase": "phase4", "lge.kind": "evaluation", "test_access": record.test_access}
    name = f"phase4 {fits.config.data} {fits.config.profile}"
    params = {"fits": fits.name, **({"stage1": record.stage1} if record.stage1 else {})}
    run = tracker.open_run(key_of(files), name, tags, params)
    with finishing(run):
        run.set(record.values)
        run.describe(f"Test subset: {record.test_access}.\n\n{record.brief}\n\n{cases_words(files.name)}")
        pages = [page for page in (files.tables, files.methods) if page.is_file()]
        run.log_files([*pages, *sorted(files.path.glob("*.png")), *sorted(files.path.glob("*.csv"))])
        run.finish()


def update_card(tracker: Tracker, two_stage: TwoStage, comparison: PipelineComparison) -> None:
    """Put what the test subset said into the card of what was shipped; the registered files stay as they are.

    Args:
        tracker: MLflow.
        two_stage: the fitted pipeline.
        comparison: on the test subset.
    """
    fits, name = two_stage.fits, shipped_name(two_stage)
    about = f"The two-stage segmenter of {fits.name}: pipeline '{name}'"
    validated = fits.files.subset_table(VAL, name)
    measured: dict[str, pd.DataFrame] = {VAL: read_per_image(validated)} if validated.is_file() else {}
    measured[comparison.subset] = comparison.tables[name]
    text = _card(two_stage, about, measured, comparison.summaries[name].collapsed)
    record = read_record(ShippedRecord, fits.files.shipped)
    describe_version(tracker, NAME, record.key, text)


def _card(two_stage: TwoStage, about: str, measured: Mapping[str, pd.DataFrame], collapsed: Sequence[str]) -> str:
    """Write the card of what is shipped; arguments as of `model_card`."""
    past_paper = two_stage.fit.shipped.pipeline is not None
    return card_markdown(model_card(two_stage.fits, about, measured, collapsed, out_of_fold=past_paper))


def comparison_values(comparison: PipelineComparison, whole: Collection[str]) -> dict[str, float]:
    """Name image means as MLflow keys: `final/<pipeline>/<metric>/<class>`; the Dice alone but for those in `whole`."""
    values = {
        f"final/{slug(name)}/{metric}/{label}": value
        for name, summary in comparison.summaries.items()
        for metric, by_class in summary.image_mean.items()
        if metric == "dice" or name in whole
        for label, value in by_class.items()
    }
    return {key: value for key, value in values.items() if value is not None}
