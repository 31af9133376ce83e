"""What the ledger costs a trial, and `lge-sweep status` in all, as a sweep grows.

    python benchmarks/ledger.py                                        # 2000 trials in a journal
    python benchmarks/ledger.py --trials 10000 --ledger postgresql     # in a server of its own (initdb, pg_ctl)
    python benchmarks/ledger.py --trials 500 --ledger URL              # in a database

Prints seconds a trial (begin and complete, each synced to the disk) over the last trials before 100 and before the end,
their ratio, and the seconds that reading all of it takes, in this process and as the command does it.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from postgres import Postgres, why_none

from lge_sweep.config import Cell
from lge_sweep.engine.ledger import Ledger, read_ledger
from lge_sweep.engine.lock import hold_runs
from lge_sweep.run_store import LEDGER_VARIABLE, RunStore

MODELS = ("unet", "segnet", "deeplabv3plus_mobilenetv2", "deeplabv3plus_resnet50", "deeplabv3plus_xception")
LOSSES = ("weighted_ce", "dice", "focal", "dice_ce", "dice_focal")
OPTIMIZERS = ("adam", "sgdm")
LAST = 50


def measure(store: RunStore, trials: int) -> list[float]:
    """Begin and complete so many trials; returns when each was complete, in seconds."""
    seeds = range(-(-trials // (len(MODELS) * len(LOSSES) * len(OPTIMIZERS))))
    axes = {"model": MODELS, "loss": LOSSES, "optimizer": OPTIMIZERS, "seed": tuple(seeds)}
    points = itertools.islice(itertools.product(MODELS, LOSSES, OPTIMIZERS, seeds), trials)
    cells = [Cell(1, *point) for point in points]
    times = []
    with hold_runs(store) as check, Ledger(store, check) as ledger:
        study = ledger.open("phase1-stage1-bench", {"cells": [cell.name for cell in cells]})
        began = time.perf_counter()
        for cell in cells:
            study.complete(study.start(cell, axes), 0.5, [])
            times.append(time.perf_counter() - began)
    return times


def show(store: RunStore, trials: int) -> None:
    """Measure a ledger and print what it costs."""
    times = measure(store, trials)
    early = (times[99] - times[99 - LAST]) / LAST
    late = (times[-1] - times[-1 - LAST]) / LAST
    print(f"a trial: {early:.4f} s before 100, {late:.4f} s before {trials}; ratio {late / early:.2f}")
    if store.journal is not None:
        print(f"a trial: {store.journal.stat().st_size / trials:.0f} bytes")
    began = time.perf_counter()
    read_ledger(store)
    print(f"read: {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    with Ledger(store) as ledger:
        ledger.open("phase1-stage1-bench", {})
    print(f"opened to go on: {time.perf_counter() - began:.2f} s")
    command = [sys.executable, "-m", "lge_sweep.cli", "status", "--runs", str(store.root)]
    named = {LEDGER_VARIABLE: store.ledger} if store.ledger else {}
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **named})
    print(f"lge-sweep status: {time.perf_counter() - began:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--ledger", default="journal", help="journal, postgresql or the URL of a database")
    options = parser.parse_args()
    trials = max(options.trials, 2 * LAST)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        ledger = None if options.ledger == "journal" else options.ledger
        if ledger == "postgresql":
            if why := why_none():
                sys.exit(why)
            server = Postgres(synced=True)
            opened.callback(server.remove)
            server.start()
            ledger = server.create("ledger")
        show(RunStore(Path(folder), ledger), trials)
        if ledger is not None and options.ledger == "postgresql":
            ((size,),) = server.run("SELECT pg_database_size('ledger')")
            print(f"a trial: {int(str(size)) / trials:.0f} bytes of the database")


if __name__ == "__main__":
    main()
