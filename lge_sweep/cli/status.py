"""What `lge-sweep status` prints."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from lge_sweep.cli.console import number
from lge_sweep.engine.ledger import CellState, is_held, read_ledger
from lge_sweep.paths import first_command
from lge_sweep.study.files import OUTCOME, SETTINGS
from lge_sweep.terminal import make_console
from lge_sweep.terminal_table import Column, print_table


def _describe(entry: CellState) -> str:
    return entry.cell + (" (collapsed)" if entry.collapsed else "")


def _unknown(runs: Path, known: Collection[str]) -> dict[str, int]:
    """Return the sweeps of which a lost ledger knows nothing, and how many of their cells are finished."""
    folders = [path.parent for path in sorted(runs.glob(f"*/{SETTINGS}")) if path.parent.name not in known]
    return {folder.name: done for folder in folders if (done := len(list(folder.glob(f"cells/*/{OUTCOME}"))))}


def print_status(runs: Path) -> None:
    """Print every sweep of a runs directory, and why cells failed."""
    console = make_console()
    sweeps = read_ledger(runs)
    unknown = _unknown(runs, {name for name, _, _ in sweeps})
    for name, finished in unknown.items():
        line = f"{name}: {finished} finished, not in the ledger; repeat its command to take them up"
        console.print(line, soft_wrap=True)
    if not sweeps and unknown:
        return
    if not sweeps:
        console.print(f"{runs}: no sweep yet; {first_command(runs)}", soft_wrap=True)
        return
    held = is_held(runs)
    columns = [
        Column("sweep", "text", key=True),
        *map(Column, ("done", "running" if held else "stopped", "failed", "waiting")),
        Column("best so far", "text"),
        Column("score"),
    ]
    rows: list[tuple[str, ...]] = []
    reasons = []
    for name, _, entries in sweeps:
        states = Counter(entry.state for entry in entries)
        done = [entry for entry in entries if entry.value is not None]
        best = max(done, key=lambda entry: (not entry.collapsed, entry.value or 0.0), default=None)
        numbers = [
            f"{states['complete'] + states['pruned']}/{len(entries)}",
            *(str(states[s]) for s in ("running", "failed", "waiting")),
        ]
        rows.append((name, *numbers, _describe(best) if best else "", number(best.value) if best else ""))
        reasons += [f"{name}, {entry.cell}: {entry.reason}" for entry in entries if entry.state == "failed"]
    print_table(console, columns, rows, f"sweeps in {runs}")
    for reason in reasons:
        console.print(f"failed: {reason}", soft_wrap=True)
    if not held:
        console.print("no driver is running; repeat a sweep's command to complete it", soft_wrap=True)
