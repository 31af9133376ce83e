"""A finished sweep as a Markdown table."""

import shlex
from collections.abc import Sequence

from lge_sweep.api import find_sweep, result_file
from lge_sweep.cli.terminal import Terminal
from lge_sweep.cli.terminal_table import print_markdown
from lge_sweep.config import Cell, configurations
from lge_sweep.engine import search_front
from lge_sweep.errors import DamagedError
from lge_sweep.labels import class_names
from lge_sweep.metrics import AGGREGATES, Summary
from lge_sweep.pipeline import ComparisonRecord, read_comparison, side_by_side
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import BEST, INTERVAL, Ranked, front_markdown, mean_of_all, ranking_frame, ranking_texts
from lge_sweep.study import REMEDY, CellRecord, Plan, load_plan, read_record, read_selection
from lge_sweep.text import escape_markdown, markdown_table, shorten


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
    plan = load_plan(find_sweep(sweep, store).path)
    wanted = result_file(plan)
    if plan.config.fit:
        record = read_record(ComparisonRecord, wanted)
        text = side_by_side(read_comparison(plan, plan.files, record)).markdown
    else:
        text = _selection_table(plan)
    print_markdown(console, text, shlex.join(["lge-sweep", "table", sweep, "--runs", str(store.root)]))


def _selection_table(plan: Plan) -> str:
    """Return the ranking of phases 1 and 2 as Markdown, between what it comes to and its notes."""
    selection = read_selection(plan.files.selection)
    known = {standing.name for standing in selection.uncertainty.standings}
    if lost := [entry.name for entry in selection.ranking if entry.name not in known]:
        raise DamagedError(plan.files.selection, f"uncertainty.standings: there is no {shorten(lost[0])}", REMEDY)
    frame = ranking_frame(selection.ranking, selection.uncertainty)
    texts = ranking_texts(frame, selection.rule)[["rank", "configuration", "score", INTERVAL, BEST]]
    texts["configuration"] = texts["configuration"].map(escape_markdown)
    classes, groups = class_names(plan.config.stage)[1:], configurations(plan.cells)
    dice = [_dice(_summaries(plan, groups.get(entry.name, [])), classes) for entry in selection.ranking]
    texts[[f"{name} Dice" for name in classes]] = dice
    texts[""] = [_remarks(entry) for entry in selection.ranking]
    header = ["", *texts.columns.tolist()[1:]]
    table = markdown_table(header, texts.itertuples(index=False, name=None), left=("configuration", ""))
    notes = [f"- {escape_markdown(note)}" for note in (*selection.notes, *selection.uncertainty.notes)]
    front = search_front(plan)
    head = [] if front is None else [f"{front.sentence}.", "", front_markdown(front, selection.selected[0]), ""]
    return "\n".join([*head, f"{selection.uncertainty.sentence}.", "", table, "", *notes])


def _remarks(entry: Ranked) -> str:
    collapsed = [f"collapsed: {', '.join(entry.collapsed)}"] * bool(entry.collapsed)
    return ", ".join(["**selected**"] * entry.selected + collapsed)


def _summaries(plan: Plan, cells: Sequence[Cell]) -> list[Summary]:
    """Return what was measured of a configuration's cells; a removed folder of a search's trial has nothing."""
    outcomes = [plan.cell_files(cell).outcome for cell in cells]
    return [read_record(CellRecord, path).summary for path in outcomes if path.is_file()]


def _dice(summaries: Sequence[Summary], classes: Sequence[str]) -> list[str]:
    """Return each class's Dice in three forms, averaged over seeds."""
    values = {form: [getattr(summary, form)["dice"] for summary in summaries] for form in AGGREGATES}
    return [" / ".join(_mean([by_class[name] for by_class in values[form]]) for form in AGGREGATES) for name in classes]


def _mean(values: Sequence[float | None]) -> str:
    mean = mean_of_all(values)
    return "-" if mean is None else f"{mean:.3f}"
