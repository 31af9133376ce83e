"""What was measured of every patient, as means over patients with intervals, and their differences between pipelines.

A patient is the unit. Intervals are percentiles of a bootstrap over patients, as elsewhere in this room.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from lge_sweep.errors import ConfigError
from lge_sweep.scoring.bootstrap import draw_cases, percentile_interval, resampled_means
from lge_sweep.scoring.paired import DECIMALS, as_text
from lge_sweep.scoring.proportions import LEVEL

POWER = 0.8
"""Chance to tell two pipelines apart that `patients_needed` asks for."""
MOST_PATIENTS = 1_000_000
"""More than so many patients are as good as no difference."""
RESAMPLES = 2000
EACH = "each"
"""In place of a structure: the mean of cavity, wall and scar."""


@dataclass(frozen=True)
class Measure:
    """A number of a structure of a patient, and over which patients it is averaged.

    Attributes:
        structure: cavity, wall or scar; `EACH`: the mean of the three.
        column: of the table of `lge_sweep.metrics.measure_exam`.
        title: what it is called in print.
        present: whether it is averaged over the patients whose truth has the structure; else over all.
        absolute: whether its sign is dropped.
        digits: after the point, in print.
        higher: whether higher is better.
    """

    structure: str
    column: str
    title: str
    present: bool = False
    absolute: bool = False
    digits: int = 1
    higher: bool = False


MEASURES: Mapping[str, Measure] = {
    "mean_emidec_dice": Measure(EACH, "emidec_dice", "mean Dice of cavity, wall, scar", digits=3, higher=True),
    "cavity_dice": Measure("cavity", "dice", "cavity Dice", digits=3, higher=True),
    "cavity_hd95_mm": Measure("cavity", "hd95_mm", "cavity HD95, mm"),
    "cavity_volume_ml": Measure("cavity", "error_ml", "cavity volume difference, mL", absolute=True),
    "wall_dice": Measure("wall", "dice", "wall Dice", digits=3, higher=True),
    "wall_hd_mm": Measure("wall", "hd_mm", "wall HD, mm"),
    "wall_hd95_mm": Measure("wall", "hd95_mm", "wall HD95, mm"),
    "wall_assd_mm": Measure("wall", "assd_mm", "wall ASSD, mm", digits=2),
    "wall_nsd": Measure("wall", "nsd", "wall NSD", digits=3, higher=True),
    "wall_volume_ml": Measure("wall", "error_ml", "wall volume difference, mL", absolute=True),
    "scar_emidec_dice": Measure("scar", "emidec_dice", "scar Dice, EMIDEC's", digits=3, higher=True),
    "scar_dice": Measure("scar", "dice", "scar Dice, patients with scar", present=True, digits=3, higher=True),
    "scar_hd95_mm": Measure("scar", "hd95_mm", "scar HD95, mm, patients with scar", present=True),
    "scar_assd_mm": Measure("scar", "assd_mm", "scar ASSD, mm, patients with scar", present=True),
    "scar_nsd": Measure("scar", "nsd", "scar NSD, patients with scar", present=True, digits=3, higher=True),
    "scar_volume_ml": Measure("scar", "error_ml", "scar volume difference, mL", absolute=True),
    "scar_ratio_percent": Measure("scar", "ratio_percent", "scar difference, % of true wall (EMIDEC)"),
    "scar_share_percent": Measure("scar", "share_error_percent", "scar share difference, % points", absolute=True),
}
"""Name in tables and in MLflow -> measure. By the first one pipelines past the paper are chosen. EMIDEC's own are the
Dice of wall and scar (1 where neither has it), the Hausdorff distance of the wall, the volume differences of both, and
the scar's difference by the true wall."""


def patient_values(table: pd.DataFrame) -> pd.DataFrame:
    """Take the values of `MEASURES` from a table of patients.

    Args:
        table: columns case and those of `lge_sweep.metrics.measure_exam`; a row a case and structure.

    Returns:
        Index case, in the order of their names; a column a measure; NaN where there is no value, or the patient is not
        one of those that the measure is averaged over.
    """
    by_structure = {
        str(name): rows.set_index(rows["case"].map(as_text)).sort_index() for name, rows in table.groupby("structure")
    }
    columns = {}
    for name, measure in MEASURES.items():
        if measure.structure == EACH:
            each = [rows[measure.column].astype(float) for rows in by_structure.values()]
            columns[name] = pd.concat(each, axis=1).mean(axis=1, skipna=False)
            continue
        rows = by_structure[measure.structure]
        values = rows[measure.column].astype(float)
        values = values.abs() if measure.absolute else values
        columns[name] = values.where(rows["true_voxels"] > 0) if measure.present else values
    return pd.DataFrame(columns)


