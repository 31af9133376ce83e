"""A sweep of 20 short cells that is disturbed: how it is started, and what must be as if it had been left alone."""

import hashlib
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient

from lge_sweep.engine.ledger import read_ledger
from lge_sweep.run_store import LEDGER_VARIABLE, TRACKING_VARIABLE, RunStore

CELLS = 20
SETTINGS = (
    "grid.model=[unet, segnet]", "grid.loss=[cross_entropy, weighted_ce, dice, focal, dice_ce]",
    "grid.optimizer=[adam, sgdm]", "training.max_steps=24", "training.validation_every=3", "training.patience=100",
    "training.width=0.125",
)  # fmt: skip
RESULTS = ("best.pt", "per_image.csv", "predictions.npz", "ranking.csv")
CURVES = ("train/loss", "val/loss")
VARYING = ("system/", "training/seconds")
"""How metrics begin that are no result."""

Shown = dict[str, dict[str, object]]
"""Cell -> metric -> what MLflow shows of it: its last value, or all of a curve."""


def start(store: RunStore, *options: str, settings: tuple[str, ...] = SETTINGS) -> "subprocess.Popen[bytes]":
    """Start a sweep's driver; what it prints is appended to a file beside the runs directory.

    Args:
        store: the runs directory, which processes that work in it can be told by.
        options: where cells are trained.
        settings: what is swept.
    """
    program = [sys.executable, "-m", "lge_sweep.cli", "phase1", "--stage", "1", "--profile", "smoke"]
    words = [word for setting in settings for word in ("--set", setting)]
    with log_of(store).open("ab") as log:
        return subprocess.Popen(
            [*program, *words, *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment_of(store),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def environment_of(store: RunStore) -> dict[str, str]:
    """Return the environment of commands in a runs directory; cells are shorter than the usual time to a checkpoint."""
    servers = {LEDGER_VARIABLE: store.ledger, TRACKING_VARIABLE: store.tracking}
    named = {name: address for name, address in servers.items() if address}
    return {**os.environ, "LGE_SWEEP_RUNS": str(store.root), "LGE_SWEEP_CHECKPOINT": "0", **named}


def log_of(store: RunStore) -> Path:
    """Return the file of what a sweep's drivers print."""
    return store.root.parent / f"{store.root.name}.txt"


def digests(store: RunStore) -> dict[str, str]:
    """Return what must be the same bytes: results of every cell, and the ranking."""
    paths = [path for name in RESULTS for path in store.root.glob(f"phase1-*/**/{name}")]
    return {str(path.relative_to(store.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def find_faults(store: RunStore, wanted: dict[str, str]) -> list[str]:
    """Say what is wrong with files and ledger of a sweep that has ended well.

    Args:
        store: its runs directory.
        wanted: `digests` of one that was left alone.
    """
    found = digests(store)
    faults = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"{name} differs" for name in sorted(found) if found[name] != wanted.get(name)]
    for name, _, entries in read_ledger(store):
        faults += [f"{name}/{entry.cell} is {entry.state}" for entry in entries if entry.state != "complete"]
        trials = sorted(entry.trial for entry in entries if entry.trial is not None)
        faults += [f"the trials of {name} are {trials}"] * (trials != list(range(len(entries))))
    return faults


def shown(store: RunStore) -> tuple[Shown, list[str]]:
    """Return what MLflow shows of each cell, and what is wrong with its runs: each is there once, and finished."""
    client = MlflowClient(store.tracking_uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = list(client.search_runs(experiments, run_view_type=ViewType.ALL, max_results=1000))
    states = {(run.info.status, run.info.lifecycle_stage) for run in runs}
    faults = [f"runs of MLflow are {', '.join(state)}" for state in sorted(states - {("FINISHED", "active")})]
    counts = Counter(run.data.tags["lge.key"] for run in runs)
    faults += [f"{count} runs of {key}" for key, count in counts.items() if count > 1]
    return {run.data.tags["cell"]: _metrics(client, run) for run in runs if "cell" in run.data.tags}, faults


def _metrics(client: MlflowClient, run: Run) -> dict[str, object]:
    latest = {key: value for key, value in run.data.metrics.items() if not key.startswith(VARYING)}
    curves = {
        key: sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, key))
        for key in CURVES
    }
    return {**latest, **curves}


def compare_shown(wanted: Shown, found: Shown) -> list[str]:
    """Say what MLflow shows otherwise than of a sweep that was left alone."""
    faults = [f"MLflow shows no {cell}" for cell in sorted(wanted.keys() - found.keys())]
    for cell in sorted(wanted.keys() & found.keys()):
        metrics = sorted(wanted[cell].keys() | found[cell].keys())
        differ = [key for key in metrics if wanted[cell].get(key) != found[cell].get(key)]
        faults += [f"MLflow shows other {', '.join(differ[:3])} of {cell}"] * bool(differ)
    return faults
