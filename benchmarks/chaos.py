"""Kill a sweep at moments drawn from a seed, run the same command again, and compare with one that was left alone.

    python benchmarks/chaos.py                                # 40 moments, about 25 minutes on 2 quiet cores
    python benchmarks/chaos.py --moments 4 --kinds idle       # some of one kind
    python benchmarks/chaos.py --executor slurm --cluster FILE --moments 8    # where SLURM is; one thread a job

What is done at a moment: `driver` kills the driver, `busy` a worker in the middle of a cell, `idle` a worker without
one, `locked` locks MLflow's database for up to a minute; all kills are SIGKILL. With SLURM, `job` kills a job's
processes, and `requeue` puts a job back into the queue. A moment is passed if then, after the
same command has been run until it ends well (once more after a killed driver, never else): every cell is complete once
in the ledger; weights, tables of metrics and ranking are the same bytes as undisturbed; no process is left; and each
trial has one MLflow run, finished. Exits with 1 if a moment is not passed; what it left stays in its folder.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alive import is_alive, workers_of

from lge_sweep.engine.ledger import read_ledger
from lge_sweep.run_store import RunStore

SETTINGS = ("grid.model=[unet, segnet, deeplabv3plus_mobilenetv2]", "training.max_steps=40", "training.patience=100")
RESULTS = ("best.pt", "per_image.csv", "predictions.npz")
KINDS = {"local": ("driver", "busy", "idle", "locked"), "slurm": ("driver", "job", "requeue", "locked")}
TWO = "2"
OTHER_KINDS = {"job": ("scancel", "--signal=KILL"), "requeue": ("scontrol", "requeue")}
place: list[str] = []
"""Options that say where cells are trained."""


def command(runs: Path) -> list[str]:
    options = ["--stage", "1", "--profile", "smoke", "--workers", TWO, *place, "--runs", str(runs)]
    program = [sys.executable, "-m", "lge_sweep.cli"]
    return [*program, "phase1", *options, *(word for s in SETTINGS for word in ("--set", s))]


def start(runs: Path) -> subprocess.Popen[bytes]:
    log = (runs.parent / f"{runs.name}.txt").open("ab")
    often = {**os.environ, "LGE_SWEEP_CHECKPOINT": "0"}  # cells are shorter than the time between two
    return subprocess.Popen(command(runs), stdout=log, stderr=subprocess.STDOUT, env=often)


def is_busy(worker: int) -> bool | None:
    """Whether a worker is executing a cell: it prints to the cell's log. None if it is gone, or not yet up."""
    try:
        target = Path(os.readlink(f"/proc/{worker}/fd/1"))
    except OSError:
        return None
    if target.name == "log.txt":
        return True
    return False if target.parent.name == "logs" else None


def await_worker(process: subprocess.Popen[bytes], busy: bool) -> int | None:
    """Wait for a worker that is busy, or idle; None if the sweep ends before there is one."""
    while process.poll() is None:
        for worker in workers_of(process.pid):
            if is_busy(worker) is busy:
                return worker
        time.sleep(0.001)
    return None


def harm(kind: str, process: subprocess.Popen[bytes], runs: Path, draw: random.Random) -> str:
    """Do what a moment is about; returns what was done, "nothing" if the sweep had ended before."""
    if kind == "driver":
        if process.poll() is not None:
            return "nothing"
        process.kill()
        return "killed the driver"
    if kind == "locked":
        return lock(runs / "mlflow.db", draw.uniform(5, 60), process)
    if kind in OTHER_KINDS:
        jobs = [path.read_text(encoding="utf-8") for path in sorted(runs.glob("slurm/tasks/*/job.txt"))]
        if not jobs:
            return "nothing"
        job = draw.choice(jobs)
        done = subprocess.run([*OTHER_KINDS[kind], job], capture_output=True, text=True, check=False)
        return f"{kind}: {job} {done.stderr.strip()}"
    worker = await_worker(process, kind == "busy")
    if worker is None:
        return "nothing"
    os.kill(worker, signal.SIGKILL)
    return f"killed {kind} worker {worker}"


