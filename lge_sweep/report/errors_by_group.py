"""Where a pipeline fails: its Dice, false alarms and misses by size of scar, level and contrast.

All is made of one table, a row a slice (`SLICE_COLUMNS`), which phases 3 and 4 write.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lge_sweep.labels import Label
from lge_sweep.quantify import LEVELS
from lge_sweep.scoring import ratio_of_sums

CAVITY, WALL, SCAR = Label.CAVITY.title, "wall", Label.SCAR.title
"""What is measured on each slice; the wall is myocardium and scar together."""
STRUCTURES = (CAVITY, WALL, SCAR)
SLICE_COLUMNS = (
    "slice", "case", "level", "contrast", "scar_percent_true", "scar_percent_found",
    *(f"{structure}_{count}" for structure in STRUCTURES for count in ("tp", "fp", "fn")),
    *(f"{structure}_dice" for structure in STRUCTURES),
)  # fmt: skip
"""Name and case; base, mid or apex; contrast-to-noise ratio; scar as a share of the slice's wall, in per cent, true and
found; pixels of each structure that are right, too many and missing; its Dice, NaN where it is in neither."""

ALL = "all"
SCAR_SIZES = {"no scar": 0.0, "scar up to 5 % of the wall": 5.0, "above 5 up to 15 %": 15.0, "above 15 %": np.inf}
"""Group of cases by the share of the wall that is truly scar -> its upper bound, in per cent, included."""
_THIRDS = ("lowest third", "middle third", "highest third")


@dataclass(frozen=True)
class Division:
    """A way to deal slices to groups.

    Attributes:
        title: by what, in print.
        deal: a table of slices -> each slice's group; NaN for one that is in none.
    """

    title: str
    deal: Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Measure:
    """A number about some slices: a ratio of two sums over them.

    Attributes:
        title: what it is, in print.
        above: a table of slices -> what each adds to the upper sum.
        below: the same of the lower sum.
    """

    title: str
    above: Callable[[pd.DataFrame], pd.Series]
    below: Callable[[pd.DataFrame], pd.Series]


def with_scar(slices: pd.DataFrame) -> pd.Series:
    """Whether each slice truly has scar."""
    return slices[f"{SCAR}_tp"] + slices[f"{SCAR}_fn"] > 0


def scar_called(slices: pd.DataFrame) -> pd.Series:
    """Whether scar is found on each slice, be it one pixel."""
    return slices[f"{SCAR}_tp"] + slices[f"{SCAR}_fp"] > 0


def true_share(slices: pd.DataFrame) -> float:
    """Return how much of the true wall of some slices is scar, in per cent; NaN without wall."""
    wall = float((slices[f"{WALL}_tp"] + slices[f"{WALL}_fn"]).sum())
    return 100 * float((slices[f"{SCAR}_tp"] + slices[f"{SCAR}_fn"]).sum()) / wall if wall else float("nan")


def _scar_size(slices: pd.DataFrame) -> pd.Series:
    shares = {case: true_share(rows) for case, rows in slices.groupby("case")}
    names, bounds = list(SCAR_SIZES), list(SCAR_SIZES.values())
    groups = {case: names[int(np.searchsorted(bounds, share))] for case, share in shares.items() if not np.isnan(share)}
    return slices["case"].map(groups)


def _contrast(slices: pd.DataFrame) -> pd.Series:
    """Deal the cases to thirds of equal number by the median of their slices' contrast."""
    medians = slices.groupby("case")["contrast"].median().dropna().sort_values(kind="stable")
    if len(medians) < len(_THIRDS):
        return pd.Series(np.nan, index=slices.index, dtype=object)
    groups: dict[object, str] = {}
    for name, place in zip(_THIRDS, np.array_split(np.arange(len(medians)), len(_THIRDS)), strict=True):
        third = medians.iloc[place]
        groups |= dict.fromkeys(third.index, f"{name}, {third.iloc[0]:.1f} to {third.iloc[-1]:.1f}")
    return slices["case"].map(groups)


def _dice(structure: str, title: str) -> Measure:
    return Measure(
        title,
        lambda slices: 2.0 * slices[f"{structure}_tp"],
        lambda slices: 2.0 * slices[f"{structure}_tp"] + slices[f"{structure}_fp"] + slices[f"{structure}_fn"],
    )


DIVISIONS: dict[str, Division] = {
    ALL: Division("all slices", lambda slices: pd.Series(ALL, index=slices.index)),
    "scar_size": Division("scar of the patient, share of the wall", _scar_size),
    "level": Division("level of the slice", lambda slices: slices["level"].where(slices["level"].isin(LEVELS))),
    "contrast": Division("contrast-to-noise ratio of the exam", _contrast),
}
"""Name -> how slices are dealt to groups."""

MEASURES: dict[str, Measure] = {
    "scar_dice": _dice(SCAR, "scar Dice, pooled"),
    "scar_dice_present": Measure(
        "scar Dice, slices with scar",
        lambda slices: slices[f"{SCAR}_dice"].where(with_scar(slices), 0.0),
        lambda slices: with_scar(slices).astype(float),
    ),
    "wall_dice": _dice(WALL, "wall Dice, pooled"),
    "cavity_dice": _dice(CAVITY, "cavity Dice, pooled"),
    "false_alarms": Measure(
        "false alarms, share of slices without scar",
        lambda slices: (scar_called(slices) & ~with_scar(slices)).astype(float),
        lambda slices: (~with_scar(slices)).astype(float),
    ),
    "misses": Measure(
        "misses, share of slices with scar",
        lambda slices: (with_scar(slices) & ~scar_called(slices)).astype(float),
        lambda slices: with_scar(slices).astype(float),
    ),
}
"""Column -> what it holds."""


