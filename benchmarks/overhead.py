"""What an executor costs a cell: Ray beside this machine's workers, SLURM beside a job that does nothing.

    python benchmarks/overhead.py                                  # local, ray; needs Ray
    python benchmarks/overhead.py --executor slurm --cluster FILE  # where SLURM is

Without SLURM: from a task's submission to its end, of a cell that is finished already, so that nothing is trained, with
one worker that has loaded its libraries; `local` and `ray` by turns, then `local` and `ray apart`, whose worker does
not see the runs directory and gets and sends the cell's files, 100 MiB. With SLURM, by turns: a job that does nothing,
from `sbatch --wrap true` until SLURM says that it has ended; one submitted by submitit, as a cell's is; and a cell
whose training is over at once, from its submission until the driver knows its outcome, and where that time goes. Each
alone, then as an array of two. Exits with 1 if Ray costs more than a second more than `local`, or a cell 10 s more than
the job that does nothing.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from unittest.mock import patch

import ray_stub
import yaml
from cells import STALL, plan_cells, trivial

from lge_sweep.engine.events import Done, Progress
from lge_sweep.engine.executors import Executor, Placement, make_executor, ray_session
from lge_sweep.engine.executors.slurm import SlurmExecutor
from lge_sweep.engine.executors.slurm_queue import find_jobs
from lge_sweep.engine.task import Task, make_task
from lge_sweep.run_store import RunStore
from lge_sweep.safe_yaml import read_yaml_file

WEIGHTS = 100 * 2**20
MOST_RAY, MOST_SLURM = 1.0, 10.0
EMPTY = "does nothing, sbatch"
APART = 4.0
"""Seconds between two submissions: SLURM may leave a job that soon follows another for 3 s (`batch_sched_delay`)."""
POLL = 0.1
"""Seconds between two questions to SLURM whether a job has ended."""


def end_all(executor: Executor, tasks: list[Task]) -> dict[str, float]:
    """Submit tasks, and return when each had ended, by its id, in seconds since 1970."""
    ended: dict[str, float] = {}
    ids = [executor.submit(task) for task in tasks]
    while len(ended) < len(ids):
        event = executor.next_event(5.0)
        if event is None or isinstance(event.news, Progress):
            continue
        if not isinstance(event.news, Done):
            sys.exit(f"a task has not ended well: {event.news}")
        ended[event.task] = time.time()
    return ended


def time_task(executor: Executor, task: Task) -> float:
    """Return the seconds from a task's submission to its end."""
    began = time.perf_counter()
    end_all(executor, [task])
    return time.perf_counter() - began


def median_of_pairs(these: list[float], those: list[float]) -> float:
    """Return how much longer these took than those, beside which they were measured."""
    return float(statistics.median(this - that for this, that in zip(these, those, strict=True)))


def print_table(title: str, rows: dict[str, list[float]]) -> None:
    """Print medians, and how far single values are from them."""
    print(title)
    for name, values in rows.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"  {name:44s} {middle:8.4f} s  ({low:.4f} to {high:.4f}, {len(values)} times)", flush=True)


# ----------------------------------------------------------------------------------------------------------- local, ray


def compare_ray(folder: Path, rounds: int, apart: bool) -> float:
    """Let a local worker and one of Ray do a finished cell by turns; returns what Ray costs more, in seconds."""
    from finished_cell import write_result

    runs = folder / ("apart" if apart else "beside")
    plan = plan_cells(runs, 50)
    write_result(plan, plan.cells[0])
    task = make_task(plan, plan.cells[0])
    task.files.best.write_bytes(os.urandom(WEIGHTS))  # as a large network's
    second = "ray apart" if apart else "ray"
    with ExitStack() as opened:
        if apart:
            opened.enter_context(patch.object(ray_session, "RayWorker", ray_stub.BlindWorker))
        executors = {}
        for name in ("local", second):
            store = RunStore(folder / name.replace(" ", "-") / second)  # each has locks of its own
            store.root.mkdir(parents=True)
            executors[name] = make_executor(store, Placement(name.split()[0], workers=1), STALL)
            opened.callback(executors[name].close)
            executors[name].start(1)
        for executor in executors.values():
            time_task(executor, task)  # with what is loaded for it
        times: dict[str, list[float]] = {name: [] for name in executors}
        for _ in range(rounds):
            for name, executor in executors.items():
                times[name].append(time_task(executor, task))
    print_table(f"{second} beside local, each further cell", times)
    return median_of_pairs(times[second], times["local"])


# ---------------------------------------------------------------------------------------------------------------- SLURM

TIMES, STARTED = "times.txt", "started"
PARTS = {
    "until the job begins (submission, scheduler)": ("submitted", STARTED),
    "python's start (srun, submitit, unpickling)": (STARTED, "called"),
    "libraries": ("called", "loaded"),
    "the cell, training aside": ("loaded", "told"),
    "until the driver has heard of it": ("told", "heard"),
}


