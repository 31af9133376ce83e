"""Look at finished sweeps again: select anew or by a person's choice, compare two cells."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd

from lge_sweep.choices import suggest
from lge_sweep.config import configurations
from lge_sweep.console import make_console, print_comparison, print_outcome
from lge_sweep.errors import ConfigError, RunsError, SelectionError
from lge_sweep.labels import class_names
from lge_sweep.scoring.doubt import Candidate, score_difference
from lge_sweep.scoring.paired import compare_tables
from lge_sweep.sweep.files import OUTCOME, OVERRIDE, PER_IMAGE, SELECTION, read_json, write_json
from lge_sweep.sweep.finish import choose, finish_sweep
from lge_sweep.sweep.ledger import hold_runs, read_ledger
from lge_sweep.sweep.plan import SETTINGS, Plan, load_plan
from lge_sweep.sweep.publish import open_sweep, read_result
from lge_sweep.tracking import Tracker

FORMS = ("image_mean", "pooled", "positive")


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
        ConfigError: the configuration is unknown or collapsed, or there is no reason.
        RunsError: there is no such sweep, or a driver is using the runs directory.
        SelectionError: cells have no result.
    """
    folder = find_sweep(sweep, runs)
    runs = folder.parent
    with hold_runs(runs):
        plan = load_plan(folder)
        results = {
            cell.name: read_result(read_json(plan.cell_folder(cell) / OUTCOME), cell)
            for cell in plan.cells
            if (plan.cell_folder(cell) / OUTCOME).is_file()
        }
        failed = {cell: reason for cell, reason in _reasons(runs, plan).items() if cell not in results}
        kept = read_json(folder / OVERRIDE) if (folder / OVERRIDE).is_file() else None
        if withdraw:
            (folder / OVERRIDE).unlink(missing_ok=True)
        elif name is not None:
            write_json(folder / OVERRIDE, {"name": name, "reason": reason})
        try:
            choose(plan, results, failed, allow_incomplete)
        except (ConfigError, SelectionError):  # a choice that cannot be made leaves everything as it was
            if kept is None:
                (folder / OVERRIDE).unlink(missing_ok=True)
            else:
                write_json(folder / OVERRIDE, kept)
            raise
        tracker = Tracker(runs)
        run = open_sweep(tracker, plan)
        outcome = finish_sweep(tracker, plan, results, failed, run, allow_incomplete)
    title = f"{plan.config.phase} stage {plan.config.stage}: {plan.config.data}, {plan.config.profile}"
    print_outcome(make_console(), title, outcome)


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
    if folders[0].resolve() == folders[1].resolve():
        raise ConfigError(f"{first} and {second} are the same cell")
    if plans[0].config.stage != plans[1].config.stage:
        raise ConfigError("the cells are of different stages, whose classes differ; compare within a stage")
    tables = [pd.read_csv(folder / PER_IMAGE, dtype={"image": str, "case": str}) for folder in folders]
    names = (folders[0].name, folders[1].name)
    if names[0] == names[1]:
        names = tuple(f"{folder.parent.parent.name}/{folder.name}" for folder in folders)  # type: ignore[assignment]
    rule = plans[0].config.selection
    pairs = compare_tables(tables[0], tables[1], rule.emphasis, names)
    a, b = (Candidate(name, [table]) for name, table in zip(names, tables, strict=True))
    print_comparison(make_console(), names, rule.rule, score_difference(a, b, rule.rule, rule.emphasis), pairs)


