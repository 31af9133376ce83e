"""No cell is done twice, and none is forgotten: 100 cells that are over at once, 8 at a time, wherever cells are done.

    python benchmarks/cells.py                                               # on this machine, ledger in a journal
    python benchmarks/cells.py --executor ray --ledger postgresql            # a cluster and a server of its own
    python benchmarks/cells.py --executor slurm --cluster FILE --light       # where SLURM is

Only training is replaced: workers, actors and jobs start, load their libraries, take tasks and say how they ended. A
repetition is passed if each cell was executed once, has one trial in the ledger, complete, and nothing is left: no job,
no task, no trial that runs. Exits with 1 if one is not. The first loads the libraries; with SLURM each cell's job does,
7 to 12 s of processor time, unless --light leaves out those of training.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import light_cell
import ray_stub
import trivial_cell
from postgres import start_postgres

from lge_sweep.config import load_sweep
from lge_sweep.engine.executors import Executor, Placement, find_live_jobs, make_executor, ray_session, worker
from lge_sweep.engine.grid_queue import GridQueue
from lge_sweep.engine.ledger import Ledger, cell_name, read_sweep
from lge_sweep.engine.lock import hold_runs
from lge_sweep.engine.loop import SweepLoop
from lge_sweep.engine.observer import SilentObserver
from lge_sweep.engine.storage import StudyNames, read_storage
from lge_sweep.run_store import RunStore
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan

GRID = {
    "model": ["unet", "segnet", "deeplabv3plus_mobilenetv2", "deeplabv3plus_resnet50", "deeplabv3plus_xception"],
    "loss": ["cross_entropy", "dice", "focal", "dice_ce", "dice_focal"],
    "optimizer": ["adam", "sgdm"],
}
STALL = 600.0


class Unseen:
    """A view that nobody looks at: of a sweep, and of each of its trials."""

    def open_trial(self, *_: object) -> "Unseen":
        """Return a trial's."""
        return self

    def show_curves(self, *_: object) -> None:
        """Show nothing."""

    complete = prune = fail = stop = show_curves


def plan_cells(runs: Path, cells: int, number: int = 0) -> Plan:
    """Plan so many cells, or a few more, on the phantom; others a number."""
    axes = [f"grid.{axis}=[{', '.join(values)}]" for axis, values in GRID.items()]
    seeds = -(-cells // math.prod(map(len, GRID.values())))
    seeded = f"grid.seed=[{', '.join(str(number * seeds + seed) for seed in range(seeds))}]"
    return make_plans([load_sweep("phase1", 1, "phantom", "smoke", [*axes, seeded])], None, runs)[0]


@contextmanager
def trivial(job: str = "TrivialJob") -> Iterator[None]:
    """Let cells be done at once, whatever executes them; a job of SLURM is of a class of `slurm_stub`."""
    here = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    with ExitStack() as patches:
        patches.enter_context(patch.dict(os.environ, PYTHONPATH=here))
        patches.enter_context(patch.object(worker, "run_worker", trivial_cell.run_trivial_worker))
        patches.enter_context(patch.object(ray_session, "RayWorker", ray_stub.TrivialWorker))
        if find_spec("submitit") is not None:  # without it, --executor slurm says so
            os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", "USR1")  # as the executor does, before it is imported
            import slurm_stub

            from lge_sweep.engine.executors import slurm_job

            patches.enter_context(patch.object(slurm_job, "TaskJob", getattr(slurm_stub, job)))
        yield


def do(plan: Plan, ledger: Ledger, executor: Executor) -> dict[str, str]:
    """Do all cells of a plan; returns which have failed, and why."""
    study = ledger.open(plan.name, {"cells": [cell.name for cell in plan.cells]})
    loop = SweepLoop(plan, GridQueue(plan, study), study, executor, Unseen(), SilentObserver())
    executor.start(len(plan.cells))
    loop.complete()
    return loop.failed


def find_faults(plan: Plan, store: RunStore) -> list[str]:
    """Say what is wrong with cells that were done."""
    names = [cell.name for cell in plan.cells]
    written = plan.folder / trivial_cell.EXECUTIONS
    executed = Counter(written.read_text(encoding="utf-8").split() if written.is_file() else [])
    faults = [f"{name}: executed {executed[name]} times" for name in {*names, *executed} if executed[name] != 1]
    with read_storage(store) as storage:
        assert storage is not None
        (study,) = (one for one in storage.get_all_studies() if one.study_name == StudyNames.of(store).study(plan.name))
        trials = Counter((cell_name(trial), trial.state.name) for trial in storage.get_all_trials(study._study_id))
    wanted = Counter((name, "COMPLETE") for name in names)
    faults += [f"{name}: {trials[name, state]} times {state}" for name, state in trials - wanted]
    faults += [f"{name}: not complete" for name, _ in wanted - trials]
    shown = read_sweep(store, plan.name)
    faults += [f"{name} is shown as {entry.state}" for name, entry in shown.items() if entry.state != "complete"]
    faults += [jobs.words for jobs in find_live_jobs(store).values()]
    return faults + [f"{path} is left" for path in (store.slurm / "tasks").glob("*")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", choices=("local", "ray", "slurm"), default="local")
    parser.add_argument("--ledger", choices=("journal", "postgresql"), default="journal")
    parser.add_argument("--cluster", help="HOST:PORT of a Ray cluster, or file of settings for SLURM")
    parser.add_argument("--cells", type=int, default=100, help="a multiple of 50")
    parser.add_argument("--workers", type=int, default=8, help="cells at a time")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--light", action="store_true", help="SLURM's jobs do not load what training needs")
    options = parser.parse_args()
    if options.light and options.executor != "slurm":
        parser.error("--light is for --executor slurm: other workers load their libraries once")
    placement, failed = Placement(options.executor, options.cluster, options.workers), 0
    with ExitStack() as opened:
        opened.enter_context(trivial("LightJob" if options.light else "TrivialJob"))
        server = None
        if options.ledger == "postgresql":
            server = start_postgres(opened, synced=True)
        runs = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="lge_sweep-cells-")))
        if options.light:
            light_cell.write_example(plan_cells(runs, 50, options.times))  # of seeds that no repetition has
        store = RunStore(runs, None if server is None else server.create("cells"))
        ledger = opened.enter_context(Ledger(store, opened.enter_context(hold_runs(store))))
        executor = make_executor(store, placement, STALL)
        opened.callback(executor.close)
        for number in range(options.times):
            plan = plan_cells(runs, options.cells, number)
            began = time.monotonic()
            faults = [f"{name} failed: {reason}" for name, reason in do(plan, ledger, executor).items()]
            took = time.monotonic() - began
            faults += find_faults(plan, store)
            failed += bool(faults)
            verdict = "; ".join(faults[:5]) or f"each of {len(plan.cells)} executed once, complete once, nothing left"
            print(f"{number}: {verdict} ({took:.0f} s)", flush=True)
    print(f"{options.executor}, {options.ledger}: {options.times - failed} of {options.times} repetitions passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
