"""The tables of the one evaluation on the test subset: the paper's Tables VI and VII, and all pipelines side by side.

Each table is made twice from the same numbers: a data frame with a row a number, for CSV, and Markdown, for people.
"""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from lge_sweep.choices import look_up
from lge_sweep.labels import Label
from lge_sweep.metrics import POOLED
from lge_sweep.report.paper import PAPER_COLUMNS, PAPER_TABLES
from lge_sweep.scoring import GLOBAL, Estimate, Intervals, in_hundred, interval
from lge_sweep.text import escape_markdown, format_number, markdown_table

AGGREGATE_TITLES: dict[str, str] = {
    "image_mean": "mean over images",
    "pooled": "pixels of all images counted together",
    "present_only": "mean over the images whose truth has the class",
}
"""Aggregate -> what it is, in words; see `lge_sweep.metrics.Summary`."""

STAGE_ROWS: dict[int, tuple[str, ...]] = {
    1: (Label.CAVITY.title, Label.BACKGROUND.title),
    2: (Label.MYOCARDIUM.title, Label.SCAR.title, Label.BACKGROUND.title),
}
"""Stage -> classes in the order of the paper's rows."""

SIDE_BY_SIDE: tuple[tuple[str, str, str], ...] = (
    *((name.title, "dice", form) for name in (Label.SCAR, Label.MYOCARDIUM, Label.CAVITY) for form in AGGREGATE_TITLES),
    (Label.SCAR.title, "sensitivity", "image_mean"),
    (Label.SCAR.title, "sensitivity", "pooled"),
)
"""Class, metric and aggregate of each column of the table of pipelines."""

HEADLINE = (Label.SCAR.title, "dice", "present_only")
"""The column whose difference to the reference the table of pipelines prints: one that is over the same images for all
pipelines."""

COUNTED = (Label.SCAR.title, "dice", "image_mean")
"""The column that the table of pipelines says the number of images of."""

NO_VALUE_NOTE = (
    "An image without a value counts in no mean: where the class is neither in the truth nor found, there is none."
)


def stage_frame(stage: int, found: Intervals, form: str) -> pd.DataFrame:
    """Put one stage's results in the order of the paper's Table VI (stage 1) or VII (stage 2).

    Args:
        stage: 1 or 2.
        found: intervals of the pipeline's table with the stage's classes (`lge_sweep.labels.class_names`).
        form: a key of `AGGREGATE_TITLES`.

    Returns:
        A row a number, in the paper's order (rows from the top, in each from the left; Global Accuracy comes last).
        Columns: table, form, row (class or "global"), column (the paper's heading), value, low, high, paper. A missing
        number is NaN. The columns Accuracy, Mean Accuracy and Global Accuracy are the paper's (pooled recall, its mean
        over the classes, correct pixels / all pixels), whatever the form. `paper` is there only where the paper's
        number is of the same form.

    Raises:
        ConfigError: the form is unknown.
        KeyError: `found` is of other classes.

    Source: paper Tables VI and VII.
    """
    look_up("form", form, AGGREGATE_TITLES)
    rows = []
    for row in (*STAGE_ROWS[stage], GLOBAL):
        for column, metric in PAPER_COLUMNS.items():
            of = "pooled" if column == "Accuracy" else form
            heading = "Mean Accuracy" if (row, column) == (GLOBAL, "Accuracy") else column
            estimate = None if of == "pooled" and metric not in POOLED else found.find(of, metric, row)
            same_form = form == "image_mean" or column == "Accuracy"
            rows.append((row, heading, *_numbers(estimate), PAPER_TABLES[stage][row][heading] if same_form else None))
    overall = found.find("pooled", "global_accuracy", GLOBAL)
    rows.append((GLOBAL, "Global Accuracy", *_numbers(overall), PAPER_TABLES[stage][GLOBAL]["Global Accuracy"]))
    frame = pd.DataFrame(rows, columns=["row", "column", "value", "low", "high", "paper"])
    frame = frame.astype(dict.fromkeys(["value", "low", "high", "paper"], float))
    frame.insert(0, "table", {1: "VI", 2: "VII"}[stage])
    frame.insert(1, "form", form)
    return frame