def groups_frame(slices: pd.DataFrame) -> pd.DataFrame:
    """Measure every group of every division, with intervals over cases.

    Args:
        slices: a row a slice, `SLICE_COLUMNS`.

    Returns:
        Columns: division, group, cases, slices, slices_with_scar, and of each of `MEASURES` its value and the ends of
        its 95 % bootstrap interval over cases (`<measure>_low`, `<measure>_high`), NaN where there is none. A division
        that cannot be made, as of too few cases, has no row.
    """
    rows: list[dict[str, object]] = []
    for name, division in DIVISIONS.items():
        dealt = division.deal(slices)
        for group in _ordered(dealt):
            rows.append({"division": name, "group": group, **_group_row(slices[dealt == group])})
    columns = [key for measure in MEASURES for key in (measure, f"{measure}_low", f"{measure}_high")]
    frame = pd.DataFrame(rows, columns=["division", "group", "cases", "slices", "slices_with_scar", *columns])
    return frame.astype(dict.fromkeys(columns, float))


def _ordered(dealt: pd.Series) -> list[str]:
    """Return the groups that have slices, in their order."""
    there = [str(group) for group in dealt.dropna().unique()]
    order = [*SCAR_SIZES, *LEVELS, *_THIRDS]
    return sorted(there, key=lambda group: order.index(name) if (name := group.partition(", ")[0]) in order else -1)


def _group_row(slices: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {
        "cases": slices["case"].nunique(),
        "slices": len(slices),
        "slices_with_scar": int(with_scar(slices).sum()),
    }
    for name, measure in MEASURES.items():
        above, below = (side(slices).groupby(slices["case"]).sum() for side in (measure.above, measure.below))
        found = ratio_of_sums(above.to_numpy(dtype=float), below.to_numpy(dtype=float))
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return row


def worst_frame(slices: pd.DataFrame, most: int = 10) -> pd.DataFrame:
    """List the cases that a pipeline labels worst.

    Args:
        slices: a row a slice, `SLICE_COLUMNS`.
        most: how many.

    Returns:
        Columns: case, slices, contrast (median over its slices), scar_percent_true, scar_percent_found (of the wall of
        all its slices), the Dice of `STRUCTURES` over all its pixels (NaN where in neither), mean_dice (the mean of
        those that are there, by which cases are sorted, lowest first), false_alarms, misses (numbers of slices).
    """
    rows = [{"case": case, **_case_row(own)} for case, own in slices.groupby("case", sort=False)]
    frame = pd.DataFrame(rows)
    return frame.sort_values("mean_dice", kind="stable", na_position="last").head(most).reset_index(drop=True)


def _case_row(slices: pd.DataFrame) -> dict[str, object]:
    sums = slices[[f"{s}_{count}" for s in STRUCTURES for count in ("tp", "fp", "fn")]].sum()
    found = float(sums[f"{WALL}_tp"] + sums[f"{WALL}_fp"])
    dice = {f"{s}_dice": dice_of(sums[f"{s}_tp"], sums[f"{s}_fp"], sums[f"{s}_fn"]) for s in STRUCTURES}
    known = [value for value in dice.values() if not np.isnan(value)]
    return {
        "slices": len(slices),
        "contrast": slices["contrast"].median(),
        "scar_percent_true": true_share(slices),
        "scar_percent_found": 100 * float(sums[f"{SCAR}_tp"] + sums[f"{SCAR}_fp"]) / found if found else float("nan"),
        **dice,
        "mean_dice": float(np.mean(known)) if known else float("nan"),
        "false_alarms": int((scar_called(slices) & ~with_scar(slices)).sum()),
        "misses": int((with_scar(slices) & ~scar_called(slices)).sum()),
    }


def dice_of(right: float, surplus: float, missing: float) -> float:
    """Return the Dice of counts of pixels; NaN where all are 0.

    Args:
        right: in truth and prediction.
        surplus: in the prediction alone.
        missing: in the truth alone.
    """
    total = 2 * right + surplus + missing
    return float(2 * right / total) if total else float("nan")


def calls_frame(slices: pd.DataFrame) -> pd.DataFrame:
    """List false alarms (scar found where there is none) and misses (none found where there is some).

    Args:
        slices: a row a slice, `SLICE_COLUMNS`.

    Returns:
        Columns: unit ("patient" or "slice"), error ("false alarm" or "miss"), case, slice (empty for a patient), level,
        scar_percent_true, scar_percent_found (of the wall); patients first, in each the largest error first.
    """
    rows = []
    for case, own in slices.groupby("case", sort=False):
        whole = _case_row(own)
        shares = {name: whole[name] for name in ("scar_percent_true", "scar_percent_found")}
        rows += _call("patient", bool(with_scar(own).any()), bool(scar_called(own).any()), {"case": case, **shares})
    has, called = with_scar(slices), scar_called(slices)
    for place, one in enumerate(slices.to_dict("records")):
        kept = {str(name): one[name] for name in ("case", "slice", "level", "scar_percent_true", "scar_percent_found")}
        rows += _call("slice", bool(has.iloc[place]), bool(called.iloc[place]), kept)
    columns = ["unit", "error", "case", "slice", "level", "scar_percent_true", "scar_percent_found"]
    frame = pd.DataFrame(rows, columns=columns)
    frame[["slice", "level"]] = frame[["slice", "level"]].astype(object).fillna("")
    size = frame[["scar_percent_true", "scar_percent_found"]].astype(float).max(axis=1)
    return frame.assign(size=-size).sort_values(["unit", "error", "size"], kind="stable").drop(columns="size")


def _call(unit: str, has: bool, called: bool, facts: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the row of an error about the presence of scar, if it is one."""
    if has == called:
        return []
    return [{"unit": unit, "error": "miss" if has else "false alarm", **facts}]
