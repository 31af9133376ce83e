"""What Ray costs a cell, and that no cell is done twice, on a cluster that is started on this machine.

    python benchmarks/ray_cells.py                # 20 cells on each executor, then 5 times 100 cells by 8 workers
    python benchmarks/ray_cells.py --times 1

Needs Ray (`pip install 'lge_sweep[ray]'`). First the time from a task's submission to its end, of a cell that is
finished already, so that nothing is trained, with one worker that has loaded its libraries: `local`, `ray`, and `ray
apart`, whose worker does not see the runs directory and gets and sends the cell's files, 100 MiB. Then cells that are
done at once, by workers that share the processors: each must be executed once and be complete once in the ledger. Exits
with 1 if a cell was not executed exactly once, or if `ray` costs more than a second a cell.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import ray_stub
from finished_cell import write_result

from lge_sweep.config import load_sweep
from lge_sweep.engine.events import Done, Progress
from lge_sweep.engine.executors import Placement, make_executor, ray_session
from lge_sweep.engine.executors.ray_worker import RayWorker
from lge_sweep.engine.grid_queue import GridQueue
from lge_sweep.engine.ledger import Ledger, read_ledger
from lge_sweep.engine.loop import SweepLoop
from lge_sweep.engine.observer import SilentObserver
from lge_sweep.engine.task import make_task
from lge_sweep.run_store import RunStore
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan
from lge_sweep.study.plan_files import write_plan

GRID = (
    "grid.model=[unet, segnet, deeplabv3plus_mobilenetv2, deeplabv3plus_resnet50, deeplabv3plus_xception]",
    "grid.loss=[cross_entropy, dice, focal, dice_ce, dice_focal]", "grid.optimizer=[adam, sgdm]", "grid.seed=[0, 1]",
)  # fmt: skip
WORKERS = 8
TASKS = 20
WEIGHTS = 100 * 2**20
MOST = 1.0
STALL = 600.0


def plan_grid(runs: Path, *settings: str) -> Plan:
    (plan,) = make_plans([load_sweep("phase1", 1, "phantom", "smoke", list(settings))], None, runs)
    write_plan(plan)
    return plan


class Unseen:
    """A view that nobody looks at: of a sweep, and of each of its trials."""

    def open_trial(self, *_: object) -> "Unseen":
        """Return a trial's."""
        return self

    def show_curves(self, *_: object) -> None:
        """Show nothing."""

    complete = prune = fail = stop = show_curves


def find_faults(runs: Path) -> list[str]:
    """Do a grid of cells that are done at once; returns what is wrong."""
    plan, store = plan_grid(runs, *GRID), RunStore(runs)
    study = Ledger(store).open(plan.name, {"cells": [cell.name for cell in plan.cells]})
    executor = make_executor(store, Placement("ray", workers=WORKERS), STALL)
    try:
        executor.start(len(plan.cells))
        loop = SweepLoop(plan, GridQueue(plan, study), study, executor, Unseen(), SilentObserver())
        loop.complete()
    finally:
        executor.close()
    counts = Counter((runs / ray_stub.EXECUTIONS).read_text(encoding="utf-8").split())
    faults = [f"{name}: executed {count} times" for name, count in counts.items() if count != 1]
    faults += [f"{cell.name}: never executed" for cell in plan.cells if cell.name not in counts]
    ((_, _, entries),) = read_ledger(store)
    faults += [f"{entry.cell} is {entry.state}" for entry in entries if entry.state != "complete"]
    return faults + [f"{name}: {reason}" for name, reason in loop.failed.items()]


def measure(name: str, runs: Path) -> list[float]:
    """Return the seconds of tasks, one after the other, whose cell is finished."""
    plan = plan_grid(runs, "grid.model=[unet]")
    write_result(plan, plan.cells[0])
    task = make_task(plan, plan.cells[0])
    task.files.best.write_bytes(os.urandom(WEIGHTS))  # as a large network's
    executor = make_executor(RunStore(runs), Placement(name, workers=1), STALL)
    seconds = []
    try:
        executor.start(1)
        for _ in range(TASKS + 1):
            began = time.perf_counter()
            executor.submit(task)
            while (event := executor.next_event(5.0)) is None or isinstance(event.news, Progress):
                pass
            if not isinstance(event.news, Done):
                sys.exit(f"{name}: {event.news}")
            seconds.append(time.perf_counter() - began)
    finally:
        executor.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        medians = {}
        for name in ("local", "ray", "ray apart"):
            ray_worker_of = ray_stub.BlindWorker if name == "ray apart" else RayWorker
            with patch.object(ray_session, "RayWorker", ray_worker_of):
                first, *warm = measure(name.split()[0], Path(folder) / name.replace(" ", "-"))
            medians[name] = statistics.median(warm)
            print(f"{name:10s} first {first:5.1f} s, then {1000 * medians[name]:6.1f} ms a cell", flush=True)
        failed |= medians["ray"] - medians["local"] > MOST
        for number in range(options.times):
            began = time.monotonic()
            with patch.object(ray_session, "RayWorker", ray_stub.StubWorker):
                faults = find_faults(Path(folder) / str(number))
            failed |= bool(faults)
            verdict = "; ".join(faults[:3]) or "each of 100 cells executed once, complete once"
            print(f"{number}: {verdict} ({time.monotonic() - began:.0f} s)", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