def stage_markdown(frame: pd.DataFrame, found: Intervals) -> str:
    """Write `stage_frame` in the paper's layout: a row a class, a column a metric, the paper's number beside it.

    Args:
        frame: what `stage_frame` gives.
        found: what it was made of.

    Returns:
        Markdown, with a heading and what the numbers mean.
    """
    overall, frame = frame.iloc[-1], frame.iloc[:-1]
    form = overall["form"]
    header, rows = ["class"], {row: [row] for row in frame["row"].unique()}
    classes = [row for row in rows if row != GLOBAL]
    for column in PAPER_COLUMNS:
        cells = frame[frame["column"].isin([column, "Mean Accuracy"] if column == "Accuracy" else [column])]
        with_paper = cells["paper"].notna().any()
        header += [column, "paper"] if with_paper else [column]
        for row, value, low, high, paper in cells[["row", "value", "low", "high", "paper"]].itertuples(index=False):
            rows[row] += (
                [format_cell(value, low, high), format_cell(paper)] if with_paper else [format_cell(value, low, high)]
            )
    note = (
        f"Global Accuracy {format_cell(overall['value'], overall['low'], overall['high']).replace('<br>', ', ')}; "
        "paper "
        f"{overall['paper']:.5f}. Accuracy is the pooled recall, as in the paper, and in the last row its mean over "
        f"the classes (the paper's Mean Accuracy). The other columns: {AGGREGATE_TITLES[form]}; global is their mean "
        "over the "
        f"classes. {_count_note(found, form, classes)}{_basis_note(found)} The paper's numbers are of its "
        "own "
        "patients, split by slice."
    )
    table = markdown_table(header, list(rows.values()))
    return f"### Table {overall['table']}, {AGGREGATE_TITLES[form]}\n\n{table}\n\n{note}\n"


def pipelines_frame(results: Mapping[str, Intervals], differences: Mapping[str, Intervals]) -> pd.DataFrame:
    """Put all pipelines and controls side by side.

    Args:
        results: pipeline -> intervals of its table of all four classes, in the order to show them.
        differences: pipeline -> `interval_differences` of it and the reference; none for
            the reference itself.

    Returns:
        A row a pipeline and column of `SIDE_BY_SIDE`. Columns: pipeline, class, metric, form, value, low, high,
        difference, difference_low, difference_high, images (that a mean is over); NaN where there is none.

    Raises:
        KeyError: some result is of other classes.
    """
    rows = []
    for pipeline, found in results.items():
        for name, metric, form in SIDE_BY_SIDE:
            own = found.find(form, metric, name)
            other = differences[pipeline].find(form, metric, name) if pipeline in differences else None
            rows.append((pipeline, name, metric, form, *_numbers(own), *_numbers(other), own.images))
    numbers = ["value", "low", "high", "difference", "difference_low", "difference_high", "images"]
    frame = pd.DataFrame(rows, columns=["pipeline", "class", "metric", "form", *numbers])
    return frame.astype(dict.fromkeys(numbers, float))


