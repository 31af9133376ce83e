"""Tables and sentences for the terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from lge_sweep.labels import SCORED
from lge_sweep.scoring import Score, Selection
from lge_sweep.terminal import TaskText, Terminal, styled
from lge_sweep.terminal_table import Cell, Column, print_table

if TYPE_CHECKING:
    from lge_sweep.engine.conclude import Outcome
    from lge_sweep.pipeline.compare import PipelineComparison
    from lge_sweep.pipeline.evaluate import Evaluation
    from lge_sweep.scoring.paired import Paired
    from lge_sweep.scoring.uncertainty import Standing, Uncertainty
    from lge_sweep.segmenter.predict import PredictResult

LONGEST_TABLE = 1000
"""Rows of a table that is laid out; rich takes half a millisecond for each."""


def _print_ranking(console: Terminal, title: str, selection: Selection, names: Mapping[str, str]) -> None:
    """Print rank, name, score, its metrics and what happened."""
    from lge_sweep.metrics import METRICS  # these two load pandas
    from lge_sweep.scoring.ranking import FOREGROUND, ranking_frame, ranking_texts

    texts = ranking_texts(ranking_frame(selection.ranking), selection.rule)
    columns = [
        Column("rank", key=True),
        Column("configuration", "text", first=True),
        Column("score", first=True),
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
        rows.append((line["rank"], name, *numbers, styled(marks, style="red" if collapsed else "green")))
    print_table(console, columns, rows, title)


def number(value: float | None) -> str:
    """Write a metric; a missing one is a dash."""
    return "-" if value is None else f"{value:.4f}"


def print_selection(console: Terminal, title: str, selection: Selection, names: Mapping[str, str]) -> None:
    """Print a ranking and what was selected, with everything that should make one doubt it.

    Args:
        console: where to print.
        title: what was compared.
        selection: the outcome.
        names: cell name -> the name to print.
    """
    _print_ranking(console, title, selection, names)
    weights = ", ".join(f"{name} {weight:.4g}" for name, weight in selection.weights.items())
    how = "unweighted mean of the six metrics" if selection.rule == "mean" else f"weights {weights}"
    console.print(f"Scored on the {selection.subset} subset ({how}; foreground: without background).", soft_wrap=True)
    chosen = " and ".join(names[name] for name in selection.selected)
    margin = ""
    if selection.margin is not None:
        place = "behind the top" if selection.margin < 0 else "ahead of the next"
        margin = f", {abs(selection.margin):.4f} {place}" if selection.margin else ", level with the next"
    console.print(f"Selected: {chosen}{margin}.", soft_wrap=True)
    for note in selection.notes:
        console.print(f"Note: {note}.", soft_wrap=True)


def print_outcome(console: Terminal, title: str, outcome: "Outcome") -> None:
    """Print the outcome of a sweep: in one sentence, as a ranking, and how sure it is.

    Args:
        console: where to print.
        title: what was compared.
        outcome: what a sweep came to.
    """
    uncertainty, names = outcome.uncertainty, outcome.names
    console.print()
    console.print(f"{uncertainty.sentence}.", style="bold", soft_wrap=True)
    console.print()
    print_selection(console, title, outcome.selection, names)
    if len(uncertainty.standings) > 1:
        print_uncertainty(console, uncertainty, names)
    if outcome.registered is not None:
        console.print(outcome.registered, soft_wrap=True)


def print_comparison(
    console: Terminal, names: tuple[str, str], rule: str, difference: "Standing", pairs: Sequence["Paired"]
) -> None:
    """Print a paired comparison of two cells.

    Args:
        console: where to print.
        names: the first and the second cell.
        rule: the scoring rule.
        difference: standing of the first against the second.
        pairs: every metric, per image and per case.
    """
    from lge_sweep.scoring.uncertainty import interval  # loads pandas and scipy

    for letter, name in zip("AB", names, strict=True):
        console.print(f"{letter}: {name}", soft_wrap=True)
    bounds = interval(difference.difference_low, difference.difference_high)
    console.print(f"score ({rule}), A minus B: {difference.difference:+.4f}, 95 % interval {bounds}", soft_wrap=True)
    for unit in dict.fromkeys(pair.unit for pair in pairs):
        titles = ("pairs", "A", "B", "median A-B", "A better", "B better", "p", "p (Holm)")
        rows = [
            (
                pair.metric,
                str(pair.pairs),
                number(pair.mean_a),
                number(pair.mean_b),
                number(pair.median_difference),
                str(pair.better),
                str(pair.worse),
                number(pair.p),
                number(pair.p_holm),
            )
            for pair in pairs
            if pair.unit == unit
        ]
        print_table(console, [Column("metric", "text", key=True), *map(Column, titles)], rows, f"per {unit}")
    console.print(
        "p: two-sided Wilcoxon signed-rank. The case is the independent unit: slices of one case resemble each other, "
        "so that p per image is too small.",
        soft_wrap=True,
    )


def print_uncertainty(console: Terminal, uncertainty: "Uncertainty", names: Mapping[str, str]) -> None:
    """Print how sure a ranking is: intervals, rank probabilities, tests.

    Args:
        console: where to print.
        uncertainty: what is uncertain.
        names: configuration -> the name to print.
    """
    from lge_sweep.scoring.uncertainty import chance, describe_friedman, interval  # loads pandas and scipy

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
    console.print(
        "p (Dice): Wilcoxon signed-rank against the winner on the cases' means, Holm-corrected; other metrics are in "
        "comparisons.csv.",
        soft_wrap=True,
    )
    for note in (*uncertainty.notes, *describe_friedman(uncertainty.friedman)):
        console.print(f"Note: {note}.", soft_wrap=True)


def print_pipelines(console: Terminal, comparison: "PipelineComparison") -> None:
    """Print the pipeline beside its controls.

    Args:
        console: where to print.
        comparison: how they do on one subset.
    """
    from lge_sweep.pipeline.variants import PIPELINE  # loads torch
    from lge_sweep.scoring.uncertainty import interval  # loads pandas and scipy

    titles = (
        "score", "95 % interval", "minus two-stage", "cavity", "myo.", "scar", "scar\npooled", "scar\npresent",
    )  # fmt: skip
    rows: list[Sequence[Cell]] = []
    for name, summary in comparison.summaries.items():
        standing = comparison.standings[name]
        dice = summary.image_mean["dice"]
        rows.append(
            (
                styled(name, style="bold" if name == PIPELINE else ""),
                number(standing.score),
                interval(standing.low, standing.high),
                "-" if name == PIPELINE else interval(standing.difference_low, standing.difference_high),
                *(number(dice[label]) for label in ("cavity", "myocardium", "scar")),
                number(summary.pooled["dice"]["scar"]),
                number(summary.present_only["dice"]["scar"]),
            )
        )
    title = f"the pipeline beside its controls: final labels of the {comparison.subset} subset"
    print_table(console, [Column("pipeline", "text", key=True), *map(Column, titles)], rows, title)
    for meaning in dict.fromkeys(comparison.meanings.values()):
        names = ", ".join(name for name, other in comparison.meanings.items() if other == meaning)
        console.print(f"{names}: {meaning}.", soft_wrap=True)
    console.print(
        "Classes: Dice, mean over the images that have a value; scar present: over images that have scar.",
        soft_wrap=True,
    )
    for name, reason in comparison.failed.items():
        console.print(f"Note: the fit '{name}' is left out: {reason}.", soft_wrap=True)


@contextmanager
def progress(console: Terminal, what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar with the time left; lines where there is no terminal.

    Args:
        console: where to print.
        what: what is being done.

    Yields:
        Tell it what is next, how many are done, and how many there are.
    """
    columns = (TaskText(), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def say(name: str, done: int, total: int) -> None:
            bar.update(task, description=f"{what}: {name}", completed=done, total=total)
            if not console.is_terminal:
                console.print(f"[{done}/{total}] {what}: {name}", soft_wrap=True)

        yield say


def print_predicted(console: Terminal, predicted: "PredictResult") -> None:
    """Print what was found in each exam, and where it is.

    Args:
        console: where to print.
        predicted: what became of the exams.
    """
    for delivery in predicted.deliveries:
        files = dict.fromkeys(file.relative_to(delivery.folder).parts[0] for file in delivery.files)
        console.print(f"{delivery.folder}: {', '.join(files)}", soft_wrap=True)
        for note in delivery.notes:
            console.print(f"  note: {note}", style="yellow", soft_wrap=True)
        for finding in delivery.findings:
            console.print(f"  finding: {finding}", style="red", soft_wrap=True)
        if stored := predicted.stored.get(delivery.folder):
            console.print(f"  {stored}", soft_wrap=True)
    for note in predicted.notes:
        console.print(f"note: {note}", style="yellow", soft_wrap=True)
    found = sum(bool(delivery.findings) for delivery in predicted.deliveries)
    if found:
        count = f"{found} of {len(predicted.deliveries)} exam(s) have findings"
        console.print(f"{count}: labels that no heart has; look at them before any number is used.", soft_wrap=True)
    done = f"{len(predicted.deliveries)} exam(s) segmented. Research use only; not for diagnosis."
    console.print(done, soft_wrap=True)


def print_evaluation(console: Terminal, evaluation: "Evaluation") -> None:
    """Print what the test subset says.

    Args:
        console: where to print.
        evaluation: what it says.
    """
    print_pipelines(console, evaluation.comparison)
    console.print(f"Test subset: {evaluation.test_access}.", soft_wrap=True)
    if evaluation.again:
        console.print("This pipeline was evaluated before; shown again, not evaluated again.", soft_wrap=True)
    console.print(f"Tables VI and VII, cases, agreement: {evaluation.folder / 'tables.md'}", soft_wrap=True)
    console.print(f"Table VIII and figures: {evaluation.folder}", soft_wrap=True)


def print_scores(console: Terminal, path: Path, rule: str, ranked: Sequence[tuple[str, Score]]) -> None:
    """Print the ranking of a CSV table; a long one as plain lines."""
    rows = [
        (str(rank), name, number(points.value), ", ".join(points.missing))
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
        note = "Where a metric is missing, the weights of the others were scaled up to sum to 1."
        console.print(note, soft_wrap=True)
