"""Tables as people read them: what each table of a study is, and its numbers as texts, an interval behind its value.

`CAPTIONS` has an entry for each file of an evaluation that is meant to be read: a table that is written and has an
entry is in the study's report. To add one, write `NAME.csv` beside the others, and an entry `NAME` here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from lge_sweep.metrics import METRICS
from lge_sweep.report.clinical_tables import QUANTITIES
from lge_sweep.report.errors_by_group import DIVISIONS, MEASURES
from lge_sweep.report.final_tables import AGGREGATE_TITLES
from lge_sweep.text import escape_markdown, markdown_table

DASH = "-"
"""Where there is no number."""
_ONE_DIGIT = re.compile(r"(^|_)(ml|g|mm|percent|contrast|bias|sd|lower|upper)(_|$)")
_SIGNED = re.compile(r"(^|_)(error|difference|bias|lower|upper)(_|$)")
DICE = "Dice (0 to 1; twice the pixels in common, divided by the pixels of both)"
INTERVAL = "in brackets 95 % bootstrap intervals over patients; none where a group has one patient"
FINDING = "A dash is where there is no number."


@dataclass(frozen=True)
class Caption:
    """What a table is.

    Attributes:
        text: what it shows, of what and how many, units and intervals; sentences.
        columns: column of the file -> its title in print; one that is not named here has its own name. A column of the
            ends of an interval needs none.
        arrange: the table of the file -> what is printed, where that is not the same.
        about: the section of the report that it belongs to.
    """

    text: str
    columns: Mapping[str, str] = field(default_factory=dict)
    arrange: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame
    about: Literal["results", "failures"] = "results"


def print_frame(frame: pd.DataFrame, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Turn a table into texts: a number and the interval behind it become one column.

    A column `x` with `x_low` and `x_high` beside it, or `value` with `low` and `high`, has its interval in brackets.

    Args:
        frame: any table.
        columns: column -> title; a column without has its name, with spaces.
    """
    titles, printed = columns or {}, {}
    for name in frame.columns:
        base = str(name)
        if re.fullmatch(r"(.*_)?(low|high)", base) and _whole(base) in frame.columns:
            continue
        low, high = ("low", "high") if base == "value" else (f"{base}_low", f"{base}_high")
        numbers = [print_value(value, base) for value in frame[name]]
        if {low, high} <= set(frame.columns):
            ends = zip(frame[low], frame[high], strict=True)
            numbers = [
                number
                if pd.isna(one) or pd.isna(two)
                else f"{number} ({print_value(one, base)} to {print_value(two, base)})"
                for number, (one, two) in zip(numbers, ends, strict=True)
            ]
        printed[titles.get(base, base.replace("_", " "))] = numbers
    return pd.DataFrame(printed, dtype=str)


def _whole(end: str) -> str:
    """Return the column whose interval a column is an end of."""
    return re.sub(r"_(low|high)$", "", end) if "_" in end else "value"


def print_value(value: object, column: str = "") -> str:
    """Write a cell: numbers with three digits after the point, of amounts with one; a dash for none.

    Args:
        value: the cell.
        column: its column, which tells how many digits.

    >>> print_value(0.51234), print_value(12.34, "scar_ml_error"), print_value(float("nan")), print_value(True)
    ('0.512', '+12.3', '-', 'yes')
    """
    if value is None or value == "" or (isinstance(value, float) and pd.isna(value)):
        return DASH
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, float):
        sign = "+" if _SIGNED.search(column) else ""
        return f"{value:{sign}z.1f}" if _ONE_DIGIT.search(column) else f"{value:{sign}z.3f}"
    return str(value)


def print_tables(frames: Mapping[str, pd.DataFrame]) -> str:
    """Write some of the tables of `CAPTIONS` as Markdown, each below what it is.

    Args:
        frames: name -> the table as its file has it.
    """
    texts = []
    for name, frame in frames.items():
        caption = CAPTIONS[name]
        printed = print_frame(caption.arrange(frame), caption.columns)
        rows = [[escape_markdown(cell) for cell in row] for row in printed.itertuples(index=False, name=None)]
        table = markdown_table([escape_markdown(title) for title in printed.columns], rows, left=_texts(frame, printed))
        texts.append(f"{caption.text}\n\n{table if rows else 'There is none.'}")
    return "\n\n".join(texts)


def _texts(frame: pd.DataFrame, printed: pd.DataFrame) -> list[str]:
    """Return the titles of the columns that hold words."""
    return [title for title in printed.columns if not is_numeric(printed[title])]


def is_numeric(column: pd.Series) -> bool:
    """Whether the texts of a column are numbers, or dashes in their place."""
    return bool(column.map(lambda text: text == DASH or bool(re.match(r"[+-]?[\d.]", text))).all())


