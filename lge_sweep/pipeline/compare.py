"""The pipeline beside its controls: final labels of one subset, measured alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from lge_sweep.arrays import LabelImage
from lge_sweep.config import SweepConfig
from lge_sweep.csv_files import write_frame
from lge_sweep.data import frame_spacing, load_arrays
from lge_sweep.errors import DamagedError
from lge_sweep.labels import SINGLE_STAGE, class_names, stage_target
from lge_sweep.metrics import Summary, aggregate, evaluate
from lge_sweep.pipeline.exams import group_exams, rows_measured
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.pipeline.kept_labels import write_predictions
from lge_sweep.pipeline.patients import (
    PatientsRecord,
    measure_patients,
    patient_values,
    write_patients,
)
from lge_sweep.pipeline.records import PIPELINE, ComparisonRecord, MeasuredSubset, PipelineScore
from lge_sweep.pipeline.variants import Labelled, shipped_name
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.scoring import Candidate, Standing, assess_uncertainty
from lge_sweep.study import REMEDY, Plan, read_per_image

_SCORE = ("score", "score_low", "score_high")
_DIFFERENCE = ("difference", "difference_low", "difference_high")


@dataclass(frozen=True)
class PipelineComparison:
    """How the pipeline does beside its controls on one subset.

    Attributes:
        subset: "val" or "test".
        tables: name -> metrics of each image and class, final labels of all four classes; `PIPELINE` first.
        summaries: name -> their aggregates.
        standings: name -> its score, and that score's difference to the pipeline's, with their intervals.
        failed: fit -> why it could not be had.
        meanings: name -> what it is.
    """

    subset: MeasuredSubset
    tables: Mapping[str, pd.DataFrame]
    summaries: Mapping[str, Summary]
    standings: Mapping[str, Standing]
    failed: Mapping[str, str]
    meanings: Mapping[str, str]

    def record(self) -> ComparisonRecord:
        """Return what is kept of it; the tables are files of their own."""
        return ComparisonRecord(
            subset=self.subset,
            summaries=dict(self.summaries),
            scores={name: PipelineScore(**vars(standing)) for name, standing in self.standings.items()},
            failed=dict(self.failed),
            meanings=dict(self.meanings),
        )


def compare(
    plan: Plan,
    subset: MeasuredSubset,
    labelled: Mapping[str, Labelled],
    failed: Mapping[str, str],
    folder: MeasuredFolder,
) -> PipelineComparison:
    """Measure the final labels of the pipeline and of its controls on one subset.

    Writes `<subset>/<name>.csv`, a row an image and class, and beside it the labels that it is of.

    Args:
        plan: the finished fits.
        subset: "val" or "test".
        labelled: name -> final labels of the subset; `PIPELINE` first.
        failed: fit -> why it could not be had.
        folder: where to write.
    """
    tables = {}
    for name, found in labelled.items():
        tables[name] = measure_subset(plan, subset, found.labels, SINGLE_STAGE)
        path = folder.subset_table(subset, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_frame(path, tables[name])
        write_predictions(folder.subset_labels(subset, name), found.labels)
    return _conclude(plan, subset, tables, {name: found.meaning for name, found in labelled.items()}, failed)


def comparison_frame(comparison: PipelineComparison) -> pd.DataFrame:
    """Tabulate a comparison.

    Args:
        comparison: how the pipelines do on one subset.

    Returns:
        A row a pipeline, the paper's first. Columns: pipeline; score, score_low, score_high (0 to 1, with its 95 %
        interval); difference, difference_low, difference_high (of the score, to the paper's pipeline: NaN for itself);
        cavity, myocardium, scar (Dice, mean over the images that have a value); scar_pooled (Dice of the pixels of all
        images together); scar_present (Dice, mean over the images that have scar). A missing number is NaN.
    """
    rows = []
    for name, summary in comparison.summaries.items():
        standing, dice = comparison.standings[name], summary.image_mean["dice"]
        difference = (standing.difference, standing.difference_low, standing.difference_high)
        rows.append(
            {
                "pipeline": name,
                **dict(zip(_SCORE, (standing.score, standing.low, standing.high), strict=True)),
                **dict(zip(_DIFFERENCE, (None,) * 3 if name == PIPELINE else difference, strict=True)),
                **{structure: dice[structure] for structure in class_names(SINGLE_STAGE)[1:]},
                "scar_pooled": summary.pooled["dice"]["scar"],
                "scar_present": summary.present_only["dice"]["scar"],
            }
        )
    frame = pd.DataFrame(rows)
    return frame.astype(dict.fromkeys(frame.columns.difference(["pipeline"]), float))


class PatientComparison(NamedTuple):
    """The pipeline beside its controls, patient by patient."""

    markdown: str
    """All tables, to read."""
    values: dict[str, float]
    """Name in MLflow -> number."""


def compare_patients(
    two_stage: TwoStage, subset: str, labelled: Mapping[str, Labelled], folder: MeasuredFolder
) -> PatientComparison:
    """Measure the final labels of the pipeline and of its controls patient by patient, at the exams' own size.

    Writes `patients_<subset>.csv`, a row a pipeline, case and structure, and what follows from it.

    Args:
        two_stage: the fitted pipeline.
        subset: "val", "test" or "out_of_fold".
        labelled: name -> final labels of the subset; `PIPELINE` first.
        folder: where to write.
    """
    fits = two_stage.fits
    shipped = shipped_name(two_stage)
    shipped = shipped if shipped in labelled else PIPELINE  # out of fold only pipelines past the paper stand beside it
    rows, tolerance = rows_measured(fits.manifest, subset), fits.config.metrics.nsd_tolerance_mm
    truth = [two_stage.labels[row] for row in rows]
    native = {name: found.at_own_size([labels.shape for labels in truth]) for name, found in labelled.items()}
    record = PatientsRecord(subset=subset, reference=PIPELINE, shipped=shipped, nsd_tolerance_mm=tolerance)
    folder.path.mkdir(parents=True, exist_ok=True)
    expected = {name: found.expected for name, found in labelled.items() if found.expected is not None}
    tables = measure_patients(group_exams(fits.manifest, rows), truth, native, tolerance, expected)
    report, markdown = write_patients(folder, tables, record)
    prefixes = {"test": "test_patient", "val": "patient"}
    prefix, own = prefixes.get(subset, f"{subset}_patient"), shipped if subset == "test" else ""
    return PatientComparison(markdown, patient_values(report, prefix, own, (PIPELINE, shipped)))


def measure_subset(plan: Plan, subset: str, labels: LabelImage, stage: int) -> pd.DataFrame:
    """Measure labels of a subset as the classes of a stage; returns the table of `lge_sweep.metrics.evaluate`.

    Args:
        plan: the finished fits.
        subset: "val" or "test".
        labels: [N, S, S], values of `Label`, in the order of the subset's rows.
        stage: 1, 2 or `SINGLE_STAGE`, all four classes.
    """
    rows = rows_measured(plan.manifest, subset)
    return measure_labels(labels, load_arrays(plan.arrays).labels[rows], stage, plan.manifest.iloc[rows], plan.config)


def measure_labels(
    labels: LabelImage, truth: LabelImage, stage: int, measured: pd.DataFrame, config: SweepConfig
) -> pd.DataFrame:
    """Measure labels of slices as the classes of a stage; returns the table of `lge_sweep.metrics.evaluate`.

    Args:
        labels: [N, S, S], values of `Label`.
        truth: the same.
        stage: 1, 2 or `SINGLE_STAGE`, all four classes.
        measured: the N slices, a row of the manifest each.
        config: how they are measured.
    """
    metrics = config.metrics
    return evaluate(
        stage_target(labels, stage), stage_target(truth, stage), class_names(stage), images=measured["slice"].tolist(),
        cases=measured["case"].tolist(), spacing=frame_spacing(measured, truth.shape[1]),
        bf_tolerance=metrics.bf_tolerance, nsd_tolerance=metrics.nsd_tolerance_mm, empty=metrics.empty,
    )  # fmt: skip


def read_comparison(plan: Plan, folder: MeasuredFolder, record: ComparisonRecord) -> PipelineComparison:
    """Read back a comparison from its tables.

    Args:
        plan: the finished fits.
        folder: where `compare` wrote.
        record: what `PipelineComparison.record` gave.

    Raises:
        DamagedError: a table is gone or damaged.
    """
    tables = {name: read_per_image(folder.subset_table(record.subset, name)) for name in record.meanings}
    if PIPELINE not in tables:
        raise DamagedError(folder.path, f"meanings: there is no {PIPELINE}", REMEDY)
    return _conclude(plan, record.subset, tables, record.meanings, record.failed)


def _conclude(
    plan: Plan,
    subset: MeasuredSubset,
    tables: Mapping[str, pd.DataFrame],
    meanings: Mapping[str, str],
    failed: Mapping[str, str],
) -> PipelineComparison:
    rule = plan.config.selection
    uncertainty = assess_uncertainty(
        [Candidate(name, [table]) for name, table in tables.items()], PIPELINE, rule.rule, rule.emphasis
    )
    summaries = {name: aggregate(table) for name, table in tables.items()}
    standings = {standing.name: standing for standing in uncertainty.standings}
    return PipelineComparison(subset, tables, summaries, standings, failed, meanings)