def print_table(sweep: str, runs: Path) -> None:
    """Print a finished sweep as a Markdown table: scores with their doubt, and each foreground class's Dice three ways.

    Dice is given as image mean / pooled / positive (see `lge_sweep.metrics.summary`), averaged over seeds.

    Args:
        sweep: folder or name of the sweep, or the id of its MLflow run.
        runs: the runs directory.

    Raises:
        RunsError: there is no such sweep, or it has no selection yet.
    """
    folder = find_sweep(sweep, runs)
    if not (folder / SELECTION).is_file():
        raise RunsError(f"{folder}: has no selection yet; repeat the sweep's command to complete it")
    plan, selection = load_plan(folder), read_json(folder / SELECTION)
    classes = class_names(plan.config.stage)[1:]
    standings = {standing["name"]: standing for standing in selection["doubt"]["standings"]}
    groups = configurations(plan.cells)
    header = ["", "configuration", "score", "95 % interval", "P(best)", *(f"{name} Dice" for name in classes), ""]
    print(f"{selection['doubt']['sentence'][0].upper()}{selection['doubt']['sentence'][1:]}.\n")
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for entry in selection["ranking"]:
        standing = standings[entry["name"]]
        outcomes = [
            read_json(plan.cell_folder(cell) / OUTCOME)["summary"]
            for cell in groups[entry["name"]]
            if (plan.cell_folder(cell) / OUTCOME).is_file()
        ]
        dice = [" / ".join(_mean([o[form]["dice"][name] for o in outcomes]) for form in FORMS) for name in classes]
        interval = "-" if standing["low"] is None else f"{standing['low']:.3f} to {standing['high']:.3f}"
        chance = "-" if standing["best"] is None else f"{standing['best']:.2f}"
        remarks = ["**selected**"] * entry["selected"] + [f"collapsed: {', '.join(entry['collapsed'])}"] * bool(
            entry["collapsed"]
        )
        row = [str(entry["rank"]), entry["name"], f"{entry['score']:.4f}", interval, chance, *dice, ", ".join(remarks)]
        print("| " + " | ".join(row) + " |")
    print()
    for note in (*selection["notes"], *selection["doubt"]["notes"]):
        print(f"- {note}")


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.3f}" if len(known) == len(values) else "-"


def find_sweep(sweep: str, runs: Path) -> Path:
    """Return the folder of a sweep: given as a folder, a name, or the id of its MLflow run.

    Raises:
        RunsError: there is none.
    """
    for folder in (Path(sweep), runs / sweep):
        if (folder / SETTINGS).is_file():
            return folder
    if (runs / "mlflow.db").is_file():
        with suppress(KeyError):
            name = Tracker(runs).tags_of(sweep)["sweep"]
            if (runs / name / SETTINGS).is_file():
                return runs / name
    known = [folder.name for folder in _sweeps(runs)]
    raise RunsError(f"no sweep '{sweep}' in {runs}: {suggest(sweep, known) if known else 'there is none yet'}")


def find_cell(name: str, runs: Path) -> Path:
    """Return the folder of a finished cell: given as a folder, as `SWEEP/CELL`, or by a name that is unique.

    Raises:
        ConfigError: there is none, or several.
    """
    if (Path(name) / OUTCOME).is_file():
        return Path(name)
    sweep, _, cell = name.rpartition("/")
    finished = [outcome.parent for folder in _sweeps(runs) for outcome in sorted(folder.glob(f"cells/*/{OUTCOME}"))]
    found = [folder for folder in finished if folder.name == cell and (not sweep or folder.parent.parent.name == sweep)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{folder.parent.parent.name}/{folder.name}" for folder in found)
        raise ConfigError(f"several cells are named '{name}'; say which: {listed}")
    known = {folder.name for folder in finished}
    raise ConfigError(f"no finished cell '{name}' in {runs}: {suggest(cell, known) if known else 'there is none yet'}")


def _sweeps(runs: Path) -> Sequence[Path]:
    return sorted(path.parent for path in runs.glob(f"*/{SETTINGS}"))


def _reasons(runs: Path, plan: Plan) -> dict[str, str]:
    """Say of each cell why it may have no result."""
    known = {name: entries for name, _, entries in read_ledger(runs)}
    reasons = {entry.cell: entry.reason or f"is {entry.state}" for entry in known.get(plan.name, [])}
    return {cell.name: reasons.get(cell.name, "was never run") for cell in plan.cells}