def lock(database: Path, seconds: float, process: subprocess.Popen[bytes]) -> str:
    """Lock a database, once it is there, for so long."""
    while not database.is_file():
        if process.poll() is not None:
            return "nothing"
        time.sleep(0.01)
    connection = sqlite3.connect(database, timeout=10, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return f"nothing ({error})"
    finally:
        connection.close()
    return f"locked MLflow's database for {seconds:.0f} s"


def digests(runs: Path) -> dict[str, str]:
    """Return what must be the same bytes: results of every cell, and the ranking."""
    paths = [path for name in RESULTS for path in runs.glob(f"phase1-*/cells/*/{name}")]
    paths += runs.glob("phase1-*/ranking.csv")
    return {str(path.relative_to(runs)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def find_faults(runs: Path, wanted: dict[str, str], pids: set[int]) -> list[str]:
    """Say what is wrong with a sweep that has ended well."""
    faults = [f"process {pid} is left" for pid in pids if is_alive(pid)]
    found = digests(runs)
    faults += [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"{name} differs" for name in sorted(wanted.keys() & found.keys()) if found[name] != wanted[name]]
    for name, _, entries in read_ledger(RunStore(runs)):
        faults += [f"{name}/{entry.cell} is {entry.state}" for entry in entries if entry.state != "complete"]
    return faults + _faults_of_view(runs)


def _faults_of_view(runs: Path) -> list[str]:
    query = (
        "SELECT t.value, r.status, count(*) FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'lge.key' "
        "GROUP BY t.value, r.status"
    )
    connection = sqlite3.connect(runs / "mlflow.db")
    rows = connection.execute(query).fetchall()
    connection.close()
    good = ("FINISHED", 1)
    faults = [f"run {key} is {status}, {count} times" for key, status, count in rows if (status, count) != good]
    cells = {entry.cell for _, _, entries in read_ledger(RunStore(runs)) for entry in entries}
    shown = {key.split("/")[1] for key, _, _ in rows if "/" in key}
    return faults + [f"no run of {cell}" for cell in cells - shown]


def run_moment(
    kind: str, folder: Path, wanted: dict[str, str], took: float, draw: random.Random
) -> tuple[str, list[str]]:
    """Run one sweep with one disturbance; returns what was done and what is wrong."""
    runs = folder / "runs"
    process, pids = start(runs), set[int]()
    until, began = draw.uniform(0, 0.8 * took), time.monotonic()
    while time.monotonic() - began < until and process.poll() is None:
        pids.update(workers_of(process.pid))
        time.sleep(0.05)
    pids.update(workers_of(process.pid))
    done = f"after {until:4.1f} s {harm(kind, process, runs, draw)}"
    pids.update(workers_of(process.pid))
    code = process.wait(timeout=600)
    if kind == "driver" and code == -signal.SIGKILL:
        code = start(runs).wait(timeout=600)
    if code != 0:
        return done, [f"exit code {code}"]
    return done, find_faults(runs, wanted, pids)


def measure(folder: Path) -> tuple[dict[str, str], float]:
    """Run a sweep that is left alone; returns its digests, and how long it took."""
    began = time.monotonic()
    if start(folder / "runs").wait() != 0:
        sys.exit(f"the undisturbed sweep failed: {folder}")
    return digests(folder / "runs"), time.monotonic() - began


def new_folder(name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"chaos-{name}-"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--executor", choices=KINDS, default="local")
    parser.add_argument("--cluster", help="file of settings for SLURM, with cpus_per_task: 1")
    parser.add_argument(
        "--kinds", nargs="+", help="what is done: " + "; ".join(f"{k}: {', '.join(v)}" for k, v in KINDS.items())
    )
    options = parser.parse_args()
    kinds = options.kinds or KINDS[options.executor]
    if unknown := set(kinds) - set(KINDS[options.executor]):
        parser.error(f"--kinds: no {', '.join(sorted(unknown))} with --executor {options.executor}")
    place.extend(["--executor", options.executor, *(["--cluster", options.cluster] if options.cluster else [])])
    reference = new_folder("reference")
    wanted, took = measure(reference)
    print(f"undisturbed: {took:.1f} s, {len(wanted)} files to compare", flush=True)
    failed = 0
    for number in range(options.moments):
        draw, kind = random.Random(f"{options.seed}/{number}"), kinds[number % len(kinds)]
        folder = new_folder(f"{number:02d}-{kind}")
        began = time.monotonic()
        done, faults = run_moment(kind, folder, wanted, took, draw)
        failed += bool(faults)
        verdict = "; ".join(faults) + f" ({folder})" if faults else "ok"
        print(f"{number:2d} {kind:7s} {done}: {verdict} ({time.monotonic() - began:.0f} s)", flush=True)
        if not faults:
            shutil.rmtree(folder)
    shutil.rmtree(reference)
    print(f"{options.moments - failed} of {options.moments} moments passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
