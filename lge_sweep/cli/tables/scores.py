"""The ranking of a CSV table."""

from collections.abc import Sequence
from pathlib import Path

from lge_sweep.cli.terminal import Terminal
from lge_sweep.cli.terminal_table import Column, print_table
from lge_sweep.scoring import Score
from lge_sweep.text import format_number

LONGEST_TABLE = 1000
"""Rows of a table that is laid out; rich takes half a millisecond for each."""


def print_scores(console: Terminal, path: Path, rule: str, ranked: Sequence[tuple[str, Score]]) -> None:
    """Print the ranking of a CSV table; a long one as plain lines.

    Args:
        console: where to print.
        path: the table.
        rule: the scoring rule.
        ranked: names and scores, best first.
    """
    rows = [
        (str(rank), name, format_number(points.value), ", ".join(points.missing))
        for rank, (name, points) in enumerate(ranked, start=1)
    ]
    title = f"{path}, rule {rule}"
    if len(rows) > LONGEST_TABLE:
        titles = (title, "   rank  score   configuration")
        console.lines(
            [*titles, *(f"{rank:>7}  {points:<6}  {name}  {lost}".rstrip() for rank, name, points, lost in rows)]
        )
    else:
        columns = [
            Column("rank"),
            Column("configuration", "text", key=True),
            Column("score"),
            Column("missing", "text"),
        ]
        print_table(console, columns, rows, title)
    if any(points.missing for _, points in ranked):
        console.explain("Where a metric is missing, the weights of the others were scaled up to sum to 1.")
