"""How long commands take that do little, beside a Python that does nothing.

Command: .venv/bin/python benchmarks/startup.py [--full] [--rounds 5]

Wall time of whole processes: `python -c pass`; `lge-sweep --help`; `status` of an empty runs directory, and of one with
a ledger of 40 finished trials; `score` of the paper's Table IV. The commands take turns; the first turn, which may read
files from the disk, does not count.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ledger import fill_one
from section import CHECKOUT, Figure, Options, Section, program, ratios, run, run_alone, say

from lge_sweep.run_store import RunStore

TRIALS = 40
FLOOR = "python -c pass"


def measure(options: Options) -> Sequence[Section]:
    """Run every command so many times."""
    times = options.rounds or (15 if options.full else 5)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("empty", "small"):
            (place / name).mkdir()
        fill_one(RunStore(place / "small"), TRIALS)
        commands = {
            FLOOR: [sys.executable, "-c", "pass"],
            "lge-sweep --help": program("--help"),
            "lge-sweep status, empty": program("status", "--runs", place / "empty"),
            f"lge-sweep status, {TRIALS} trials": program("status", "--runs", place / "small"),
            "lge-sweep score": program("score", CHECKOUT / "docs" / "paper" / "table4_phase1.csv"),
        }
        found: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(times + 1):
            say(f"startup: {turn} of {times}")
            for name, command in commands.items():
                took = run(command, place / "log.txt")
                if turn:
                    found[name].append(took)
    figures = [Figure(name, "s", took) for name, took in found.items()]
    figures += [ratios(f"{name} / floor", took, found[FLOOR]) for name, took in found.items() if name != FLOOR]
    return [Section("startup: commands that do little", figures)]


if __name__ == "__main__":
    run_alone(__doc__, measure)