def patient_summary(table: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Average every measure over patients, with its bootstrap interval.

    Args:
        table: as for `patient_values`.
        resamples: how many, >= 1; from a single patient none is made.
        seed: of the random numbers.

    Returns:
        A row a measure; columns measure, patients (that have a value), mean, low, high, median; NaN where there is
        none.
    """
    values = patient_values(table)
    frame = _means(values, resamples, seed)
    frame["median"] = values.median().to_numpy(float)
    return frame


def patient_differences(
    table: pd.DataFrame, other: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """Average the differences of two pipelines, patient by patient, with an interval and what it would take.

    Args:
        table: of one pipeline, as for `patient_values`.
        other: of another, of the same patients.
        resamples: how many, >= 1.
        seed: of the random numbers; the same patients are drawn for both.

    Returns:
        A row a measure; columns measure, patients (on whom both have a value), mean (the first minus the other), low,
        high, sd (of the differences), needed (patients that would tell the two apart, see `patients_needed`); NaN where
        there is none.

    Raises:
        ConfigError: the two are not of the same patients.
    """
    first, second = patient_values(table), patient_values(other)
    if odd := sorted(first.index.symmetric_difference(second.index)):
        raise ConfigError(f"the two were not measured on the same patients: {', '.join(odd[:5])} in one of them only")
    differences = (first - second).round(DECIMALS)
    frame = _means(differences, resamples, seed)
    frame["sd"] = differences.std(ddof=1).to_numpy(float)
    frame["needed"] = [
        np.nan if (needed := patients_needed(mean, sd)) is None else needed
        for mean, sd in zip(frame["mean"], frame["sd"], strict=True)
    ]
    return frame


def patients_needed(mean: float, sd: float) -> int | None:
    """Return how many patients a paired t-test needs to find a difference with the chance `POWER`, two-sided at 5 %.

    That is, if the mean difference and its spread in all patients were those found in these; from few patients a rough
    figure.

    Args:
        mean: of the differences.
        sd: their standard deviation.

    Returns:
        At least 2; None where there is no difference, it is not known, or more than `MOST_PATIENTS` would be needed.

    Source: Cohen, Statistical power analysis, 1988; the non-central t distribution, as statsmodels' TTestPower.

    >>> patients_needed(0.5, 1.0), patients_needed(0.02, 0.1), patients_needed(0.0, 1.0)
    (34, 199, None)
    """
    if np.isnan(mean) or np.isnan(sd) or mean == 0:
        return None
    if sd == 0:
        return 2
    effect, low, high = abs(mean) / sd, 1, 2
    while _power(effect, high) < POWER:
        low, high = high, 2 * high
        if low > MOST_PATIENTS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(effect, middle) >= POWER else (middle, high)
    return high


def _power(effect: float, patients: int) -> float:
    """Chance that a two-sided paired t-test at 5 % finds an effect (mean / sd)."""
    freedom, shift = patients - 1, effect * np.sqrt(patients)
    limit = stats.t.ppf((1 + LEVEL) / 2, freedom)
    found = float(stats.nct.sf(limit, freedom, shift) + stats.nct.cdf(-limit, freedom, shift))
    return 1.0 if np.isnan(found) else found  # so far out that scipy gives up


def _means(values: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Mean over patients of each column and its interval; columns measure, patients, mean, low, high."""
    numbers, there = values.to_numpy(float), values.notna().to_numpy(float)
    sums = np.nan_to_num(numbers)
    count = len(values)
    draws = draw_cases(count, resamples if count > 1 else 0, np.random.default_rng(seed))
    points = resampled_means(np.ones((1, count)), sums, there)[0]
    drawn = resampled_means(draws, sums, there)
    rows = []
    for place, name in enumerate(values.columns):
        usable = drawn[:, place][~np.isnan(drawn[:, place])]
        low, high = (None, None) if there[:, place].sum() < 2 else percentile_interval(usable, LEVEL)
        rows.append((name, int(there[:, place].sum()), points[place], low, high))
    frame = pd.DataFrame(rows, columns=["measure", "patients", "mean", "low", "high"])
    return frame.astype(dict.fromkeys(["mean", "low", "high"], float))
