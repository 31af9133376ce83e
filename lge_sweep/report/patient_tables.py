"""What was measured of every patient, pipeline beside pipeline: means, presence of scar, agreement with the truth."""

from collections.abc import Hashable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import pandas as pd

from lge_sweep.quantify import agreement, intraclass_correlation
from lge_sweep.report.clinical_tables import QUANTITIES
from lge_sweep.scoring import (
    EXPECTED_AUC,
    MEASURES,
    expected_presence,
    interval,
    patient_differences,
    patient_presence,
    patient_summary,
    presence_frame,
    slice_presence,
)

AGREED = ("scar_ml", "scar_percent", "wall_ml", "cavity_ml")
"""Quantities `<structure>_<unit>` that agree or not; their columns are true_<unit> and predicted_<unit>."""
SHOWN: tuple[str, ...] = (
    "mean_emidec_dice", "scar_emidec_dice", "scar_dice", "scar_ratio_percent", "scar_volume_ml", "wall_dice",
    "wall_hd_mm", "wall_hd95_mm", "wall_volume_ml", "cavity_dice",
)  # fmt: skip
"""Measures of the table to read; the CSV file has all."""
HEADLINE_MEASURE = "mean_emidec_dice"
"""The measure whose difference to the reference that table has."""
CONVENTIONS = (
    "A patient is the unit: all slices that are used of an exam, at its own size, in 3-D. The wall is all of the "
    "myocardium, scar included, as EMIDEC counts it. Dice, EMIDEC's: 1 where neither truth nor prediction has scar, 0 "
    "where one has, mean over all patients; patients with scar: over those whose truth has some. Distances are from "
    "surface to surface, in mm; of a structure that only one of the two has they are the diagonal of the exam. "
    "Difference, % of true wall: |predicted - true scar| / true wall, EMIDEC's."
)
NEEDED_NOTE = (
    "Each difference is over the patients on whom both have a value, with a bootstrap interval over them. Patients "
    "that would tell: so many a paired t-test needs to find such a difference with a chance of 80 %, two-sided at 5 %, "
    "if it is as large and as spread in all patients as in these; from few patients a rough figure."
)
NO_SPACING = "{} of {} patients have no known spacing: they have no mm and no mL, and are in none of those means."


class PatientReport(NamedTuple):
    """Patients of a subset, all pipelines."""

    summary: pd.DataFrame
    """A row a pipeline and measure: pipeline, measure, patients, mean, low, high, median, difference (to the
    reference), difference_low, difference_high, needed (patients that would tell the two apart)."""
    presence: pd.DataFrame
    """A row a pipeline, unit and measure: pipeline and the columns of `presence_frame`."""
    agreement: pd.DataFrame
    """A row a pipeline and quantity: pipeline, quantity, unit, the fields of `Agreement`, icc, icc_low, icc_high."""


def patient_report(patients: pd.DataFrame, slices: pd.DataFrame, reference: str) -> PatientReport:
    """Put the patients of all pipelines side by side.

    Args:
        patients: pipeline, case and the columns of `lge_sweep.metrics.measure_exam`.
        slices: pipeline and the columns of `lge_sweep.scoring.SLICE_COLUMNS`.
        reference: the pipeline that the others are compared with.

    Raises:
        ConfigError: the pipelines were not measured on the same patients.
    """
    own = {str(name): rows for name, rows in patients.groupby("pipeline", sort=False)}
    summaries, presences, agreements = [], [], []
    for name, rows in own.items():
        summary = patient_summary(rows)
        if name != reference:
            other = patient_differences(rows, own[reference])
            summary["difference"] = other["mean"]
            summary["difference_low"], summary["difference_high"] = other["low"], other["high"]
            summary["needed"] = other["needed"]
        summaries.append(_of(name, summary))
        seen = slices[slices["pipeline"] == name]
        presences.append(
            _of(name, presence_frame([patient_presence(seen), slice_presence(seen)], expected_presence(seen)))
        )
        agreements.append(_of(name, _agreement_frame(rows)))
    columns = ["difference", "difference_low", "difference_high", "needed"]
    together = pd.concat(summaries, ignore_index=True)
    together = together.reindex(columns=[*(name for name in together if name not in columns), *columns])
    return PatientReport(together, pd.concat(presences, ignore_index=True), pd.concat(agreements, ignore_index=True))


def _of(pipeline: str, frame: pd.DataFrame) -> pd.DataFrame:
    frame.insert(0, "pipeline", pipeline)
    return frame


def _agreement_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Agreement of one pipeline's volumes and shares with the truth, over patients."""
    found = []
    for name in AGREED:
        structure, _, unit = name.partition("_")
        of = rows[rows["structure"] == structure]
        predicted, true = of[f"predicted_{unit}"].tolist(), of[f"true_{unit}"].tolist()
        icc = intraclass_correlation(predicted, true)
        limits = asdict(agreement(predicted, true))
        icc_columns = {"icc": icc.value, "icc_low": icc.low, "icc_high": icc.high}
        found.append({"quantity": name, "unit": QUANTITIES[name].unit, **limits, **icc_columns})
    frame = pd.DataFrame(found)
    numbers = frame.columns.difference(["quantity", "unit", "cases", "missing"])
    return frame.astype(dict.fromkeys(numbers, float))


def count_without_spacing(patients: pd.DataFrame) -> int:
    """Return how many patients have no known volume of a voxel."""
    return int(patients.loc[patients["true_ml"].isna(), "case"].nunique())


def measure_cell(name: str, value: float, low: float, high: float, *, sign: str = "", joint: str = "<br>") -> str:
    """Write a value of a measure and its interval in the measure's own digits; a dash where there is none.

    Args:
        name: of the measure.
        value: the number; NaN: none.
        low: the interval's lower end; NaN: none.
        high: its upper end.
        sign: ``+`` for a difference.
        joint: between value and interval.

    >>> measure_cell("wall_hd_mm", 12.34, 9.0, 20.0), measure_cell("scar_dice", 0.5, float("nan"), float("nan"))
    ('12.3<br>9.0 to 20.0', '0.500')
    """
    digits = MEASURES[name].digits
    if pd.isna(value):
        return "-"
    if pd.isna(low) or pd.isna(high):
        return f"{value:{sign}.{digits}f}"
    return f"{value:{sign}.{digits}f}{joint}{low:{sign}.{digits}f} to {high:{sign}.{digits}f}"


def needed_text(needed: float) -> str:
    """Write how many patients would tell two pipelines apart; a dash where no number would or it is not known."""
    return "-" if pd.isna(needed) else f"{int(needed)}"


def presence_cell(line: Mapping[Hashable, Any], joint: str = "<br>") -> str:
    """Write a row of `presence_frame`: value, count and interval, `joint` between; a dash where there is none."""
    value, low, high = line["value"], line["low"], line["high"]
    if pd.isna(value):
        return "-"
    count = "" if line["measure"] in ("auc", EXPECTED_AUC) else f" ({line['hits']} of {line['of']})"
    return f"{value:.3f}{count}" + ("" if pd.isna(low) else f"{joint}{interval(low, high)}")
