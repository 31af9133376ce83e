"""What the ledger costs a trial, and `lge-sweep status` in all, as a sweep grows.

    python benchmarks/ledger.py            # 2000 trials
    python benchmarks/ledger.py --trials 500

Prints seconds a trial (begin and complete, each synced to the disk) over the last trials before 100 and before the end,
their ratio, and the seconds that reading all of it takes, in this process and as the command does it.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lge_sweep.config import Cell
from lge_sweep.engine.ledger import Ledger, read_ledger
from lge_sweep.run_store import RunStore

MODELS = ("unet", "segnet", "deeplabv3plus_mobilenetv2", "deeplabv3plus_resnet50", "deeplabv3plus_xception")
LOSSES = ("weighted_ce", "dice", "focal", "dice_ce", "dice_focal")
OPTIMIZERS = ("adam", "sgdm")
LAST = 50


def measure(runs: Path, trials: int) -> list[float]:
    """Begin and complete so many trials; returns when each was complete, in seconds."""
    seeds = range(-(-trials // (len(MODELS) * len(LOSSES) * len(OPTIMIZERS))))
    axes = {"model": MODELS, "loss": LOSSES, "optimizer": OPTIMIZERS, "seed": tuple(seeds)}
    points = itertools.islice(itertools.product(MODELS, LOSSES, OPTIMIZERS, seeds), trials)
    cells = [Cell(1, *point) for point in points]
    study = Ledger(RunStore(runs)).open("phase1-stage1-bench", {"cells": [cell.name for cell in cells]})
    began, times = time.perf_counter(), []
    for cell in cells:
        study.complete(study.start(cell, axes), 0.5, [])
        times.append(time.perf_counter() - began)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    trials = max(parser.parse_args().trials, 2 * LAST)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        times = measure(runs, trials)
        early = (times[99] - times[99 - LAST]) / LAST
        late = (times[-1] - times[-1 - LAST]) / LAST
        print(f"a trial: {early:.4f} s before 100, {late:.4f} s before {trials}; ratio {late / early:.2f}")
        began = time.perf_counter()
        read_ledger(RunStore(runs))
        print(f"read: {time.perf_counter() - began:.2f} s")
        began = time.perf_counter()
        command = [sys.executable, "-m", "lge_sweep.cli", "status", "--runs", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(f"lge-sweep status: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
