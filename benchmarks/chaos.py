"""Kill parts of one sweep at 20 random moments, and compare it with a sweep that was left alone.

    python benchmarks/chaos.py                                         # about 6 minutes on 2 quiet cores
    python benchmarks/chaos.py --executor ray --ledger postgresql --tracking server
    python benchmarks/chaos.py --executor slurm --cluster FILE         # where SLURM is; FILE says cpus_per_task: 1

The sweep has 20 cells of some seconds. The first moment comes while it starts, each further one within seconds after
another cell has ended. What is done at each is dealt from a seed: `driver` kills the driver, and the same command is
given again at once; `worker` kills a worker process or an actor of Ray; `raylet` kills the second of two raylets, and
another is started; `job` kills a job of SLURM, `requeue` puts one back into the queue; `postgresql` and `mlflow` kill
that server, which is started again some seconds later; `locked` locks MLflow's own database for some seconds. All kills
are SIGKILL. A cell that loses what executes it twice under one driver has failed, as the documentation says: who works
on a cell that was hit already is spared until there is another driver.

Passed: no driver has ended but by our hand, or with the message that PostgreSQL was away when it began. Every cell is
complete once in the ledger, with one trial; what was complete was not trained again; weights, tables of metrics,
predictions and ranking are the same bytes as of a sweep with --executor local that was left alone. After `lge-sweep
sync`, each trial has one run in MLflow, finished, with the same metrics and curves. No process is left. Exits with 1
otherwise; what was found then stays in its folder.
"""

import argparse
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from alive import cell_of, kill, users_of, workers_of
from disturbed import (
    CELLS,
    Shown,
    compare_shown,
    digests,
    environment_of,
    find_faults,
    log_of,
    shown,
    start,
)
from mlflow_server import MlflowServer
from postgres import Postgres, start_postgres
from ray_machine import Cluster

from lge_sweep.engine.executors.mailbox import Mailbox
from lge_sweep.engine.executors.slurm_queue import cancel_jobs, find_jobs
from lge_sweep.engine.task import CellTask
from lge_sweep.machine import count_cores
from lge_sweep.run_store import RunStore

KINDS = {
    "local": ("driver", "worker"), "slurm": ("driver", "job", "requeue"), "ray": ("driver", "worker", "raylet"),
    "postgresql": ("postgresql",), "journal": (), "server": ("mlflow",), "embedded": ("locked",),
}  # fmt: skip
"""Executor, ledger and tracking -> what is done to them."""
SPREAD = 4.0
"""Seconds within which a moment comes, once a cell has ended."""
AWAY = (1.0, 12.0)
"""Seconds that a server is away, at least and at most."""
UNREPORTED = 10.0
"""Seconds in which a driver tells of a death."""
LONGEST = 3600.0
"""Seconds that all of it may take."""
LEAVING = 240.0
"""Seconds in which what has ended is gone: a job that was requeued as it ended waits for two minutes before it ends."""
PUT_OFF = re.compile(r"^\[\d+/\d+\] (.+?): .*; trying again from the last checkpoint", re.MULTILINE)
NO_LEDGER = "the ledger cannot be used"
_T = TypeVar("_T")


class BrokenError(Exception):
    """The sweep does not go on as it should."""


