"""The ranking of a sweep, what was selected, and how sure that is."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lge_sweep.cli.tables.front import print_front
from lge_sweep.cli.terminal import Terminal, styled
from lge_sweep.cli.terminal_table import Cell, Column, print_table
from lge_sweep.labels import SCORED
from lge_sweep.scoring import Selection
from lge_sweep.text import format_number

if TYPE_CHECKING:
    from lge_sweep.engine import SweepOutcome
    from lge_sweep.scoring import Uncertainty
    from lge_sweep.study import Plan


NOTES = 3
"""How many notes are printed under a ranking unless all are asked for."""


def print_outcome(console: Terminal, plan: "Plan", outcome: "SweepOutcome") -> None:
    """Print the outcome of a sweep: in one sentence, as a ranking, and what may change a decision.

    All that it rests on is printed if that is asked for: weights, intervals, tests, every note.

    Args:
        console: where to print.
        plan: the sweep.
        outcome: what it came to.
    """
    from lge_sweep.scoring import outcome_notes  # loads pandas and scipy

    uncertainty, names, selection = outcome.uncertainty, outcome.names, outcome.selection
    compared = len(uncertainty.standings) > 1
    notes = outcome_notes(selection.notes, uncertainty)
    if outcome.front is not None:
        notes = (*outcome.front.doubts, *notes, *outcome.front.measured)
        console.print_line()
        console.print_line(f"{outcome.front.sentence}.", style="bold")
        console.print_line()
        print_front(console, outcome.front, selection.selected[0], plan.folder)
    console.print_line()
    console.print_line(f"{uncertainty.sentence}.", style="bold")
    console.print_line()
    best = {standing.name: standing.best for standing in uncertainty.standings} if compared else None
    print_ranking(console, plan.title, selection, names, best)
    if console.whole:
        weights = ", ".join(f"{name} {weight:.4g}" for name, weight in selection.weights.items())
        how = "unweighted mean of the six metrics" if selection.rule == "mean" else f"weights {weights}"
        console.explain(f"Scored on the {selection.subset} subset ({how}; foreground: without background).")
        if compared:
            print_uncertainty(console, uncertainty, names)
    print_selected(console, selection, names)
    for note in notes if console.whole else notes[:NOTES]:
        console.explain(f"Note: {note}.")
    if compared and not console.whole:
        more = len(notes) - NOTES
        said = f"{more} more note{'s' * (more != 1)} and intervals" if more > 0 else "Intervals"
        folder = shlex.quote(str(plan.folder))
        console.explain(f"{said}: lge-sweep table {folder}; tests, too: lge-sweep --explain select {folder}")
    if outcome.registered is not None:
        console.print_line(outcome.registered)


def print_selected(console: Terminal, selection: Selection, names: Mapping[str, str]) -> None:
    """Print what was selected, and by how much.

    Args:
        console: where to print.
        selection: the outcome.
        names: cell name -> the name to print.
    """
    chosen = " and ".join(names[name] for name in selection.selected)
    margin = ""
    if selection.margin is not None:
        place = "behind the top" if selection.margin < 0 else "ahead of the next"
        margin = f", {abs(selection.margin):.4f} {place}" if selection.margin else ", level with the next"
    console.print_line(f"Selected: {chosen}{margin}.")


def print_ranking(
    console: Terminal,
    title: str,
    selection: Selection,
    names: Mapping[str, str],
    best: Mapping[str, float | None] | None = None,
) -> None:
    """Print rank, name, score, the probability to be best, metrics and what happened.

    Args:
        console: where to print.
        title: what was compared.
        selection: the outcome.
        names: cell name -> the name to print.
        best: configuration -> the probability that it is the best; None if nothing was compared.
    """
    from lge_sweep.metrics import METRICS  # these two load pandas
    from lge_sweep.scoring import FOREGROUND, chance, ranking_frame, ranking_texts

    texts = ranking_texts(ranking_frame(selection.ranking), selection.rule)
    columns = [
        Column("rank", key=True),
        Column("configuration", "text", first=True),
        Column("score", first=True),
        *[Column("P(best)", first=True)] * (best is not None),
        Column(FOREGROUND),
        *(Column(METRICS[name].short or name) for name in SCORED),
        Column("", "text", first=True),
    ]
    rows: list[Sequence[Cell]] = []
    for line in texts.to_dict("records"):
        chosen, collapsed = bool(line["selected"]), bool(line["collapsed"])
        name = styled(names[line["configuration"]], style="bold" if chosen else "")
        marks = ", ".join(["selected"] * chosen + ["collapsed"] * collapsed)
        numbers = [line[title] for title in ("score", FOREGROUND, *SCORED)]
        if best is not None:
            numbers.insert(1, chance(best.get(line["configuration"])))
        rows.append((line["rank"], name, *numbers, styled(marks, style="red" if collapsed else "green")))
    print_table(console, columns, rows, title)


def print_uncertainty(console: Terminal, uncertainty: "Uncertainty", names: Mapping[str, str]) -> None:
    """Print how sure a ranking is: intervals, rank probabilities, tests.

    Args:
        console: where to print.
        uncertainty: what is uncertain.
        names: configuration -> the name to print.
    """
    from lge_sweep.scoring import chance, interval  # loads pandas and scipy

    titles = ("score", "95 % interval", "P(best)", "exp. rank", "minus winner", "p (Dice)")
    p_values = {test.other: test.p_holm for test in uncertainty.comparisons if test.metric == "dice"}
    rows = [
        (
            styled(names[standing.name], style="bold" if standing.name == uncertainty.winner else ""),
            format_number(standing.score),
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