def pipelines_markdown(frame: pd.DataFrame, results: Mapping[str, Intervals], reference: str) -> str:
    """Write `pipelines_frame`: a row a pipeline, the paper's numbers as the last row.

    Args:
        frame: what `pipelines_frame` gives.
        results: what it was made of.
        reference: name of the pipeline that the others are compared with, a key of `results`.

    Returns:
        Markdown, with what the numbers mean.

    Raises:
        ConfigError: the reference is not one of the pipelines.
    """
    basis = _basis_note(look_up("pipeline", reference, results))
    titles = [f"{name} {metric}, {form.replace('_', ' ')}" for name, metric, form in SIDE_BY_SIDE]
    counted = SIDE_BY_SIDE.index(COUNTED)

    def with_count(columns: list[str], count: str) -> list[str]:
        return [*columns[: counted + 1], count, *columns[counted + 1 :]]

    header = ["pipeline", *with_count(titles, "images in it"), f"{' '.join(HEADLINE)}, minus {reference}"]
    rows = []
    for pipeline, numbers in frame.groupby("pipeline", sort=False):
        cells = [format_cell(*triple) for triple in zip(numbers["value"], numbers["low"], numbers["high"], strict=True)]
        count = f"{numbers['images'].iloc[counted]:.0f}"
        headline = numbers.iloc[SIDE_BY_SIDE.index(HEADLINE)]
        bounds = headline["difference_low"], headline["difference_high"]
        difference = format_cell(headline["difference"], *bounds, sign="+")
        rows.append([escape_markdown(str(pipeline)), *with_count(cells, count), difference])
    papers = [format_cell(value) for value in _paper_row()]
    rows.append(["paper, its own patients", *with_count(papers, format_cell(None)), format_cell(None)])
    meaning = "; ".join(f"{form.replace('_', ' ')}: {words}" for form, words in AGGREGATE_TITLES.items())
    return (
        f"{markdown_table(header, rows)}\n\n{meaning}. {NO_VALUE_NOTE} {basis} Differences are over the same images "
        "and of the "
        "same resamples.\n"
    )


def format_cell(value: float | None, low: float | None = None, high: float | None = None, sign: str = "") -> str:
    """Write a number and its interval, four and three digits; a dash where there is none.

    Args:
        value: the number; None or NaN: none.
        low: the interval's lower end; None or NaN: no interval.
        high: its upper end.
        sign: ``+`` for a difference: each number has its sign.

    >>> format_cell(0.9470, 0.9312, 0.9581), format_cell(0.5, None, None), format_cell(None)
    ('0.9470<br>0.931 to 0.958', '0.5000', '-')
    >>> format_cell(-0.02, -0.031, 0.004, sign="+")
    '-0.0200<br>-0.031 to +0.004'
    """
    number = format_number(value, sign)
    return number if pd.isna([value, low, high]).any() else f"{number}<br>{interval(low, high, sign)}"


def _numbers(estimate: Estimate | None) -> tuple[float | None, float | None, float | None]:
    """Value and interval of an estimate."""
    return (None, None, None) if estimate is None else (estimate.value, estimate.low, estimate.high)


def _paper_row() -> Iterator[float | None]:
    """The paper's number for each column of the table of pipelines, where it has one of that aggregate."""
    headings = {metric: column for column, metric in PAPER_COLUMNS.items() if column != "Accuracy"}
    for name, metric, form in SIDE_BY_SIDE:
        row = PAPER_TABLES[1 if name == Label.CAVITY.title else 2][name]
        if (metric, form) == ("sensitivity", "pooled"):
            yield row["Accuracy"]
        else:
            yield row[headings[metric]] if form == "image_mean" else None


def _count_note(found: Intervals, form: str, names: Sequence[str]) -> str:
    """How many images the means of Dice are over, and why not all, in two sentences."""
    counts = {name: found.find(form, "dice", name).images for name in names}
    if form != "image_mean" or set(counts.values()) == {found.images}:
        return ""
    return f"{NO_VALUE_NOTE} Dice is over {', '.join(f'{count} images for {name}' for name, count in counts.items())}. "


def _basis_note(found: Intervals) -> str:
    """What the intervals are made of, in a sentence."""
    size = f"{found.images} images of {found.cases} case{'s' if found.cases != 1 else ''}"
    if not found.resamples:
        return f"{size}: no interval can be had from a single case."
    few = in_hundred(found.cases, found.level)
    return (
        f"{size}; {100 * found.level:g} % intervals from {found.resamples} resamples of the cases"
        f"{f' ({few})' if few else ''}."
    )