class Slurm:
    """What is timed with SLURM.

    Args:
        runs: a runs directory.
        cluster: the user's file of settings, if there is one.
        jobs: of an array; 1: no array.
    """

    def __init__(self, runs: Path, cluster: str | None, jobs: int) -> None:
        """Plan the cells; nothing is submitted."""
        plan = plan_cells(runs, 50)
        self.store, self.jobs = RunStore(runs), jobs
        self.tasks: list[Task] = [make_task(plan, cell) for cell in plan.cells[:jobs]]
        self.times = self.store.slurm / TIMES
        settings = dict(read_yaml_file(Path(cluster))) if cluster else {}
        job = "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
        settings["setup"] = [*settings.get("setup", []), f'echo "{job} {STARTED} $(date +%s.%N) ." >> {self.times}']
        file = runs / "cluster.yaml"
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        self.executor = make_executor(self.store, Placement("slurm", str(file)), STALL)
        self.executor.start(jobs)

    def time_empty(self) -> float:
        """Return the seconds from `sbatch` to the end of jobs that do nothing."""
        began = time.time()
        array = [f"--array=0-{self.jobs - 1}"] if self.jobs > 1 else []
        command = ["sbatch", "--parsable", "--output=/dev/null", *array, "--wrap", "true"]
        job = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        await_end([f"{job}_{element}" for element in range(self.jobs)] if array else [job])
        return time.time() - began

    def time_submitted(self) -> float:
        """Return the same of jobs that submitit submits as it does the executor's: they start python, and no more."""
        assert isinstance(self.executor, SlurmExecutor)
        began = time.time()
        submitter = self.executor._submitter()
        with submitter.batch():
            jobs = [submitter.submit(bool) for _ in range(self.jobs)]
        await_end([str(job.job_id) for job in jobs])
        return time.time() - began

    def time_cells(self, parts: dict[str, list[float]]) -> float:
        """Return the seconds until the driver knows the outcome of the last cell; where they went is added to parts."""
        self.times.unlink(missing_ok=True)
        began = time.time()
        heard = end_all(self.executor, self.tasks)
        points: dict[str, dict[str, float]] = defaultdict(lambda: {"submitted": began})
        tasks = {}
        for line in self.times.read_text(encoding="utf-8").splitlines():
            job, what, when, task = line.split()
            points[job][what] = float(when)
            tasks[task] = job
        for task_id, ended in heard.items():
            points[tasks[task_id]]["heard"] = ended
        for found in points.values():
            for part, (first, last) in PARTS.items():
                parts[part].append(found[last] - found[first])
            parts["processor time of the job's python"].append(found["processor"])
        return max(heard.values()) - began


def await_end(jobs: list[str]) -> None:
    """Wait until SLURM says that jobs have ended."""
    while find_jobs(jobs) != {}:
        time.sleep(POLL)


def compare_slurm(folder: Path, cluster: str | None, rounds: int, jobs: int) -> float:
    """Let jobs that do nothing and cells take turns; returns what cells cost more, in seconds."""
    slurm = Slurm(folder / str(jobs), cluster, jobs)
    times: dict[str, list[float]] = defaultdict(list)
    parts: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        turns: dict[str, Callable[[], float]] = {
            EMPTY: slurm.time_empty,
            "does nothing, submitit": slurm.time_submitted,
            "a cell": partial(slurm.time_cells, parts),
        }
        for name, measure in turns.items():
            time.sleep(APART)
            times[name].append(measure())
    what = "one job" if jobs == 1 else f"an array of {jobs} jobs"
    print_table(f"{what}, from submission to the end of the last", times)
    print_table(f"{what}: a cell's time", parts)
    return median_of_pairs(times["a cell"], times[EMPTY])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", choices=("ray", "slurm"), default="ray")
    parser.add_argument("--cluster", help="file of settings for SLURM")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    most = MOST_RAY if options.executor == "ray" else MOST_SLURM
    with tempfile.TemporaryDirectory(prefix="lge_sweep-overhead-") as name, ExitStack() as opened:
        folder, more = Path(name), {}
        if options.executor == "ray":
            os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # to stay, as what Ray is started with has to
            more = {"ray": compare_ray(folder, options.rounds, False)}
            print(f"ray apart costs {compare_ray(folder, options.rounds, True):.3f} s more than local")
        else:
            opened.enter_context(trivial("TimedJob"))
            for jobs in (1, 2):
                more[f"slurm, {jobs} at once"] = compare_slurm(folder, options.cluster, options.rounds, jobs)
    for what, seconds in more.items():
        print(f"{what}: {seconds:.3f} s more, of at most {most:.0f}; load {os.getloadavg()[0]:.1f}", flush=True)
    sys.exit(any(seconds > most for seconds in more.values()))


if __name__ == "__main__":
    main()
