"""Kill parts of a Ray cluster under a sweep, run the same command again where its driver died, and compare.

    python benchmarks/ray_faults.py                              # each kind once, about 10 minutes on 2 quiet cores
    python benchmarks/ray_faults.py --kinds raylet --times 5

Needs Ray (`pip install 'lge_sweep[ray]'`). Two raylets run on this machine, each with one processor, and a sweep of
three cells by two workers. What is done, in the middle of a cell: `worker` kills an actor, `raylet` the second raylet,
`driver` the driver, and sees that no actor lives on; all kills are SIGKILL. `ctrl-c` sends SIGINT to the driver's
group, as a terminal does. `apart`: the second raylet does not see the runs directory (an empty file system is mounted
over it, for which one must be root), and is killed once a checkpoint of its cell has arrived. `head` kills the head:
the sweep must end with one message, and the same command go on when there is a cluster again.
Passed: every cell is complete once in the ledger; weights, tables of metrics, predictions and ranking are the same
bytes as of an undisturbed sweep with --executor local; no actor is left. Exits with 1 otherwise.
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from alive import is_alive

from lge_sweep.engine.ledger import read_ledger
from lge_sweep.run_store import RunStore

PORT = 6397
STEPS = 30
SETTINGS = (
    "grid.model=[unet]", "grid.loss=[cross_entropy, dice, focal]", f"training.max_steps={STEPS}",
    "training.validation_every=3", "training.patience=100", "training.width=0.125",
)  # fmt: skip
RESULTS = ("best.pt", "per_image.csv", "predictions.npz", "ranking.csv")
KINDS = ("worker", "raylet", "driver", "ctrl-c", "apart", "head")
LONGEST = 600.0
RAY = str(Path(sys.executable).with_name("ray"))


@dataclass
class Cluster:
    """Two raylets on this machine.

    Attributes:
        hidden: a folder that the second does not see; None: it sees all.
        processes: of the head, and of the second raylet.
    """

    hidden: Path | None = None
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self) -> None:
        """Start both, and wait until they are there."""
        once = ["--block", "--num-cpus=1", "--object-store-memory=200000000"]
        self._start([RAY, "start", "--head", f"--port={PORT}", "--include-dashboard=false", *once], 1)
        second = [RAY, "start", f"--address=127.0.0.1:{PORT}", *once]
        if self.hidden is not None:
            self.hidden.mkdir(parents=True, exist_ok=True)
            shell = 'mount -t tmpfs none "$1" && shift && exec "$@"'
            second = ["unshare", "-m", "sh", "-c", shell, "-", str(self.hidden), *second]
        self._start(second, 2)

    def _start(self, command: list[str], raylets: int) -> None:
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        self.processes.append(subprocess.Popen(command, env=environment, **quiet))  # type: ignore[call-overload]
        while len(self.raylets()) < raylets:
            time.sleep(0.2)
        time.sleep(2)  # until it is known

    def raylets(self) -> list[int]:
        """Return the raylets, that of the head first."""
        return [pid for process in self.processes for pid in descendants(process.pid) if name_of(pid) == "raylet"]

    def actors(self) -> list[int]:
        """Return all actors of ours."""
        return [pid for process in self.processes for pid in descendants(process.pid) if "RayWorker" in name_of(pid)]

    def stop(self) -> None:
        """End all of it."""
        found = [pid for process in self.processes for pid in [process.pid, *descendants(process.pid)]]
        for pid in found:
            kill(pid)
        for process in self.processes:
            process.wait()
        self.processes.clear()


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def name_of(pid: int) -> str:
    """Return what a process is called: the name of its program, or what Ray calls it."""
    try:
        first = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""
    return first.rpartition("/")[2]


def descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [each for child in map(int, children) for each in (child, *descendants(child))]


def start(runs: Path, *options: str) -> "subprocess.Popen[bytes]":
    program = [sys.executable, "-m", "lge_sweep.cli", "-v", "phase1", "--stage", "1", "--profile", "smoke"]
    words = [word for setting in SETTINGS for word in ("--set", setting)]
    log = (runs.parent / f"{runs.name}.txt").open("ab")
    return subprocess.Popen(
        [*program, "--runs", str(runs), *words, *options],
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "LGE_SWEEP_CHECKPOINT": "0"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def start_ray(runs: Path) -> "subprocess.Popen[bytes]":
    return start(runs, "--executor", "ray", "--cluster", f"127.0.0.1:{PORT}", "--workers", "2")


def await_that(condition: Callable[[], object], process: "subprocess.Popen[bytes]") -> None:
    began = time.monotonic()
    while not condition():
        if process.poll() is not None:
            sys.exit("the sweep ended before the moment came")
        if time.monotonic() - began > LONGEST:
            sys.exit("the moment never came")
        time.sleep(0.01)


def digests(runs: Path) -> dict[str, str]:
    paths = [path for name in RESULTS for path in runs.glob(f"phase1-*/**/{name}")]
    return {str(path.relative_to(runs)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def find_faults(runs: Path, wanted: dict[str, str], actors: list[int]) -> list[str]:
    """Say what is wrong with a sweep that has ended well."""
    deadline = time.monotonic() + 15
    while any(map(is_alive, actors)) and time.monotonic() < deadline:
        time.sleep(0.05)
    faults = [f"actor {pid} is left" for pid in actors if is_alive(pid)]
    found = digests(runs)
    faults += [
        f"{name} differs" for name in sorted(wanted.keys() | found.keys()) if found.get(name) != wanted.get(name)
    ]
    for name, _, entries in read_ledger(RunStore(runs)):
        faults += [f"{name}/{entry.cell} is {entry.state}" for entry in entries if entry.state != "complete"]
        trials = [entry.trial for entry in entries]
        faults += [f"{name} has trials {trials}"] * (sorted(trials, key=str) != list(range(len(trials))))
    return faults


def disturb(kind: str, cluster: Cluster, runs: Path) -> tuple["subprocess.Popen[bytes]", list[int]]:
    """Run a sweep to the moment, and do what it is about; returns the process that is to end well, and all actors."""
    process = start_ray(runs)
    log = runs.parent / f"{runs.name}.txt"
    await_that(lambda: len(list(runs.glob("phase1-*/cells/*/resume.ckpt"))) >= 2, process)
    actors = cluster.actors()
    if kind == "worker":
        kill(actors[0])
    elif kind in ("raylet", "apart"):
        kill(cluster.raylets()[1])
    elif kind == "driver":
        process.kill()
        process.wait()
        deadline, began = time.monotonic() + 30, time.monotonic()
        while any(map(is_alive, actors)):
            if time.monotonic() > deadline:
                sys.exit("an actor outlived its driver for 30 s")
            time.sleep(0.01)
        print(f"  the last actor ended {time.monotonic() - began:.2f} s after the driver", flush=True)
        process = start_ray(runs)
    elif kind == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(timeout=60)
        text = log.read_text(encoding="utf-8")
        if code != 130 or "Traceback" in text or "stopped; run the same command again" not in text:
            sys.exit(f"Ctrl-C: exit code {code}, see {log}")
        process = start_ray(runs)
    elif kind == "head":
        cluster.stop()
        began = time.monotonic()
        code = process.wait(timeout=120)
        text = log.read_text(encoding="utf-8")
        last = text.strip().splitlines()[-1]
        print(f"  {time.monotonic() - began:.0f} s after the head, exit code {code}: {last}", flush=True)
        if code != 2 or "Traceback" in text or text.count("error:") != 1:
            sys.exit(f"no single message, see {log}")
        cluster.start()
        process = start_ray(runs)
    return process, actors


def run_once(kind: str, wanted: dict[str, str]) -> list[str]:
    folder = Path(tempfile.mkdtemp(prefix=f"ray-{kind}-"))
    runs = folder / "runs"
    cluster = Cluster(runs if kind == "apart" else None)
    try:
        cluster.start()
        process, actors = disturb(kind, cluster, runs)
        code = process.wait(timeout=LONGEST)
        faults = [f"exit code {code}"] * (code != 0) + find_faults(runs, wanted, actors + cluster.actors())
    finally:
        cluster.stop()
    if faults:
        return [*faults, f"see {folder}"]
    shutil.rmtree(folder)
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        if start(Path(folder) / "runs", "--workers", "2").wait() != 0:
            sys.exit("the undisturbed sweep failed")
        wanted = digests(Path(folder) / "runs")
        print(f"undisturbed, --executor local: {time.monotonic() - began:.0f} s, {len(wanted)} files", flush=True)
    failed = 0
    for kind in options.kinds * options.times:
        began = time.monotonic()
        faults = run_once(kind, wanted)
        failed += bool(faults)
        print(f"{kind}: {'; '.join(faults) or 'ok'} ({time.monotonic() - began:.0f} s)", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
