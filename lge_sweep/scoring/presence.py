"""Whether scar was found where there is some, and nowhere else: per patient, and per slice."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd

from lge_sweep.scoring.auc import Auc, clustered_auc, delong_auc
from lge_sweep.scoring.proportions import Proportion, clustered_proportion, proportion

SLICE_COLUMNS: tuple[str, ...] = ("case", "slice", "true_pixels", "predicted_pixels", "voxel_ml")
"""Columns of a table of slices: scar on each, and what a pixel stands for, in mL (missing where it is not known)."""
EXPECTED_COLUMN = "expected_pixels"
"""One more: the sum of scar's probability over a slice, in the exam's own pixels; missing where it is not known."""
EXPECTED_AUC = "auc_expected"
"""The AUC of what the probabilities expect, among the measures of `presence_frame`."""


@dataclass(frozen=True)
class Presence:
    """How well the presence of scar is told.

    Attributes:
        unit: "patient" or "slice".
        sensitivity: share of those with scar on which some was found.
        specificity: share of those without scar on which none was found.
        auc: how well a score ranks those with scar before those without.
        score: what that score is.
    """

    unit: str
    sensitivity: Proportion
    specificity: Proportion
    auc: Auc
    score: str


def patient_presence(slices: pd.DataFrame, scores: Sequence[float] | None = None, score: str = "") -> Presence:
    """Tell the presence of scar patient by patient; intervals: Wilson's, and DeLong's of the AUC.

    A patient has scar where any of the slices has some.

    Args:
        slices: columns `SLICE_COLUMNS`.
        scores: a number a case, in the order in which cases first come, the higher the likelier is scar, such as a
            probability; None: the volume of scar found, or, where some spacing is not known, its pixels.
        score: what the scores are; "" where they are not given.
    """
    own, named = _amounts(slices)
    by_case = slices.assign(amount=own).groupby("case", sort=False)[["true_pixels", "predicted_pixels", "amount"]].sum()
    true, found = by_case["true_pixels"] > 0, by_case["predicted_pixels"] > 0
    ranks = by_case["amount"].tolist() if scores is None else list(scores)
    return Presence(
        "patient",
        proportion(int((true & found).sum()), int(true.sum())),
        proportion(int((~true & ~found).sum()), int((~true).sum())),
        delong_auc(ranks, true.tolist()),
        named if scores is None else score,
    )


def slice_presence(slices: pd.DataFrame) -> Presence:
    """Tell the presence of scar slice by slice, by how much was found; intervals know which slices are of one case.

    Args:
        slices: columns `SLICE_COLUMNS`.
    """
    amounts, named = _amounts(slices)
    true, found = slices["true_pixels"] > 0, slices["predicted_pixels"] > 0
    by_case = pd.DataFrame({"hit": true & found, "has": true, "clear": ~true & ~found, "has_not": ~true})
    counted = by_case.groupby(slices["case"], sort=False).sum()
    return Presence(
        "slice",
        clustered_proportion(counted["hit"].tolist(), counted["has"].tolist()),
        clustered_proportion(counted["clear"].tolist(), counted["has_not"].tolist()),
        clustered_auc(amounts.tolist(), true.tolist(), slices["case"].tolist()),
        named,
    )


def expected_presence(slices: pd.DataFrame) -> list[Presence]:
    """Tell the presence of scar per patient and per slice by how much the probabilities expect, as AUC alone.

    That is the sum of scar's probability over pixels: of a patient over all slices. None where it is not known.

    Args:
        slices: columns `SLICE_COLUMNS`, and perhaps expected_pixels.
    """
    if EXPECTED_COLUMN not in slices or slices[EXPECTED_COLUMN].isna().any():
        return []
    expected = slices.assign(predicted_pixels=slices[EXPECTED_COLUMN])
    return [
        replace(one, score="scar that the probabilities expect")
        for one in (patient_presence(expected), slice_presence(expected))
    ]


def presence_frame(found: Sequence[Presence], expected: Sequence[Presence] = ()) -> pd.DataFrame:
    """Tabulate presences: columns unit, measure, value, low, high, hits, of, score; a row a measure.

    `hits` and `of` of an AUC are those with and without scar.

    Args:
        found: by what was found.
        expected: by what the probabilities expect; of these the AUC alone, as `EXPECTED_AUC`.
    """
    rows: list[dict[str, object]] = []
    for one in found:
        for name in ("sensitivity", "specificity"):
            rows.append({"unit": one.unit, "measure": name, **asdict(getattr(one, name)), "score": ""})
        rows.append(_auc_row(one, "auc"))
    rows += [_auc_row(one, EXPECTED_AUC) for one in expected]
    frame = pd.DataFrame(rows, columns=["unit", "measure", "value", "low", "high", "hits", "of", "score"])
    return frame.astype(dict.fromkeys(["value", "low", "high"], float))


def _auc_row(found: Presence, measure: str) -> dict[str, object]:
    auc = asdict(found.auc)
    counts = {"hits": auc.pop("positives"), "of": auc.pop("negatives")}
    return {"unit": found.unit, "measure": measure, **auc, **counts, "score": found.score}


def _amounts(slices: pd.DataFrame) -> "tuple[pd.Series[float], str]":
    """How much scar was found on each slice, and in what."""
    pixels = slices["predicted_pixels"].astype(float)
    if slices["voxel_ml"].isna().any():
        return pixels, "pixels of scar found"
    return pixels * slices["voxel_ml"], "volume of scar found"
