"""The pipelines past the paper on cases that their networks never saw: compared, chosen, doubted, shown."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from lge_sweep.atomic import write_text
from lge_sweep.config.pipelines import PAPER
from lge_sweep.csv_files import write_frame
from lge_sweep.pipeline.compare import PipelineComparison, compare, compare_patients
from lge_sweep.pipeline.compose import compositions, describe_pipeline, stage_of
from lge_sweep.pipeline.exams import OUT_OF_FOLD
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.pipeline.out_of_fold import OutOfFold, choose_pipeline, doubt_pipelines, label_out_of_fold
from lge_sweep.pipeline.probabilities import calibration_frame, calibration_markdown, measure_probabilities
from lge_sweep.pipeline.records import PIPELINE, ChoiceRecord
from lge_sweep.pipeline.results import PATIENTS_HEADING
from lge_sweep.pipeline.shipping import comparison_values, show_comparison
from lge_sweep.pipeline.standing import choice_frame, choice_words
from lge_sweep.pipeline.variants import Labelled, shipped_name
from lge_sweep.progress import ProgressCallback
from lge_sweep.report import print_tables
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.study import Plan, write_record
from lge_sweep.tracking import Tracker


@dataclass(frozen=True)
class OutOfFoldComparison:
    """How the pipelines past the paper do on cases that their networks never saw.

    Attributes:
        two_stage: the fitted pipelines, with the one that was chosen.
        choice: which one, and what each is worth.
        comparison: the paper's first.
        labelled: name -> labels of all training and validation slices, in the order of the manifest.
    """

    two_stage: TwoStage
    choice: ChoiceRecord
    comparison: PipelineComparison
    labelled: Mapping[str, Labelled]


def compare_out_of_fold(
    tracker: Tracker, two_stage: TwoStage, composed: Plan, on_progress: ProgressCallback
) -> OutOfFoldComparison:
    """Measure the pipelines past the paper on cases that their networks never saw, choose one, and show it in MLflow.

    Args:
        tracker: MLflow.
        two_stage: the fitted pipelines.
        composed: the sweep of their networks.
        on_progress: told what labels the cases next, how many have, and how many there are.
    """
    out_of_fold, files = label_out_of_fold(two_stage, on_progress), composed.files
    choice, doubted = doubt_pipelines(out_of_fold, choose_pipeline(out_of_fold))
    expected, calibration = _measure_probabilities(out_of_fold, files)
    labelled = {
        PIPELINE if name == PAPER else name: Labelled(
            describe_pipeline(pipeline),
            *out_of_fold.final(name, choice.pipelines[name].cleaning_by_fold),
            expected[name],
        )
        for name, pipeline in compositions(two_stage.fit).items()
    }
    chosen = two_stage.chosen(choice)
    comparison = compare(composed, OUT_OF_FOLD, labelled, {}, files)
    patients = compare_patients(chosen, OUT_OF_FOLD, labelled, files)
    write_frame(files.patient_table("doubt", OUT_OF_FOLD), doubted)
    frame = choice_frame(choice, files)
    write_frame(files.table("choice"), frame)
    where = f"{choice.cases} training and validation cases of {composed.config.data}."
    words = " ".join(choice_words(choice, shipped_name(chosen)))
    sections = [
        f"# {composed.name}, out of fold",
        words,
        print_tables({"choice": frame}, where),
        PATIENTS_HEADING,
        patients.markdown,
        "## Probabilities",
        calibration,
    ]
    write_text(files.tables, "\n\n".join(sections))
    values = comparison_values(comparison, set(labelled)) | patients.values | _values(choice)
    record = comparison.record().model_copy(update={"values": values})
    write_record(files.comparison, record)
    write_record(files.choice, choice)
    show_comparison(tracker, composed, record)
    return OutOfFoldComparison(chosen, choice, comparison, labelled)


def _measure_probabilities(out_of_fold: OutOfFold, files: MeasuredFolder) -> tuple[dict[str, list[float]], str]:
    """Measure the probabilities of each pipeline and write their calibration.

    Returns:
        Pipeline -> as `Labelled.expected`; and the calibration, to read.
    """
    expected, scores, tables = {}, [], []
    for name, pipeline in compositions(out_of_fold.two_stage.fit).items():
        found = measure_probabilities(out_of_fold.kept[name], stage_of(pipeline))
        shown = PIPELINE if name == PAPER else name
        expected[name] = found.expected
        scores.append(calibration_frame(shown, found.calibration))
        tables.append(found.calibration.table.assign(pipeline=shown))
    frame, table = pd.concat(scores, ignore_index=True), pd.concat(tables, ignore_index=True)
    write_frame(files.patient_table("calibration", OUT_OF_FOLD), frame)
    write_frame(files.patient_table("reliability", OUT_OF_FOLD), table[["pipeline", *table.columns.drop("pipeline")]])
    return expected, calibration_markdown(frame)


def _values(choice: ChoiceRecord) -> dict[str, float]:
    """Name what pipelines are worth, and what doubts their labels, as MLflow does: `out_of_fold/<pipeline>/...`."""
    values = {f"out_of_fold/{name}/value": found.value for name, found in choice.pipelines.items()}
    for name, found in choice.pipelines.items():
        for number, known in found.doubt.numbers.items() if found.doubt else ():
            told = {"auc": known.auc, "spearman": known.spearman, "threshold": known.threshold}
            values |= {f"out_of_fold/{name}/{number}/{key}": value for key, value in told.items() if value is not None}
    return values
