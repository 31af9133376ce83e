"""Ship a fitted pipeline: write it as a folder, show it in MLflow, register it as `models:/lge-two-stage@champion`."""

import hashlib
from collections.abc import Collection
from contextlib import suppress

import pandas as pd

from lge_sweep.atomic import write_text
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.engine import best_network, open_sweep, plan_tags
from lge_sweep.errors import DamagedError
from lge_sweep.hashing import file_digest
from lge_sweep.pipeline.card import CARD, card_markdown, model_card
from lge_sweep.pipeline.compare import PipelineComparison, compare
from lge_sweep.pipeline.errors import write_errors
from lge_sweep.pipeline.evaluate import Evaluation
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.pipeline.records import MeasuredSubset, ShippedRecord
from lge_sweep.pipeline.register import register_segmenter
from lge_sweep.pipeline.variants import PIPELINE, EvaluatedSubset, shipped_name, shipped_variant, shipped_words
from lge_sweep.progress import ProgressCallback
from lge_sweep.segmenter import NAME, read_settings, write_segmenter
from lge_sweep.study import Plan, read_per_image, read_record, write_record
from lge_sweep.text import slug
from lge_sweep.tracking import Tracker, collapsed_tag, describe_version, finishing, promote

VAL: MeasuredSubset = "val"


def compare_on_validation(tracker: Tracker, two_stage: TwoStage, on_progress: ProgressCallback) -> PipelineComparison:
    """Measure the pipeline and everything it is compared with on the validation subset, and show it in the fits' run.

    Args:
        tracker: MLflow.
        two_stage: the fitted pipeline.
        on_progress: told what labels the subset next, how many have, and how many there are.
    """
    fits = two_stage.fits
    subset = EvaluatedSubset(two_stage, VAL)
    labelled = subset.label(on_progress)
    comparison = compare(fits, VAL, labelled, two_stage.failed, fits.files)
    write_errors(fits.files, subset, labelled[shipped_name(two_stage)].labels)
    write_record(fits.files.comparison, comparison.record())
    run = open_sweep(tracker, fits)
    with finishing(run):
        run.set(_values(comparison, {PIPELINE, shipped_name(two_stage)}))
        run.log_files([fits.files.subset_table(VAL, name) for name in comparison.tables], VAL)
        run.log_files([fits.files.comparison])
        run.finish()
    return comparison


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
    variant, fits, stage1, config = shipped_variant(two_stage), two_stage.fits, two_stage.stage1, two_stage.config
    cell = two_stage.fitted(variant.fit)
    assert cell is not None
    made_of = [variant.options.model_dump_json(), stage1.digest, file_digest(fits.cell_files(cell).best)]
    folder = fits.files.segmenter(hashlib.sha256("".join(made_of).encode()).hexdigest()[:12])
    if not folder.is_dir():
        facts = {
            "stage1": f"{stage1.plan.name}/{stage1.cell.name}",
            "stage2": f"{fits.name}/{cell.name}: {cell.model}-{cell.loss}-{cell.optimizer}",
            "data": config.data,
            "data_digest": fits.data_digest[:16],
            "profile": config.profile,
        }
        settings = SegmenterSettings(
            **dict(config.frame), options=variant.options, window=config.source.uses_display_window, facts=facts,
        )  # fmt: skip
        write_segmenter(folder, best_network(stage1.plan, stage1.cell), best_network(fits, cell), settings)
    collapsed = comparison.summaries[shipped_name(two_stage)].collapsed
    facts = {**read_settings(folder).facts, "collapsed": collapsed_tag(collapsed)}
    about = (
        f"The two-stage segmenter of {fits.name}: {stage1.cell.name}, then {cell.model}-{cell.loss}-{cell.optimizer}"
    )
    card = card_markdown(model_card(fits, about, {VAL: comparison.tables[shipped_name(two_stage)]}, collapsed))
    write_text(folder / CARD, card)
    with tracker.required():
        version = register_segmenter(tracker, folder, fits.name, fits.name, facts=facts, about=about)
        describe_version(tracker, NAME, version.key, card)
        new = anew or _shipped_before(fits) != version.key
        said = promote(tracker, NAME, version, f"{fits.name}/", new=new, remedy="the same command with --ship")
    record = ShippedRecord(key=version.key, shipped=two_stage.fit.shipped, pipeline=shipped_name(two_stage))
    write_record(fits.files.shipped, record)
    return f"Shipped: {shipped_words(two_stage)}. {said}"


def _shipped_before(fits: Plan) -> str | None:
    """Return the key of what was shipped last; None if nothing was, or the record of it is damaged."""
    with suppress(DamagedError):
        return read_record(ShippedRecord, fits.files.shipped).key
    return None


def show_evaluation(tracker: Tracker, two_stage: TwoStage, evaluation: Evaluation) -> None:
    """Show phase 4 in MLflow, as a run of its own; an evaluation that it replaced keeps its own.

    Args:
        tracker: MLflow.
        two_stage: the fitted pipeline.
        evaluation: what the test subset said.
    """
    fits, files, record = two_stage.fits, evaluation.files, evaluation.record
    tags = {**plan_tags(fits), "phase": "phase4", "lge.kind": "evaluation", "test_access": record.test_access}
    name = f"phase4 {fits.config.data} {fits.config.profile}"
    run = tracker.open_run(evaluation.key, name, tags, {"stage1": two_stage.stage1.cell.name, "fits": fits.name})
    with finishing(run):
        run.set(record.values)
        run.describe(f"Test subset: {record.test_access}.\n\n{record.brief}")
        run.log_files([files.tables, *sorted(files.path.glob("*.png")), *sorted(files.path.glob("*.csv"))])
        run.finish()
    _update_card(tracker, two_stage, evaluation.comparison)


def _update_card(tracker: Tracker, two_stage: TwoStage, comparison: PipelineComparison) -> None:
    """Put what the test subset said into the card of what was shipped; the registered files stay as they are."""
    fits, name = two_stage.fits, shipped_name(two_stage)
    about = f"The two-stage segmenter of {fits.name}: pipeline '{name}'"
    validated = fits.files.subset_table(VAL, name)
    measured: dict[str, pd.DataFrame] = {VAL: read_per_image(validated)} if validated.is_file() else {}
    measured[comparison.subset] = comparison.tables[name]
    text = card_markdown(model_card(fits, about, measured, comparison.summaries[name].collapsed))
    record = read_record(ShippedRecord, fits.files.shipped)
    describe_version(tracker, NAME, record.key, text)


def _values(comparison: PipelineComparison, whole: Collection[str]) -> dict[str, float]:
    """Name image means as MLflow keys: `final/<pipeline>/<metric>/<class>`; the Dice alone but for those in `whole`."""
    values = {
        f"final/{slug(name)}/{metric}/{label}": value
        for name, summary in comparison.summaries.items()
        for metric, by_class in summary.image_mean.items()
        if metric == "dice" or name in whole
        for label, value in by_class.items()
    }
    return {key: value for key, value in values.items() if value is not None}