def _groups(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(division=frame["division"].map(lambda name: DIVISIONS[name].title))


def _pivot_pipelines(frame: pd.DataFrame) -> pd.DataFrame:
    """Put the numbers of `pipelines_frame` beside each other, a row a pipeline."""
    return _spread(
        frame,
        ["pipeline"],
        lambda row: f"{row['class']} {METRICS[row['metric']].title}, {row['form'].replace('_', ' ')}",
    )


def _pivot_stages(frame: pd.DataFrame) -> pd.DataFrame:
    """Put the means over images of `stage_frame` beside each other, a row a class."""
    chosen = frame[frame["form"] == "image_mean"]
    return _spread(chosen, ["pipeline", "table", "row"], lambda row: str(row["column"]))


def _spread(frame: pd.DataFrame, keys: list[str], title: Callable[[Mapping[str, str]], str]) -> pd.DataFrame:
    rows: dict[tuple[str, ...], dict[str, object]] = {}
    for one in frame.to_dict("records"):
        key = tuple(str(one[name]) for name in keys)
        row = rows.setdefault(key, dict(zip(keys, key, strict=True)))
        name = title({str(k): v for k, v in one.items()})
        row |= {name: one["value"], f"{name}_low": one["low"], f"{name}_high": one["high"]}
    return pd.DataFrame(list(rows.values()))


_SHARE = "share of the wall, %"
_CASES = {
    "case": "patient",
    **{
        f"{name}_{side}": f"{quantity.title}, {quantity.unit}: {side}"
        for name, quantity in QUANTITIES.items()
        for side in ("truth", "predicted", "error")
    },
    "mvo_ml": "no-reflow, true, mL",
}
_SLICES = {
    "case": "patient",
    "scar_percent_true": f"true scar, {_SHARE}",
    "scar_percent_found": f"scar found, {_SHARE}",
}
CAPTIONS: dict[str, Caption] = {
    "pipelines": Caption(
        f"All pipelines and controls on the same slices, {DICE}; {INTERVAL}. "
        + "; ".join(f"{form.replace('_', ' ')}: {words}" for form, words in AGGREGATE_TITLES.items()) + ".",
        arrange=_pivot_pipelines,
    ),
    "tables_6_and_7": Caption(
        "The paper's Tables VI (stage 1, the cavity) and VII (stage 2, the wall), means over images (0 to 1), each "
        f"stage by itself; {INTERVAL}. Accuracy is the recall of all pixels, as in the paper.",
        {"row": "class"},
        _pivot_stages,
    ),
    "cases": Caption(
        "Volumes, mass and scar of each patient, from the slices that are used, at the exam's own size; error is "
        f"predicted minus true. The wall is myocardium and scar together. {FINDING}",
        _CASES,
    ),
    "agreement": Caption(
        "Agreement of prediction and reference over patients: bias (predicted minus true) with its 95 % confidence "
        "interval, 95 % limits of agreement, Lin's concordance (-1 to 1). " + FINDING,
        {"cases": "patients", "lower": "lower limit", "upper": "upper limit", "sd": "standard deviation"},
    ),
    "findings": Caption(
        "Labels that no left ventricle has, of the prediction and of the reference; nothing is corrected for it.",
        {"case": "patient"},
        about="failures",
    ),
    "error_groups": Caption(
        f"Where the shipped pipeline fails, by group: {DICE}; {INTERVAL}. A false alarm is a slice without scar on "
        "which scar is called, be it one pixel; a miss is a slice with scar on which none is. Pooled: the pixels of "
        "all slices of the group counted together. Level: thirds of the slices that have wall and cavity, the base "
        "where the cavity is larger (slices whose level cannot be told are in none). Contrast: median over a "
        "patient's slices of (mean intensity of blood - mean of myocardium without scar) / root of the mean of the "
        f"two variances, from the exam's own pixels; thirds of the patients, with their range. {FINDING}",
        {
            "division": "by", "cases": "patients", "slices_with_scar": "with scar",
            **{name: measure.title for name, measure in MEASURES.items()},
        },
        _groups,
        about="failures",
    ),
    "error_calls": Caption(
        "False alarms (scar called where the reference has none) and misses (none called where it has some), by "
        "patient and by slice, the largest first; scar is given as a share of the wall of the patient or slice, in "
        "per cent.",
        _SLICES,
        about="failures",
    ),
    "error_worst": Caption(
        "The patients that are labelled worst, by the mean of the Dice of cavity, wall and scar over all their "
        "pixels; a structure that is in neither prediction nor reference has none. Contrast: see above. False alarms "
        f"and misses are numbers of slices. {FINDING}",
        {**_SLICES, "cavity_dice": "cavity Dice", "wall_dice": "wall Dice", "scar_dice": "scar Dice",
         "mean_dice": "mean Dice"},
        about="failures",
    ),
}  # fmt: skip
"""Table of an evaluation -> what it is; in this order they are shown."""
