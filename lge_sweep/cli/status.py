"""What `lge-sweep status` prints."""

import time
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from lge_sweep.cli.terminal import Terminal
from lge_sweep.cli.terminal_table import Column, print_table
from lge_sweep.engine import CellState, is_held, read_ledger
from lge_sweep.errors import RunsError
from lge_sweep.paths import first_command
from lge_sweep.run_store import LEDGER_VARIABLE, RunStore
from lge_sweep.study import is_of_earlier_version
from lge_sweep.text import format_number

if TYPE_CHECKING:
    from lge_sweep.engine import SweepEntries

TAKE_UP = "repeat its command to take them up"
EVERY, SHARE = 3.0, 5.0
"""Seconds between two looks at the ledger, and how many times as long as a look takes, at least."""


def _describe(entry: CellState, front: int) -> str:
    """Name the best cell, and of a search with several objectives how many trials there are to choose from."""
    said = ["collapsed"] * bool(entry.collapsed) + [f"{front} on the front"] * bool(front)
    return entry.cell + (f" ({', '.join(said)})" if said else "")


def _unknown(store: RunStore, known: Collection[str]) -> dict[str, int]:
    """Return the sweeps of which a lost ledger knows nothing, and how many of their cells are finished."""
    unknown = [sweep for sweep in store.sweeps() if sweep.name not in known]
    return {sweep.name: done for sweep in unknown if (done := len(sweep.finished()))}


def _is_complete(store: RunStore, sweep: "SweepEntries") -> bool:
    """Whether a sweep's command would do nothing more: its cells are done, and what comes of them is there."""
    files, about = store.sweep(sweep.name), sweep.about
    done = sum(cell.state in {"complete", "pruned"} for cell in sweep.cells)
    if done < about.get("trials", len(sweep.cells)):
        return False
    if about.get("phase") != "phase3":
        return files.selection.is_file()
    return about.get("stage") == 1 or files.comparison.is_file()  # of folds nothing else comes


def _words_of_jobs(store: RunStore) -> list[str]:
    """Say which jobs of a cluster still work for a runs directory, a sentence an executor."""
    if not store.slurm.is_dir():
        return []
    from lge_sweep.engine import find_live_jobs  # loads settings, which `status` needs for nothing else

    return [jobs.words for jobs in find_live_jobs(store).values()]


def print_status(console: Terminal, store: RunStore) -> None:
    """Print every sweep of a runs directory, and why cells failed."""
    runs, sweeps = store.root, read_ledger(store)
    earlier = [sweep.name for sweep in store.sweeps() if is_of_earlier_version(sweep.settings)]
    if earlier:
        console.note(f"of an earlier version, whose sweeps this one runs anew, under other names: {', '.join(earlier)}")
    unknown = _unknown(store, {*earlier, *(name for name, _, _ in sweeps)})
    held = is_held(store)
    remedy = f"a driver is at work, with another ledger ({LEDGER_VARIABLE})" if held and not sweeps else TAKE_UP
    for name, finished in unknown.items():
        console.print_line(f"{name}: {finished} finished, not in the ledger; {remedy}")
    if not sweeps and (unknown or earlier):
        return
    if not sweeps:
        begun = "a driver is at work, and its ledger has no sweep yet" if held else first_command(runs)
        console.print_line(f"{runs}: no sweep yet; {begun}")
        return
    jobs = _words_of_jobs(store)
    columns = [
        Column("sweep", "text", key=True),
        *map(Column, ("done", "running" if held or jobs else "stopped", "failed", "waiting")),
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
        front = sum(entry.on_front for entry in entries)
        rows.append((name, *numbers, _describe(best, front) if best else "", format_number(best.value) if best else ""))
        reasons += [f"{name}, {entry.cell}: {entry.reason}" for entry in entries if entry.state == "failed"]
    print_table(console, columns, rows, f"sweeps in {runs}")
    for reason in reasons:
        console.print_line(f"failed: {reason}")
    console.lines(jobs)
    if held:
        return
    if unknown or not all(_is_complete(store, sweep) for sweep in sweeps):
        console.explain("no driver is running; repeat a sweep's command to complete it")
    else:
        console.explain("no driver is running, and nothing is left to do")


def watch_status(console: Terminal, store: RunStore) -> None:
    """Print every sweep again and again, in place where that is a terminal, until Ctrl-C.

    The ledger is only read. Where it cannot be read now (a server that is restarted), that is shown in its place.
    """
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            began = time.monotonic()
            with console.capture() as shown:
                console.print_line(f"{time.strftime('%H:%M:%S')}, Ctrl-C to stop", style="dim")
                try:
                    print_status(console, store)
                except RunsError as error:
                    console.print_line(str(error), style="red")
            if console.is_terminal:
                live.update(Text.from_ansi(shown.get()), refresh=True)
            else:
                console.lines(shown.get().splitlines())
            time.sleep(max(EVERY, SHARE * (time.monotonic() - began)))
