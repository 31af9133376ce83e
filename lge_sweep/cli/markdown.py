"""A finished sweep as a Markdown table."""

import shlex
from collections.abc import Sequence

from lge_sweep.cli.find import find_sweep
from lge_sweep.cli.terminal import Terminal
from lge_sweep.cli.terminal_table import print_markdown
from lge_sweep.config import Cell, configurations
from lge_sweep.errors import DamagedError, RunsError
from lge_sweep.labels import class_names
from lge_sweep.metrics.summary import Summary
from lge_sweep.pipeline.compare import read_comparison
from lge_sweep.pipeline.records import ComparisonRecord
from lge_sweep.pipeline.results import side_by_side
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Ranked, mean_of_all
from lge_sweep.scoring.uncertainty import Standing
from lge_sweep.scoring.wording import chance, interval
from lge_sweep.study.plan import Plan
from lge_sweep.study.plan_files import load_plan
from lge_sweep.study.records import REMEDY, CellRecord, read_record, read_selection
from lge_sweep.text import escape_markdown, shorten

FORMS = ("image_mean", "pooled", "present_only")


def print_sweep(console: Terminal, sweep: str, store: RunStore) -> None:
    """Print a finished sweep as a Markdown table: scores with their doubt, and each foreground class's Dice three ways.

    Dice is given as image mean / pooled / present_only (see `lge_sweep.metrics.summary`), averaged over seeds. Of
    phase 3, which selects nothing, it is the table of pipelines on the validation subset.

    Args:
        console: where to print.
        sweep: folder or name of the sweep, or the id of its MLflow run.
        store: the runs directory.

    Raises:
        RunsError: there is no such sweep, or it has no selection yet.
    """
    plan = load_plan(find_sweep(sweep, store))
    wanted = plan.files.comparison if plan.config.fit else plan.files.selection
    if not wanted.is_file():
        raise RunsError(f"{plan.folder}: has no {wanted.name} yet; repeat the sweep's command to complete it")
    if plan.config.fit:
        record = read_record(ComparisonRecord, wanted)
        text = side_by_side(read_comparison(plan, plan.files, record)).markdown
    else:
        text = _selection_table(plan)
    print_markdown(console, text, shlex.join(["lge-sweep", "table", sweep, "--runs", str(store.root)]))


def _selection_table(plan: Plan) -> str:
    """Return the ranking of phases 1 and 2 as Markdown, between what it comes to and its notes."""
    selection = read_selection(plan.files.selection)
    classes = class_names(plan.config.stage)[1:]
    standings = {standing.name: standing for standing in selection.uncertainty.standings}
    groups = configurations(plan.cells)
    header = ["", "configuration", "score", "95 % interval", "P(best)", *(f"{name} Dice" for name in classes), ""]
    rules = ["---" if title in {"configuration", ""} else "---:" for title in header]
    lines = [f"{selection.uncertainty.sentence}.", "", f"| {' | '.join(header)} |", f"| {' | '.join(rules)} |"]
    for entry in selection.ranking:
        standing = standings.get(entry.name)
        if standing is None:
            reason = f"uncertainty.standings: there is no {shorten(entry.name)}"
            raise DamagedError(plan.files.selection, reason, REMEDY)
        summaries = _summaries(plan, groups.get(entry.name, []))
        lines.append(f"| {' | '.join(_row(entry, standing, _dice(summaries, classes)))} |")
    lines += ["", *(f"- {escape_markdown(note)}" for note in (*selection.notes, *selection.uncertainty.notes))]
    return "\n".join(lines)


def _row(entry: Ranked, standing: Standing, dice: Sequence[str]) -> list[str]:
    collapsed = [f"collapsed: {', '.join(entry.collapsed)}"] * bool(entry.collapsed)
    remarks = ", ".join(["**selected**"] * entry.selected + collapsed)
    bounds, best = interval(standing.low, standing.high), chance(standing.best)
    return [str(entry.rank), escape_markdown(entry.name), f"{entry.score:.4f}", bounds, best, *dice, remarks]


def _summaries(plan: Plan, cells: Sequence[Cell]) -> list[Summary]:
    """Return what was measured of a configuration's cells; a removed folder of a search's trial has nothing."""
    outcomes = [plan.files.cell(cell.name).outcome for cell in cells]
    return [read_record(CellRecord, path).summary for path in outcomes if path.is_file()]


def _dice(summaries: Sequence[Summary], classes: Sequence[str]) -> list[str]:
    """Return each class's Dice in three forms, averaged over seeds."""
    values = {form: [getattr(summary, form)["dice"] for summary in summaries] for form in FORMS}
    return [" / ".join(_mean([by_class[name] for by_class in values[form]]) for form in FORMS) for name in classes]


def _mean(values: Sequence[float | None]) -> str:
    mean = mean_of_all(values)
    return "-" if mean is None else f"{mean:.3f}"
