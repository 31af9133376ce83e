"""Every pipeline measured patient by patient: whole exams in 3-D, on their own grid, in mm and mL."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage
from lge_sweep.csv_files import read_frame, write_frame
from lge_sweep.labels import Label
from lge_sweep.metrics import EXAM_NUMBERS, Known, measure_exam
from lge_sweep.pipeline.exams import StudyExam
from lge_sweep.pipeline.records import THRESHOLDS
from lge_sweep.report import PatientReport, patient_report, patients_markdown
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.scoring import EXPECTED_COLUMN, MEASURES, SLICE_COLUMNS
from lge_sweep.study import REMEDY, Record, write_record
from lge_sweep.text import slug

MAIN: tuple[str, ...] = (
    "mean_emidec_dice", "scar_emidec_dice", "scar_dice", "scar_ratio_percent", "wall_dice", "wall_hd_mm",
)  # fmt: skip
"""Measures of every pipeline that MLflow shows; of the paper's and what is shipped it shows all."""


class PatientTables(NamedTuple):
    """What was measured of the patients of a subset."""

    patients: pd.DataFrame
    """pipeline, case and the columns of `measure_exam`; a row a pipeline, case and structure."""
    slices: pd.DataFrame
    """pipeline and `SLICE_COLUMNS`; a row a pipeline and slice."""


class PatientsRecord(Record):
    """`patients_<subset>.json`: how the patients of a subset were measured; the tables are files of their own."""

    format: Literal[1] = 1
    subset: str
    reference: str
    """The pipeline that the others are compared with."""
    shipped: str
    """The pipeline that is shipped; "" where none of them is."""
    nsd_tolerance_mm: float


def measure_patients(
    exams: Sequence[StudyExam],
    truth: Sequence[LabelImage],
    pipelines: Mapping[str, Sequence[LabelImage]],
    tolerance_mm: float,
    expected: Mapping[str, Sequence[float]] | None = None,
) -> PatientTables:
    """Measure pipelines patient by patient.

    Args:
        exams: the exams.
        truth: of each slice, [H, W] values of `Label`, at its own size.
        pipelines: name -> the same that a pipeline finds.
        tolerance_mm: of nsd, mm.
        expected: name -> as `Labelled.expected`, of those pipelines of which it is known.
    """
    patients, slices = [], []
    known: list[Known] = [{} for _ in exams]
    for name, found in pipelines.items():
        for exam, before in zip(exams, known, strict=True):
            labels, true = exam.stack(found), exam.stack(truth)
            measured = measure_exam(labels, true, exam.grid, tolerance_mm, before)
            measured.insert(0, "case", exam.case)
            measured.insert(0, "pipeline", name)
            patients.append(measured)
            scar = {"true_pixels": true == Label.SCAR, "predicted_pixels": labels == Label.SCAR}
            counts = {column: where.sum(axis=(1, 2)) for column, where in scar.items()}
            if expected:
                own = expected.get(name)
                counts[EXPECTED_COLUMN] = np.array([np.nan if own is None else own[place] for place in exam.places])
            slices.append(
                pd.DataFrame(
                    {"pipeline": name, "case": exam.case, "slice": list(exam.slices), **counts}
                    | {"voxel_ml": exam.grid.voxel_ml}
                )
            )
    return PatientTables(pd.concat(patients, ignore_index=True), pd.concat(slices, ignore_index=True))


def write_patients(folder: MeasuredFolder, tables: PatientTables, record: PatientsRecord) -> tuple[PatientReport, str]:
    """Write the tables of patients; returns what they come to, as frames and as Markdown.

    Args:
        folder: where to write.
        tables: what was measured.
        record: how.
    """
    report = patient_report(tables.patients, tables.slices, record.reference)
    frames = {
        "patients": tables.patients,
        "scar_slices": tables.slices,
        "patient_summary": report.summary,
        "scar_presence": report.presence,
        "patient_agreement": report.agreement,
    }
    for name, frame in frames.items():
        write_frame(folder.patient_table(name, record.subset), frame)
    write_record(folder.patients_record(record.subset), record)
    return report, patients_markdown(report, tables.patients, where_measured(record.subset, tables))


def where_measured(subset: str, tables: PatientTables) -> str:
    """Say on what patients were measured: subset, slices, patients.

    Args:
        subset: "val", "test" or "out_of_fold".
        tables: what was measured.
    """
    title = {"val": "Validation subset", "test": "Test subset", "out_of_fold": "Training and validation subset"}[subset]
    return f"{title}, n = {tables.slices['slice'].nunique()} slices of {tables.patients['case'].nunique()} patients."


def read_patients(folder: MeasuredFolder, subset: str) -> PatientTables:
    """Read back what `write_patients` wrote.

    Raises:
        DamagedError: a table is gone or damaged.
    """
    patients = read_frame(
        folder.patient_table("patients", subset), ("pipeline", "case", "structure"), EXAM_NUMBERS, REMEDY
    )
    slices = read_frame(
        folder.patient_table("scar_slices", subset), ("pipeline", "case", "slice"), SLICE_COLUMNS[2:], REMEDY
    )
    return PatientTables(patients, slices)


def patient_values(report: PatientReport, prefix: str, own: str, whole: Sequence[str]) -> dict[str, float]:
    """Name numbers of patients as MLflow does: `<prefix>/<pipeline>/<measure>`.

    Args:
        report: what patients come to.
        prefix: of all names, such as "patient".
        own: the pipeline whose name is left out, and that has its intervals; "" for none.
        whole: pipelines with all of `MEASURES`; the others have `MAIN`, thresholds what of that is of scar.
    """
    values: dict[str, float] = {}
    for line in report.summary.to_dict("records"):
        name, measure = str(line["pipeline"]), str(line["measure"])
        key = f"{prefix}/{measure}" if name == own else f"{prefix}/{slug(name)}/{measure}"
        main = measure in MAIN and (name not in THRESHOLDS or measure.startswith("scar"))
        if measure in MEASURES if name in whole else main:
            ends = {"_low": line["low"], "_high": line["high"]} if name == own else {}
            values |= {f"{key}{end}": float(number) for end, number in {"": line["mean"], **ends}.items()}
    for line in report.presence.to_dict("records"):
        name = str(line["pipeline"])
        if name in whole:
            key = prefix if name == own else f"{prefix}/{slug(name)}"
            values[f"{key}/scar_{line['measure']}_{line['unit']}s"] = float(line["value"])
    return {key: value for key, value in values.items() if not np.isnan(value)}