@dataclass
class Chaos:
    """A sweep, and what is done to it.

    Attributes:
        store: its runs directory.
        place: options that say where cells are trained.
        draw: chance.
        cluster: that of Ray, if there is one.
        postgres: the ledger's server, if it has one.
        mlflow: MLflow's server, if it has one.
    """

    store: RunStore
    place: list[str]
    draw: random.Random
    cluster: Cluster | None = None
    postgres: Postgres | None = None
    mlflow: MlflowServer | None = None
    drivers: int = 0
    began: float = field(default_factory=time.monotonic)
    outcomes: dict[Path, int] = field(default_factory=dict)
    """Results of cells -> when each was first written."""
    _hit: set[str] = field(default_factory=set)
    """Cells that have lost what executed them, under this driver."""
    _blind_until: float = 0.0
    """Until when it is not known which cell was hit."""
    _ledger_away: bool = False
    """Whether PostgreSQL was away while this driver was there."""
    _said: int = 0
    """Bytes that earlier drivers have printed."""

    def drive(self) -> None:
        """Start a driver."""
        log = log_of(self.store)
        self._said = log.stat().st_size if log.is_file() else 0
        self._hit, self._blind_until, self._ledger_away = set(), 0.0, False
        self.drivers += 1
        self.process = start(self.store, *self.place)

    def goes_on(self) -> bool:
        """Whether the sweep has not ended yet.

        Raises:
            BrokenError: it has not ended well.
        """
        for path in self.store.root.glob("phase1-*/cells/*/outcome.json"):
            self.outcomes.setdefault(path, path.stat().st_mtime_ns)
        code = self.process.poll()
        if code is None:
            if time.monotonic() - self.began > LONGEST:
                raise BrokenError(f"it does not end within {LONGEST:.0f} s")
            return True
        if code == 2 and self._ledger_away and NO_LEDGER in self._log():
            print("   the driver began while PostgreSQL was away, and said so; it is started again", flush=True)
            self.drive()
            return True
        if code:
            raise BrokenError(f"the driver ended with exit code {code}")
        return False

    def await_that(self, find: Callable[[], _T | None]) -> _T | None:
        """Wait until something is found; None if the sweep ends before."""
        while self.goes_on():
            if (found := find()) is not None:
                return found
            time.sleep(0.05)
        return None

    def await_moment(self, ended: int) -> bool:
        """Wait until so many cells have ended, and some time more; returns whether the sweep goes on."""
        if self.await_that(lambda: True if len(self.outcomes) >= ended else None) is None:
            return False
        until = time.monotonic() + self.draw.uniform(0, SPREAD)
        return self.await_that(lambda: True if time.monotonic() >= until else None) is not None

    # ---------------------------------------------------------------------------------------------------- what is done

    def driver(self) -> str:
        """Kill the driver, and give the same command again."""
        self.process.kill()
        if self.process.wait() == 0:
            return ""
        self.drive()
        return "killed"

    def worker(self) -> str:
        """Kill a worker process, or an actor."""
        worker = self.await_that(self._find_worker)
        return "" if worker is None else self._kill_worker(worker)

    def raylet(self) -> str:
        """Kill the second raylet, and start another."""
        cluster = self.cluster
        assert cluster is not None
        actors = self.await_that(
            lambda: found if (found := cluster.second_actors()) and self._may_die(*found) else None
        )
        if actors is None:
            return ""
        cells = [cell for actor in actors if (cell := cell_of(actor))]
        self._hit.update(cells)
        cluster.kill_second()
        cluster.start_second(await_it=False)
        return f"killed, with {', '.join(cells) or 'a worker without a cell'}"

    def job(self) -> str:
        """Kill a job of SLURM."""
        return self._to_job("scancel", "--signal=KILL")

    def requeue(self) -> str:
        """Put a job of SLURM back into the queue."""
        return self._to_job("scontrol", "requeue")

    def postgresql(self) -> str:
        """Kill PostgreSQL, and start it again."""
        assert self.postgres is not None
        self._ledger_away = True
        self.postgres.kill()
        away = self._stay_away()
        self.postgres.start()
        return f"away for {away:.0f} s"

    def mlflow_(self) -> str:
        """Kill MLflow's server, and start it again."""
        assert self.mlflow is not None
        self.mlflow.kill()
        away = self._stay_away()
        self.mlflow.start()
        return f"away for {away:.0f} s, and until it has started"

    def locked(self) -> str:
        """Lock MLflow's own database, once it is there."""
        database = self.store.database
        assert database is not None
        if self.await_that(lambda: database.is_file() or None) is None:
            return ""
        connection = sqlite3.connect(database, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
            return f"for {self._stay_away():.0f} s"
        except sqlite3.OperationalError:
            return ""
        finally:
            connection.close()

    def _stay_away(self) -> float:
        away = self.draw.uniform(*AWAY)
        time.sleep(away)
        return away

    def _workers(self) -> list[int]:
        return workers_of(self.process.pid) if self.cluster is None else self.cluster.actors()

    def _find_worker(self) -> int | None:
        workers = [worker for worker in self._workers() if self._may_die(worker)]
        return self.draw.choice(workers) if workers else None

    def _kill_worker(self, worker: int) -> str:
        if cell := cell_of(worker):
            self._hit.add(cell)
        elif self.cluster is None:  # it has been given a cell, and loads its libraries
            self._blind_until = time.monotonic() + UNREPORTED
        kill(worker)
        return f"killed at {cell or 'no cell'}"

    def _may_die(self, *workers: int) -> bool:
        """Whether no cell is hit by the death of these workers that was hit already under this driver."""
        hit, cells = self._all_hit(), [cell_of(worker) for worker in workers]
        if time.monotonic() < self._blind_until and not hit:
            return False
        return not hit.intersection(cells) and (all(cells) or not hit or self.cluster is not None)

    def _all_hit(self) -> set[str]:
        return self._hit | {name.replace(" ", "-") for name in PUT_OFF.findall(self._log())}

    def _log(self) -> str:
        """Return what this driver has printed."""
        return log_of(self.store).read_bytes()[self._said :].decode(errors="replace")

    def _to_job(self, *command: str) -> str:
        found = self.await_that(self._find_job)
        if found is None:
            return ""
        job, cell = found
        if "KILL" in command[-1]:
            self._hit.add(cell)
        done = subprocess.run([*command, job], capture_output=True, text=True, check=False)
        return f"{job} at {cell} {done.stderr.strip()}".strip()

    def _find_job(self) -> tuple[str, str] | None:
        """Return a job that runs, and the cell that it executes."""
        jobs: dict[str, str] = {}
        for mailbox in mailboxes(self.store):
            try:
                task, job = mailbox.task(), mailbox.job()
            except (OSError, ValueError):  # being made, or removed
                continue
            if job and isinstance(task, CellTask) and task.cell.name not in self._hit:
                jobs[job] = task.cell.name
        runs = sorted(job for job, state in (find_jobs(list(jobs)) or {}).items() if state.state == "RUNNING")
        if not runs:
            time.sleep(0.5)
            return None
        job = self.draw.choice(runs)
        return job, jobs[job]


def mailboxes(store: RunStore) -> list[Mailbox]:
    """Return the tasks that SLURM's jobs of a runs directory have, or had."""
    return [Mailbox(folder) for folder in (store.slurm / "tasks").glob("*")]


def jobs_left(store: RunStore) -> list[str]:
    """Return the jobs of a runs directory that SLURM has not ended."""
    arrays = [path.name.partition("_")[0] for path in (store.slurm / "jobs").glob("*_submission.sh")]
    if not arrays:
        return []
    command = ["squeue", "--noheader", "--array", "--format=%i", "--jobs", ",".join(arrays)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


DEEDS: dict[str, Callable[[Chaos], str]] = {
    "driver": Chaos.driver, "worker": Chaos.worker, "raylet": Chaos.raylet, "job": Chaos.job,
    "requeue": Chaos.requeue, "postgresql": Chaos.postgresql, "mlflow": Chaos.mlflow_, "locked": Chaos.locked,
}  # fmt: skip
"""Each returns what was done; "" if nothing could be done before the sweep ended."""


def disturb(chaos: Chaos, kinds: list[str]) -> int:
    """Run a sweep to its end, and do something to it at each moment; returns at how many something was done.

    Raises:
        BrokenError: it does not go on as it should.
    """
    began, count = time.monotonic(), 0
    chaos.drive()
    for number, kind in enumerate(kinds):
        if not chaos.await_moment(number * CELLS // len(kinds)):
            break
        ended = len(chaos.outcomes)
        done = DEEDS[kind](chaos)
        count += bool(done)
        print(f"{time.monotonic() - began:5.0f} s, {ended:2d} cells: {kind} {done or 'missed'}", flush=True)
    while chaos.goes_on():
        time.sleep(0.1)
    print(f"{time.monotonic() - began:5.0f} s: ended, by driver {chaos.drivers}", flush=True)
    return count


def find_all_faults(chaos: Chaos, wanted: dict[str, str], wanted_shown: Shown) -> list[str]:
    """Say what is wrong with a sweep that has ended well.

    Args:
        chaos: the sweep.
        wanted: `digests` of one that was left alone.
        wanted_shown: what MLflow shows of that one.
    """
    until = time.monotonic() + LEAVING
    while ((left := users_of(chaos.store.root)) or jobs_left(chaos.store)) and time.monotonic() < until:
        time.sleep(1)
    faults = [f"process {pid} is left" for pid in left] + [f"job {job} is left" for job in jobs_left(chaos.store)]
    faults += find_faults(chaos.store, wanted)
    again = [path.parent.name for path, when in chaos.outcomes.items() if path.stat().st_mtime_ns != when]
    faults += [f"{cell} was finished twice" for cell in again]
    if chaos.mlflow is not None:
        chaos.mlflow.await_answer()
    sync = [sys.executable, "-m", "lge_sweep.cli", "sync"]
    done = subprocess.run(sync, env=environment_of(chaos.store), capture_output=True, text=True, check=False)
    print("sync: " + " ".join((done.stdout + done.stderr).split()), flush=True)
    faults += ["lge-sweep sync has not delivered all"] * (done.returncode != 0)
    found, faults_of_runs = shown(chaos.store)
    return faults + faults_of_runs + compare_shown(wanted_shown, found)


def measure(folder: Path) -> tuple[dict[str, str], Shown]:
    """Return what is to be found: of a sweep that is left alone, with one thread a worker; it is run unless it was."""
    store = RunStore(folder / "runs")
    began, done = time.monotonic(), folder / "ended"
    if not done.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        if start(store, "--workers", str(count_cores())).wait() != 0:
            sys.exit(f"the undisturbed sweep failed: {log_of(store)}")
        done.touch()
        print(f"undisturbed: {time.monotonic() - began:.0f} s", flush=True)
    found, faults = shown(store)
    if faults:
        sys.exit("; ".join(faults))
    return digests(store), found


def prepare(options: argparse.Namespace, folder: Path, opened: ExitStack) -> Chaos:
    """Start what a sweep needs.

    Args:
        options: what was asked for.
        folder: for its files.
        opened: ends it.
    """
    draw, runs = random.Random(options.seed), folder / "runs"
    place, cluster, postgres, mlflow = ["--executor", options.executor], None, None, None
    workers, ledger = count_cores(), None
    if options.executor == "slurm":
        opened.callback(lambda: cancel_jobs(filter(None, (each.job() for each in mailboxes(RunStore(runs))))))
    if options.cluster:
        place += ["--cluster", options.cluster]
    if options.executor == "ray":
        cluster, workers = Cluster(), 2
        opened.callback(cluster.stop)
        cluster.start()
        place += ["--cluster", cluster.address]
    if options.ledger == "postgresql":
        postgres = start_postgres(opened)
        ledger = postgres.create("ledger")
    if options.tracking == "server":
        backend = postgres.create("mlflow") if postgres else f"sqlite:///{folder / 'mlflow.db'}"
        mlflow = MlflowServer(folder / "mlflow", backend)
        opened.callback(mlflow.kill)
        mlflow.start()
        mlflow.await_answer()
    store = RunStore(runs, ledger, mlflow.address if mlflow else None)
    return Chaos(store, [*place, "--workers", str(workers)], draw, cluster, postgres, mlflow)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", choices=("local", "slurm", "ray"), default="local")
    parser.add_argument("--cluster", help="file of settings for SLURM, with cpus_per_task: 1")
    parser.add_argument("--ledger", choices=("journal", "postgresql"), default="journal")
    parser.add_argument("--tracking", choices=("embedded", "server"), default="embedded")
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", help="what is done; all that there is to do, if not given")
    parser.add_argument("--reference", type=Path, help="folder of the sweep that is left alone, to keep it")
    options = parser.parse_args()
    known = [kind for part in (options.executor, options.ledger, options.tracking) for kind in KINDS[part]]
    kinds = options.kinds or known
    if unknown := set(kinds) - set(known):
        parser.error(f"--kinds: no {', '.join(sorted(unknown))} here; there are {', '.join(known)}")
    dealt = [kinds[number % len(kinds)] for number in range(options.moments)]
    random.Random(options.seed).shuffle(dealt)
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{options.executor}-"))
    wanted, wanted_shown = measure(options.reference or folder / "reference")
    with ExitStack() as opened:
        chaos = prepare(options, folder, opened)
        try:
            count = disturb(chaos, dealt)
            faults = find_all_faults(chaos, wanted, wanted_shown)
        except BrokenError as error:
            faults, count = [str(error)], 0
        finally:
            kill(chaos.process.pid)
    for fault in faults:
        print(fault)
    if faults:
        sys.exit(f"{len(faults)} faults, see {folder}")
    shutil.rmtree(folder)
    print(
        f"passed: {len(wanted)} files and {len(wanted_shown)} runs are the same after {count} of {len(dealt)} moments"
    )


if __name__ == "__main__":
    main()
