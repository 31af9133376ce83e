"""The ranking of a sweep, what was selected, and how sure that is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lge_sweep.cli.tables.numbers import number
from lge_sweep.cli.terminal import Terminal, styled
from lge_sweep.cli.terminal_table import Cell, Column, print_table
from lge_sweep.labels import SCORED
from lge_sweep.scoring import Ranked, Selection

if TYPE_CHECKING:
    from lge_sweep.engine.conclude import SweepOutcome
    from lge_sweep.scoring.uncertainty import Uncertainty

SHORT = {"sensitivity": "sens.", "specificity": "spec."}
"""Column headers that must fit a terminal."""


def print_outcome(console: Terminal, title: str, outcome: "SweepOutcome") -> None:
    """Print the outcome of a sweep: in one sentence, as a ranking, and how sure it is.

    Args:
        console: where to print.
        title: what was compared.
        outcome: what a sweep came to.
    """
    uncertainty, names = outcome.uncertainty, outcome.names
    console.print_line()
    console.print_line(f"{uncertainty.sentence}.", style="bold")
    console.print_line()
    print_selection(console, title, outcome.selection, names)
    if len(uncertainty.standings) > 1:
        print_uncertainty(console, uncertainty, names)
    if outcome.registered is not None:
        console.print_line(outcome.registered)


def print_selection(console: Terminal, title: str, selection: Selection, names: Mapping[str, str]) -> None:
    """Print a ranking and what was selected, with everything that should make one doubt it.

    Args:
        console: where to print.
        title: what was compared.
        selection: the outcome.
        names: cell name -> the name to print.
    """
    _print_ranking(console, title, selection, names, ("foreground", *SCORED))
    weights = ", ".join(f"{name} {weight:.4g}" for name, weight in selection.weights.items())
    how = "unweighted mean of the six metrics" if selection.rule == "mean" else f"weights {weights}"
    console.explain(f"Scored on the {selection.subset} subset ({how}; foreground: without background).")
    chosen = " and ".join(names[name] for name in selection.selected)
    margin = ""
    if selection.margin is not None:
        place = "behind the top" if selection.margin < 0 else "ahead of the next"
        margin = f", {abs(selection.margin):.4f} {place}" if selection.margin else ", level with the next"
    console.print_line(f"Selected: {chosen}{margin}.")
    for note in selection.notes:
        console.explain(f"Note: {note}.")


def _print_ranking(
    console: Terminal, title: str, selection: Selection, names: Mapping[str, str], numbers: Sequence[str]
) -> None:
    """Print rank, name, score, some numbers and what happened."""
    columns = [
        Column("rank", key=True),
        Column("configuration", "text", first=True),
        Column("score", first=True),
        *(Column(SHORT.get(name, name)) for name in numbers),
        Column("", "text", first=True),
    ]
    marks = [["selected"] * entry.selected + ["collapsed"] * bool(entry.collapsed) for entry in selection.ranking]
    rows: list[Sequence[Cell]] = [
        (
            str(entry.rank),
            styled(names[entry.name], style="bold" if entry.selected else ""),
            number(entry.score),
            *_cells(entry, selection.rule, numbers),
            styled(", ".join(mark), style="red" if entry.collapsed else "green"),
        )
        for entry, mark in zip(selection.ranking, marks, strict=True)
    ]
    print_table(console, columns, rows, title)


def _cells(entry: Ranked, rule: str, numbers: Sequence[str]) -> list[str]:
    values = {"foreground": entry.scores[f"{rule}_foreground"], **entry.metrics}
    return [number(values[name]) for name in numbers]


def print_uncertainty(console: Terminal, uncertainty: "Uncertainty", names: Mapping[str, str]) -> None:
    """Print how sure a ranking is: intervals, rank probabilities, tests.

    Args:
        console: where to print.
        uncertainty: what is uncertain.
        names: configuration -> the name to print.
    """
    from lge_sweep.scoring.uncertainty import describe_friedman  # loads pandas and scipy
    from lge_sweep.scoring.wording import chance, interval

    titles = ("score", "95 % interval", "P(best)", "exp. rank", "minus winner", "p (Dice)")
    p_values = {test.other: test.p_holm for test in uncertainty.comparisons if test.metric == "dice"}
    rows = [
        (
            styled(names[standing.name], style="bold" if standing.name == uncertainty.winner else ""),
            number(standing.score),
            interval(standing.low, standing.high),
            chance(standing.best),
            "-" if standing.expected_rank is None else f"{standing.expected_rank:.1f}",
            "-" if standing.name == uncertainty.winner else interval(standing.difference_low, standing.difference_high),
            "-" if p_values.get(standing.name) is None else f"{p_values[standing.name]:.3f}",
        )
        for standing in uncertainty.standings
    ]
    title = f"how sure that is: {uncertainty.resamples} resamples of {uncertainty.cases} cases"
    print_table(console, [Column("configuration", "text", key=True), *map(Column, titles)], rows, title)
    console.explain(
        "p (Dice): Wilcoxon signed-rank against the winner on the cases' means, Holm-corrected; other metrics are in "
        "comparisons.csv.",
    )
    for note in (*uncertainty.notes, *describe_friedman(uncertainty.friedman)):
        console.explain(f"Note: {note}.")
