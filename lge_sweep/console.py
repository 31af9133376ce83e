"""Tables and sentences for the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lge_sweep.labels import METRICS
from lge_sweep.scoring import Score, Selection

SHORT = {"sensitivity": "sens.", "specificity": "spec."}
"""Column headers that must fit a terminal."""


def make_console() -> Console:
    """Return a console that does not break long paths, and is wide enough for tables where there is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(console.width, 132))


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        collapse_padding=True,
    )


def number(value: float | None) -> str:
    """Write a metric; a missing one is a dash."""
    return "-" if value is None else f"{value:.4f}"


def print_selection(console: Console, title: str, selection: Selection, names: Mapping[str, str]) -> None:
    """Print a ranking and what was selected, with everything that should make one doubt it.

    Args:
        console: where to print.
        title: what was compared.
        selection: the outcome.
        names: cell name -> the name to print.
    """
    table = _table(title)
    for column in ("rank", "configuration", "score", "foreground", *METRICS, ""):
        left = column in {"configuration", ""}
        table.add_column(SHORT.get(column, column), justify="left" if left else "right", no_wrap=True)
    for entry in selection.ranking:
        table.add_row(
            str(entry.rank),
            Text(names[entry.name], style="bold" if entry.selected else ""),
            number(entry.score),
            number(entry.scores[f"{selection.rule}_foreground"]),
            *(number(entry.metrics[metric]) for metric in METRICS),
            Text(
                ", ".join(["selected"] * entry.selected + ["collapsed"] * bool(entry.collapsed)),
                style="red" if entry.collapsed else "green",
            ),
        )
    console.print(table)
    weights = ", ".join(f"{name} {weight:.4g}" for name, weight in selection.weights.items())
    how = "unweighted mean of the six metrics" if selection.rule == "mean" else f"weights {weights}"
    console.print(f"Scored on the {selection.part} part ({how}; foreground: without background).", soft_wrap=True)
    chosen = " and ".join(names[name] for name in selection.selected)
    margin = "" if selection.margin is None else f", ahead of the next by {selection.margin:.4f}"
    console.print(f"Selected: {chosen}{margin}.", soft_wrap=True)
    for note in selection.notes:
        console.print(f"Note: {note}.", markup=False, soft_wrap=True)


def print_scores(console: Console, path: Path, rule: str, ranked: Sequence[tuple[str, Score]]) -> None:
    """Print the ranking of a CSV table."""
    table = _table(f"{path}, rule {rule}")
    table.add_column("rank", justify="right")
    table.add_column("configuration", overflow="fold")
    table.add_column("score", justify="right")
    table.add_column("missing")
    for rank, (name, points) in enumerate(ranked, start=1):
        table.add_row(str(rank), name, number(points.value), ", ".join(points.missing))
    console.print(table)
    if any(points.missing for _, points in ranked):
        console.print("Where a metric is missing, the weights of the others were scaled up to sum to 1.")
