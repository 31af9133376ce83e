"""What `lge-sweep status` prints."""

from collections import Counter
from pathlib import Path

from rich.table import Table

from lge_sweep.console import number
from lge_sweep.sweep.ledger import Entry, is_held, read_ledger
from lge_sweep.terminal import make_console


def _describe(entry: Entry) -> str:
    return entry.cell + (" (collapsed)" if entry.collapsed else "")


def print_status(runs: Path) -> None:
    """Print every sweep of a runs directory, and why cells failed."""
    console = make_console()
    sweeps = read_ledger(runs)
    if not sweeps:
        console.print(f"{runs}: no sweep yet; begin with 'make phase1' (lge-sweep phase1)")
        return
    held = is_held(runs)
    table = Table(title=f"sweeps in {runs}", title_justify="left")
    for column in ("sweep", "done", "running" if held else "stopped", "failed", "waiting", "best so far", "score"):
        table.add_column(column, overflow="fold", justify="left" if column in {"sweep", "best so far"} else "right")
    reasons = []
    for name, _, entries in sweeps:
        states = Counter(entry.state for entry in entries)
        done = [entry for entry in entries if entry.value is not None]
        best = max(done, key=lambda entry: (not entry.collapsed, entry.value or 0.0), default=None)
        numbers = [
            f"{states['complete'] + states['pruned']}/{len(entries)}",
            *(str(states[s]) for s in ("running", "failed", "waiting")),
        ]
        table.add_row(name, *numbers, _describe(best) if best else "", number(best.value) if best else "")
        reasons += [f"{name}, {entry.cell}: {entry.reason}" for entry in entries if entry.state == "failed"]
    console.print(table)
    for reason in reasons:
        console.print(f"failed: {reason}", soft_wrap=True)
    if not held:
        console.print("no driver is running; repeat a sweep's command to complete it")
