"""Disturb a Ray cluster under a sweep as `chaos.py` does not, once a sweep, and compare with one that was left alone.

    python benchmarks/ray_faults.py                              # each kind once, about 5 minutes on 2 quiet cores
    python benchmarks/ray_faults.py --kinds apart --times 5

Needs Ray (`pip install 'lge_sweep[ray]'`). Two raylets run on this machine, each with one processor, and a sweep of
three cells by two workers. What is done, in the middle of a cell: `ctrl-c` sends SIGINT to the driver's group, as a
terminal does. `apart`: the second raylet does not see the runs directory (an empty file system is mounted over it, for
which one must be root), and is killed once a checkpoint of its cell has arrived. `head` kills the head: the sweep must
end with one message, and the same command go on when there is a cluster again.
Passed: every cell is complete once in the ledger; weights, tables of metrics, predictions and ranking are the same
bytes as of an undisturbed sweep with --executor local; no actor is left. Exits with 1 otherwise.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from alive import is_alive, kill
from disturbed import digests, find_faults, log_of, start
from ray_machine import Cluster

from lge_sweep.run_store import RunStore

SETTINGS = (
    "grid.model=[unet]", "grid.loss=[cross_entropy, dice, focal]", "training.max_steps=30",
    "training.validation_every=3", "training.patience=100", "training.width=0.125",
)  # fmt: skip
KINDS = ("ctrl-c", "apart", "head")
LONGEST = 600.0


def start_ray(store: RunStore, cluster: Cluster) -> "subprocess.Popen[bytes]":
    """Start a driver with a worker a raylet."""
    return start(store, "--executor", "ray", "--cluster", cluster.address, "--workers", "2", settings=SETTINGS)


def await_that(condition: Callable[[], object], process: "subprocess.Popen[bytes]") -> None:
    """Wait for the moment."""
    began = time.monotonic()
    while not condition():
        if process.poll() is not None:
            sys.exit("the sweep ended before the moment came")
        if time.monotonic() - began > LONGEST:
            sys.exit("the moment never came")
        time.sleep(0.01)


def disturb(kind: str, cluster: Cluster, store: RunStore) -> tuple["subprocess.Popen[bytes]", list[int]]:
    """Run a sweep to the moment, and do what it is about; returns the process that is to end well, and all actors."""
    process, log = start_ray(store, cluster), log_of(store)
    await_that(lambda: len(list(store.root.glob("phase1-*/cells/*/resume.ckpt"))) >= 2, process)
    actors = cluster.actors()
    if kind == "apart":
        kill(cluster.raylets()[1])
    elif kind == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(timeout=60)
        text = log.read_text(encoding="utf-8")
        if code != 130 or "Traceback" in text or "stopped; run the same command again" not in text:
            sys.exit(f"Ctrl-C: exit code {code}, see {log}")
        process = start_ray(store, cluster)
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
        process = start_ray(store, cluster)
    return process, actors


def run_once(kind: str, wanted: dict[str, str]) -> list[str]:
    """Run one sweep with one disturbance; returns what is wrong."""
    folder = Path(tempfile.mkdtemp(prefix=f"ray-{kind}-"))
    store = RunStore(folder / "runs")
    cluster = Cluster(store.root if kind == "apart" else None)
    try:
        cluster.start()
        process, actors = disturb(kind, cluster, store)
        code = process.wait(timeout=LONGEST)
        faults = [f"exit code {code}"] * (code != 0) + find_faults(store, wanted)
        actors, until = actors + cluster.actors(), time.monotonic() + 15
        while any(map(is_alive, actors)) and time.monotonic() < until:
            time.sleep(0.05)
        faults += [f"actor {pid} is left" for pid in actors if is_alive(pid)]
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
        store = RunStore(Path(folder) / "runs")
        began = time.monotonic()
        if start(store, "--workers", "2", settings=SETTINGS).wait() != 0:
            sys.exit("the undisturbed sweep failed")
        wanted = digests(store)
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
