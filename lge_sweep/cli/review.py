"""Look at finished sweeps again: select anew or by a person's choice, compare two cells."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from lge_sweep.choices import suggest
from lge_sweep.cli.console import print_comparison, print_outcome
from lge_sweep.config import Cell, configurations
from lge_sweep.engine.conclude import Decree, choose, conclude
from lge_sweep.engine.ledger import CellState, hold_runs, read_sweep
from lge_sweep.engine.publish import log_outcome, open_sweep, open_trial, trial_key
from lge_sweep.errors import ConfigError, DamagedError, RunsError
from lge_sweep.labels import class_names
from lge_sweep.metrics import Summary
from lge_sweep.pipeline.compare import COMPARISON, read_comparison
from lge_sweep.pipeline.records import ComparisonRecord
from lge_sweep.pipeline.results import side_by_side
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Ranked, Result, mean_of_all
from lge_sweep.scoring.paired import compare_tables
from lge_sweep.scoring.ranking import BEST, INTERVAL, ranking_frame, ranking_texts
from lge_sweep.scoring.uncertainty import Candidate, score_difference
from lge_sweep.study.cell_files import read_cell, read_per_image
from lge_sweep.study.files import OUTCOME, OVERRIDE, PER_IMAGE, SELECTION, SETTINGS
from lge_sweep.study.plan import Plan
from lge_sweep.study.plan_files import load_plan
from lge_sweep.study.records import (
    REMEDY,
    CellRecord,
    OverrideRecord,
    read_record,
    read_selection,
    set_damaged_aside,
    write_record,
)
from lge_sweep.study.results import read_result
from lge_sweep.terminal import make_console
from lge_sweep.terminal_table import print_markdown
from lge_sweep.text import escape_markdown, markdown_table, shorten, visible
from lge_sweep.tracking import TrackedRun, Tracker, finishing

FORMS = ("image_mean", "pooled", "present_only")


def select_again(
    sweep: str, runs: Path, name: str | None, reason: str, withdraw: bool = False, allow_incomplete: bool = False
) -> None:
    """Select in a finished sweep again, perhaps by a person's choice, and print the outcome.

    Args:
        sweep: folder or name of the sweep, or the id of its MLflow run.
        runs: the runs directory.
        name: configuration (or cell) to select whatever the rule says; kept until withdrawn.
        reason: why.
        withdraw: go back to the rule's choice.
        allow_incomplete: select although cells have no result.

    Raises:
        ConfigError: the configuration is unknown, collapsed or selected anyway, or the options contradict each other.
        RunsError: there is no such sweep, or a driver is using the runs directory.
        SelectionError: cells have no result.
    """
    if withdraw and name is not None:
        raise ConfigError("--withdraw goes back to the rule's choice, --override away from it: give one of them")
    if reason and name is None:
        raise ConfigError("--reason is the reason of an override: give --override too")
    folder, reason = find_sweep(sweep, runs), visible(reason)
    runs = folder.parent
    with hold_runs(runs):
        plan = load_plan(folder)
        if plan.config.fit:
            raise ConfigError(
                f"{plan.name}: phase 3 selects nothing, it compares pipelines (lge-sweep table {plan.name}); to ship "
                "another one: lge-sweep phase3 --set fit.shipped.stage2=cropped (see sweeps/phase3.yaml)"
            )
        if name is not None:  # a cell stands for its configuration
            name = next((cell.configuration for cell in plan.cells if cell.name == name), name)
        tracker = Tracker(RunStore.open(runs))
        run = open_sweep(tracker, plan)
        with finishing(run):
            entries = read_sweep(runs, plan.name)
            results = _results(tracker, plan, entries, run)
            failed = {cell: why for cell, why in _reasons(plan, entries).items() if cell not in results}
            plan = replace(plan, cells=tuple(cell for cell in plan.cells if cell.trial is None or cell.name in results))
            if withdraw or name is not None:
                choose(plan, results, failed, allow_incomplete, Decree(name, reason))  # a wrong one changes nothing
                set_damaged_aside(folder / OVERRIDE, partial(read_record, OverrideRecord))
                (folder / OVERRIDE).unlink(missing_ok=True)
            if name is not None:
                write_record(folder / OVERRIDE, OverrideRecord(name=name, reason=reason))
            outcome = conclude(tracker, plan, results, failed, run, allow_incomplete, promote=True)
    print_outcome(make_console(), plan.title, outcome)


def _results(tracker: Tracker, plan: Plan, entries: Mapping[str, CellState], run: TrackedRun) -> dict[str, Result]:
    """Read the finished cells of a sweep, and show in MLflow those that it has lost."""
    trials = {name: entry.trial or 0 for name, entry in entries.items() if entry.state == "complete"}
    results = {}
    for cell in plan.cells:
        if not (plan.cell_folder(cell) / OUTCOME).is_file() or (cell.trial is not None and cell.name not in trials):
            continue
        trial = trials.get(cell.name, 0)
        if tracker.find(trial_key(plan, cell, trial)) is None:
            results[cell.name] = log_outcome(open_trial(tracker, plan, cell, trial, run), plan, cell)
        else:
            results[cell.name] = read_result(read_cell(plan.cell_folder(cell), cell, plan.name), plan, cell)
    return results


def compare_cells(first: str, second: str, runs: Path) -> None:
    """Print a paired comparison of two cells, per image and per case.

    Args:
        first: folder of a cell, its name, or `SWEEP/CELL`.
        second: the same.
        runs: the runs directory.

    Raises:
        ConfigError: a cell is unknown, its name is not unique, or the two were not measured on the same images.
    """
    folders = [find_cell(name, runs) for name in (first, second)]
    plans = [load_plan(folder.parent.parent) for folder in folders]
    if any(plan.config.fit for plan in plans):
        raise ConfigError(
            "cells of phase 3 see different pictures of the same slices; their pipelines are compared by final labels, "
            "in comparison.json and val/*.csv of its folder"
        )
    if folders[0].resolve() == folders[1].resolve():
        raise ConfigError(f"{first} and {second} are the same cell")
    if plans[0].config.stage != plans[1].config.stage:
        raise ConfigError("the cells are of different stages, whose classes differ; compare within a stage")
    if plans[0].config.metrics != plans[1].config.metrics:
        raise ConfigError("the cells were measured differently (metrics.bf_tolerance or metrics.empty of their sweeps)")
    tables = [read_per_image(folder / PER_IMAGE) for folder in folders]
    names = (folders[0].name, folders[1].name)
    if names[0] == names[1]:
        names = (f"{plans[0].name}/{names[0]}", f"{plans[1].name}/{names[1]}")
    rule = plans[0].config.selection
    pairs = compare_tables(tables[0], tables[1], rule.emphasis, names)
    a, b = (Candidate(name, [table]) for name, table in zip(names, tables, strict=True))
    print_comparison(make_console(), names, rule.rule, score_difference(a, b, rule.rule, rule.emphasis), pairs)


def print_table(sweep: str, runs: Path) -> None:
    """Print a finished sweep as a Markdown table: scores with their doubt, and each foreground class's Dice three ways.

    Dice is given as image mean / pooled / present_only (see `lge_sweep.metrics.summary`), averaged over seeds. Of
    phase 3, which selects nothing, it is the table of pipelines on the validation subset.

    Args:
        sweep: folder or name of the sweep, or the id of its MLflow run.
        runs: the runs directory.

    Raises:
        RunsError: there is no such sweep, or it has no selection yet.
    """
    folder = find_sweep(sweep, runs)
    plan, command = load_plan(folder), shlex.join(["lge-sweep", "table", sweep, "--runs", str(runs)])
    wanted = COMPARISON if plan.config.fit else SELECTION
    if not (folder / wanted).is_file():
        raise RunsError(f"{folder}: has no {wanted} yet; repeat the sweep's command to complete it")
    if plan.config.fit:
        record = read_record(ComparisonRecord, folder / COMPARISON)
        table = side_by_side(read_comparison(plan, folder, record)).markdown
        print_markdown(make_console(), table, command)
        return
    print_markdown(make_console(), _selection_table(plan, folder), command)


def _selection_table(plan: Plan, folder: Path) -> str:
    """Return the ranking of phases 1 and 2 as Markdown, between what it comes to and its notes."""
    selection = read_selection(folder / SELECTION)
    known = {standing.name for standing in selection.uncertainty.standings}
    if lost := [entry.name for entry in selection.ranking if entry.name not in known]:
        raise DamagedError(folder / SELECTION, f"uncertainty.standings: there is no {shorten(lost[0])}", REMEDY)
    frame = ranking_frame(selection.ranking, selection.uncertainty.standings)
    texts = ranking_texts(frame, selection.rule)[["rank", "configuration", "score", INTERVAL, BEST]]
    texts["configuration"] = texts["configuration"].map(escape_markdown)
    classes, groups = class_names(plan.config.stage)[1:], configurations(plan.cells)
    dice = [_dice(_summaries(plan, groups.get(entry.name, [])), classes) for entry in selection.ranking]
    texts[[f"{name} Dice" for name in classes]] = dice
    texts[""] = [_remarks(entry) for entry in selection.ranking]
    header = ["", *texts.columns.tolist()[1:]]
    table = markdown_table(header, texts.itertuples(index=False, name=None), left=("configuration", ""))
    notes = (*selection.notes, *selection.uncertainty.notes)
    listed = (f"- {escape_markdown(note)}" for note in notes)
    return "\n".join([f"{selection.uncertainty.sentence}.", "", table, "", *listed])


def _remarks(entry: Ranked) -> str:
    collapsed = [f"collapsed: {', '.join(entry.collapsed)}"] * bool(entry.collapsed)
    return ", ".join(["**selected**"] * entry.selected + collapsed)


def _summaries(plan: Plan, cells: Sequence[Cell]) -> list[Summary]:
    """Return what was measured of a configuration's cells; a removed folder of a search's trial has nothing."""
    outcomes = [plan.cell_folder(cell) / OUTCOME for cell in cells]
    return [read_record(CellRecord, path).summary for path in outcomes if path.is_file()]


def _dice(summaries: Sequence[Summary], classes: Sequence[str]) -> list[str]:
    """Return each class's Dice in three forms, averaged over seeds."""
    values = {form: [getattr(summary, form)["dice"] for summary in summaries] for form in FORMS}
    return [" / ".join(_mean([by_class[name] for by_class in values[form]]) for form in FORMS) for name in classes]


