"""Start many drivers on a new runs directory at the same moment: one is to work, the others are to be refused.

    python benchmarks/starts.py                          # 16 drivers, 10 times, ledger in a journal
    python benchmarks/starts.py --ledger postgresql      # in a PostgreSQL of its own, started for this (initdb, pg_ctl)
    python benchmarks/starts.py --ledger URL

With `--hosts` each driver sees the directory at a path of its own whose locks of files no other sees, as on hosts
whose file system does not share them: only the ledger's database keeps them apart. Exits with 1 if a repetition is not
as it should be.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from postgres import start_postgres

from lge_sweep.run_store import RunStore

DRIVE = """
import sys, time
from pathlib import Path
from lge_sweep.engine import Placement, drive
from lge_sweep.engine.observer import SilentObserver
from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore

store = RunStore(Path(sys.argv[1]), sys.argv[2] or None)
print("ready", flush=True)
sys.stdin.readline()
try:
    with drive(store, Placement("inline", None, 1, None), SilentObserver()) as driver:
        driver.ledger.open("phase1-stage1-start", {"cells": ["unet"]})
        print("driver", flush=True)
        sys.stdin.readline()
except RunsError as error:
    print("refused" if "another driver is using it: process " in str(error) else f"failed: {error}", flush=True)
"""
"""Loads what it needs, waits for a line, drives until another line comes, says what became of it."""


def directories(folder: Path, ledger: str | None, drivers: int, hosts: bool) -> list[Path]:
    """Return the runs directory as each driver sees it."""
    if not hosts:
        return [folder / "runs"] * drivers
    own = RunStore(folder / "0", ledger).own_id()
    seen = [folder / str(number) for number in range(drivers)]
    for path in seen:
        path.mkdir(exist_ok=True)
        (path / ".id").write_text(own)
    return seen


def start_all(places: list[Path], ledger: str | None) -> Counter[str]:
    """Start a driver a place at once; returns how many said what."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DRIVE, str(place), ledger or ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for place in places
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = Counter(process.stdout.readline().strip() for process in processes if process.stdout is not None)
    for process in processes:
        process.communicate("\n")
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drivers", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--ledger", default="journal", help="journal, postgresql or the URL of a database")
    parser.add_argument("--hosts", action="store_true")
    options = parser.parse_args()
    failed = 0
    with ExitStack() as opened:
        server = None
        if options.ledger == "postgresql":
            server = start_postgres(opened)
        for number in range(options.repetitions):
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
            ledger = None if options.ledger == "journal" else options.ledger
            if server is not None:
                ledger = server.create(f"starts{number}")
            began = time.monotonic()
            said = start_all(directories(folder, ledger, options.drivers, options.hosts), ledger)
            good = said == {"driver": 1, "refused": options.drivers - 1}
            failed += not good
            print(
                f"{number}: {json.dumps(said)} {'ok' if good else 'WRONG'} ({time.monotonic() - began:.0f} s)",
                flush=True,
            )
    print(f"{options.repetitions - failed} of {options.repetitions} repetitions passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
