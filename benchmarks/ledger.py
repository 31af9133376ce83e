"""What the ledger costs a trial, and `lge-sweep status` in all, as a sweep grows.

    python benchmarks/ledger.py                                        # 2000 trials in a journal
    python benchmarks/ledger.py --trials 10000 --ledger postgresql     # in a server of its own (initdb, pg_ctl)

Fills a sweep, then takes turns with a sweep that has as many trials as `FEW`, so that both see the same machine: the
median seconds of a trial (begin and complete, each synced to the disk) in either, and their ratio; the bytes of a
trial; and the seconds that reading all of it takes, in this process and as the command does it.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from postgres import start_postgres

from lge_sweep.config import Cell
from lge_sweep.engine.ledger import Ledger, read_ledger
from lge_sweep.engine.lock import hold_runs
from lge_sweep.run_store import LEDGER_VARIABLE, RunStore

MODELS = ("unet", "segnet", "deeplabv3plus_mobilenetv2", "deeplabv3plus_resnet50", "deeplabv3plus_xception")
LOSSES = ("weighted_ce", "dice", "focal", "dice_ce", "dice_focal")
OPTIMIZERS = ("adam", "sgdm")
NAME = "phase1-stage1-bench"
FEW, TURNS = 100, 60


class Filler:
    """A sweep in a runs directory, whose trials are begun and completed one after the other.

    Args:
        store: the runs directory, which the caller holds.
        check: as `hold_runs` gives it.
    """

    def __init__(self, store: RunStore, check: Callable[[], object], trials: int) -> None:
        """Open the ledger for so many trials."""
        seeds = range(-(-trials // (len(MODELS) * len(LOSSES) * len(OPTIMIZERS))))
        self.axes = {"model": MODELS, "loss": LOSSES, "optimizer": OPTIMIZERS, "seed": tuple(seeds)}
        self.cells = [Cell(1, *point) for point in itertools.product(MODELS, LOSSES, OPTIMIZERS, seeds)][:trials]
        self.left = iter(self.cells)
        self.ledger = Ledger(store, check)
        self.study = self.ledger.open(NAME, {"cells": [cell.name for cell in self.cells]})

    def do(self) -> float:
        """Begin and complete the next trial; returns how long that took, in seconds."""
        began = time.perf_counter()
        self.study.complete(self.study.start(next(self.left), self.axes), 0.5, [])
        return time.perf_counter() - began


def fill_one(store: RunStore, trials: int) -> None:
    """Fill one sweep."""
    with hold_runs(store) as check:
        filler = Filler(store, check, trials)
        for _ in range(trials):
            filler.do()
        filler.ledger.close()


def fill(many: RunStore, few: RunStore, trials: int) -> None:
    """Fill two sweeps, the last trials by turns, and print what a trial costs in either."""
    with hold_runs(many) as check, hold_runs(few) as check_few:
        large, small = Filler(many, check, trials), Filler(few, check_few, FEW + TURNS)
        for filler, number in ((large, trials - TURNS), (small, FEW)):
            for _ in range(number):
                filler.do()
        pairs = [(small.do(), large.do()) for _ in range(TURNS)]
        early, late = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"a trial: {early:.4f} s at {FEW}, {late:.4f} s at {trials}; ratio {late / early:.2f}", flush=True)
        large.ledger.close()
        small.ledger.close()


def show(store: RunStore) -> None:
    """Print what it takes to read a ledger."""
    began = time.perf_counter()
    read_ledger(store)
    print(f"read: {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    with Ledger(store) as ledger:
        ledger.open(NAME, {})
    print(f"opened to go on: {time.perf_counter() - began:.2f} s")
    command = [sys.executable, "-m", "lge_sweep.cli", "status", "--runs", str(store.root)]
    named = {LEDGER_VARIABLE: store.ledger} if store.ledger else {}
    took = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **named})
        took.append(time.perf_counter() - began)
    print(f"lge-sweep status: {min(took):.2f} s, the best of 3", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--ledger", default="journal", choices=("journal", "postgresql"))
    options = parser.parse_args()
    trials = max(options.trials, FEW + TURNS)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        stores = RunStore(Path(folder, "many")), RunStore(Path(folder, "few"))
        if options.ledger == "journal":
            fill(*stores, trials)
            print(f"a trial: {(stores[0].root / 'study.log').stat().st_size / trials:.0f} bytes")
            show(stores[0])
            return
        server = start_postgres(opened, synced=True)
        ((empty,),) = server.run("SELECT pg_database_size('postgres')")
        many, few = (RunStore(store.root, server.create(store.root.name)) for store in stores)
        fill(many, few, trials)
        ((size,),) = server.run("SELECT pg_database_size('many')")
        print(f"a trial: {(int(str(size)) - int(str(empty))) / trials:.0f} bytes of the database")
        show(many)


if __name__ == "__main__":
    main()
