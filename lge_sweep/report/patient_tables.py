"""What was measured of every patient, pipeline beside pipeline: means, presence of scar, agreement with the truth."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import pandas as pd

from lge_sweep.quantify import agreement, intraclass_correlation
from lge_sweep.report.clinical_tables import QUANTITIES, format_interval, format_one_digit
from lge_sweep.scoring import (
    EXPECTED_AUC,
    MEASURES,
    expected_presence,
    in_hundred,
    interval,
    patient_differences,
    patient_presence,
    patient_summary,
    presence_frame,
    slice_presence,
)
from lge_sweep.text import escape_markdown, markdown_table

AGREED = ("scar_ml", "scar_percent", "wall_ml", "cavity_ml")
"""Quantities `<structure>_<unit>` that agree or not; their columns are true_<unit> and predicted_<unit>."""
SHOWN: tuple[str, ...] = (
    "scar_emidec_dice", "scar_dice", "scar_ratio_percent", "scar_volume_ml", "wall_dice", "wall_hd_mm", "wall_hd95_mm",
    "wall_volume_ml", "cavity_dice",
)  # fmt: skip
"""Measures of the table to read; the CSV file has all."""
HEADLINE_MEASURE = "scar_emidec_dice"
"""The measure whose difference to the reference that table has."""
CONVENTIONS = (
    "A patient is the unit: all slices that are used of an exam, at its own size, in 3-D. The wall is all of the "
    "myocardium, scar included, as EMIDEC counts it. Dice, EMIDEC's: 1 where neither truth nor prediction has scar, 0 "
    "where one has, mean over all patients; patients with scar: over those whose truth has some. Distances are from "
    "surface to surface, in mm; of a structure that only one of the two has they are the diagonal of the exam. "
    "Difference, % of true wall: |predicted - true scar| / true wall, EMIDEC's. Intervals: bootstrap over patients."
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


def patients_markdown(report: PatientReport, reference: str, patients: pd.DataFrame) -> str:
    """Write what was measured of patients as Markdown: means, presence of scar, agreement.

    Args:
        report: the tables.
        reference: the pipeline that the others are compared with.
        patients: what they were made of.
    """
    cases = patients["case"].nunique()
    unknown = count_without_spacing(patients)
    notes = [CONVENTIONS, *[NO_SPACING.format(unknown, cases)] * (unknown > 0)]
    few = in_hundred(cases, 0.95)
    notes += [f"{cases} patients{f': {few}' if few else ''}."]
    return "\n\n".join(
        [
            summary_markdown(report.summary, reference),
            " ".join(notes),
            "### Presence of scar",
            presence_markdown(report.presence),
            "### Agreement over patients",
            patient_agreement_markdown(report.agreement),
        ]
    )


def count_without_spacing(patients: pd.DataFrame) -> int:
    """Return how many patients have no known volume of a voxel."""
    return int(patients.loc[patients["true_ml"].isna(), "case"].nunique())


def summary_markdown(summary: pd.DataFrame, reference: str, shown: Sequence[str] = SHOWN) -> str:
    """Write means over patients: a row a pipeline, a column a measure; and the difference to the reference.

    Args:
        summary: see `PatientReport`.
        reference: the pipeline that the others are compared with.
        shown: names of measures.
    """
    headline = MEASURES[HEADLINE_MEASURE]
    compared = summary["pipeline"].nunique() > 1
    header = ["pipeline", *(MEASURES[name].title for name in shown)]
    header += [f"{headline.title}, minus {reference}", "patients that would tell"] * compared
    rows = []
    for pipeline, numbers in summary.groupby("pipeline", sort=False):
        lines = {str(line["measure"]): line for line in numbers.to_dict("records")}
        cells = [measure_cell(name, *(lines[name][end] for end in ("mean", "low", "high"))) for name in shown]
        if compared:
            own = lines[HEADLINE_MEASURE]
            ends = own["difference"], own["difference_low"], own["difference_high"]
            cells += [measure_cell(HEADLINE_MEASURE, *ends, sign="+"), needed_text(own["needed"])]
        rows.append([escape_markdown(str(pipeline)), *cells])
    return markdown_table(header, rows)


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


def differences_markdown(name: str, differences: pd.DataFrame, shown: Sequence[str] = SHOWN) -> str:
    """Write paired differences to other pipelines: a row a pipeline and measure.

    Args:
        name: what is compared with them.
        differences: columns against and those of `lge_sweep.scoring.patient_differences`.
        shown: names of measures.
    """
    header = ["minus", "measure", "patients", f"{escape_markdown(name)} minus it", "patients that would tell"]
    rows = []
    for line in differences[differences["measure"].isin(shown)].to_dict("records"):
        cell = measure_cell(str(line["measure"]), line["mean"], line["low"], line["high"], sign="+")
        title = MEASURES[str(line["measure"])].title
        rows.append(
            [escape_markdown(str(line["against"])), title, str(line["patients"]), cell, needed_text(line["needed"])]
        )
    return f"{markdown_table(header, rows, left=('measure',))}\n\n{NEEDED_NOTE}\n"


def needed_text(needed: float) -> str:
    """Write how many patients would tell two pipelines apart; a dash where no number would or it is not known."""
    return "-" if pd.isna(needed) else f"{int(needed)}"


def presence_markdown(presence: pd.DataFrame) -> str:
    """Write how well the presence of scar is told: a row a pipeline; see `PatientReport`."""
    measures = {"sensitivity": "sensitivity", "specificity": "specificity", "auc": "AUC"}
    expected = (presence["measure"] == EXPECTED_AUC).any()
    measures |= {EXPECTED_AUC: "AUC of probabilities"} if expected else {}
    shown = [(unit, name) for unit in ("patient", "slice") for name in measures]
    rows = []
    for pipeline, numbers in presence.groupby("pipeline", sort=False):
        lines = {(line["unit"], line["measure"]): line for line in numbers.to_dict("records")}
        cells = [presence_cell(lines[key]) if key in lines else "-" for key in shown]
        rows.append([escape_markdown(str(pipeline)), *cells])
    score = presence.loc[presence["measure"] == "auc", "score"].iloc[0]
    header = ["pipeline", *(f"{measures[name]}, {unit}s" for unit, name in shown)]
    of_probabilities = "AUC of probabilities: of the sum of scar's probability over pixels. " if expected else ""
    return (
        f"{markdown_table(header, rows)}\n\nFound where any is labelled, at the exam's own size. AUC: of the {score}. "
        f"{of_probabilities}"
        "Intervals: Wilson's of patients; of slices Wilson's with fewer slices, as slices of one patient resemble each "
        "other (Rao and Scott 1992); DeLong's of patients' AUC, bootstrap over patients of slices'.\n"
    )


def presence_cell(line: Mapping[Hashable, Any], joint: str = "<br>") -> str:
    """Write a row of `presence_frame`: value, count and interval, `joint` between; a dash where there is none."""
    value, low, high = line["value"], line["low"], line["high"]
    if pd.isna(value):
        return "-"
    count = "" if line["measure"] in ("auc", EXPECTED_AUC) else f" ({line['hits']} of {line['of']})"
    return f"{value:.3f}{count}" + ("" if pd.isna(low) else f"{joint}{interval(low, high)}")


def patient_agreement_markdown(agreements: pd.DataFrame) -> str:
    """Write agreement of scar's volume and share with the truth: a row a pipeline and quantity."""
    header = ["pipeline", "predicted minus true", "patients", "bias", "lower limit", "upper limit", "ICC(2,1)"]
    rows = []
    for line in agreements[agreements["quantity"].isin(["scar_ml", "scar_percent"])].to_dict("records"):
        title = QUANTITIES[str(line["quantity"])].title
        bias = None if pd.isna(line["bias"]) else line["bias"]
        icc = "-" if pd.isna(line["icc"]) else f"{line['icc']:.3f}<br>{interval(line['icc_low'], line['icc_high'])}"
        limits = [format_one_digit(line[name], sign=True) for name in ("lower", "upper")]
        cells = [f"{title}, {line['unit']}", str(line["cases"])]
        cells += [format_interval(bias, line["bias_low"], line["bias_high"]), *limits, icc]
        rows.append([escape_markdown(str(line["pipeline"])), *cells])
    return (
        f"{markdown_table(header, rows, left=('predicted minus true',))}\n\nBias with 95 % interval, and limits of "
        "agreement (Bland and Altman 1999). ICC(2,1), absolute agreement, with 95 % interval (McGraw and Wong 1996); "
        "that of the mass is that of the volume.\n"
    )