def _mean(values: Sequence[float | None]) -> str:
    mean = mean_of_all(values)
    return "-" if mean is None else f"{mean:.3f}"


def find_sweep(sweep: str, runs: Path) -> Path:
    """Return the folder of a sweep: given as a folder, a name, or the id of its MLflow run.

    Raises:
        RunsError: there is none.
    """
    folder = next((folder for folder in (Path(sweep), runs / sweep) if (folder / SETTINGS).is_file()), None)
    if folder is None and RunStore.open(runs).is_tracked:
        with suppress(KeyError):
            folder = runs / Tracker(RunStore.open(runs)).tags_of(sweep)["sweep"]
    if folder is None or not (folder / SETTINGS).is_file():
        known = [folder.name for folder in _sweeps(runs)]
        near = suggest(sweep, known) if known else "there is none yet"
        raise RunsError(f"no sweep '{shorten(sweep)}' in {runs}: {near}")
    return folder.resolve()


def find_cell(name: str, runs: Path) -> Path:
    """Return the folder of a finished cell: given as a folder, as `SWEEP/CELL`, or by a name that is unique.

    Raises:
        ConfigError: there is none, or several.
    """
    if (Path(name) / OUTCOME).is_file():
        return Path(name).resolve()
    sweep, _, cell = name.rpartition("/")
    finished = [outcome.parent for folder in _sweeps(runs) for outcome in sorted(folder.glob(f"cells/*/{OUTCOME}"))]
    found = [folder for folder in finished if folder.name == cell and (not sweep or folder.parent.parent.name == sweep)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{folder.parent.parent.name}/{folder.name}" for folder in found)
        raise ConfigError(f"several cells are named '{shorten(name)}'; say which: {listed}")
    known = {folder.name for folder in finished}
    near = suggest(cell, known) if known else "there is none yet"
    raise ConfigError(f"no finished cell '{shorten(name)}' in {runs}: {near}")


def _sweeps(runs: Path) -> Sequence[Path]:
    return sorted(path.parent for path in runs.glob(f"*/{SETTINGS}"))


def _reasons(plan: Plan, entries: Mapping[str, CellState]) -> dict[str, str]:
    """Say of each cell why it may have no result."""
    reasons = {}
    if plan.config.search is not None:
        done = sum(entry.state in {"complete", "pruned"} for entry in entries.values())
        missing = plan.config.search.trials - done
        return {f"{missing} of {plan.config.search.trials} trials": "were not completed"} if missing > 0 else {}
    for cell in plan.cells:
        entry = entries.get(cell.name)
        if entry is None or entry.state == "waiting":
            reasons[cell.name] = "was never run"
        elif entry.state == "complete":
            reasons[cell.name] = "its results were removed"
        else:
            reasons[cell.name] = entry.reason or "was stopped before its end"
    return reasons
