"""What `benchmarks/chaos.py` counts as a fault: an oracle that sees nothing would pass every sweep."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

from alive import cell_of, is_alive, kill, users_of
from chaos import Chaos
from disturbed import Shown, compare_shown, digests, find_faults, log_of, shown

from lge_sweep.config import Cell
from lge_sweep.engine.ledger import Ledger
from lge_sweep.run_store import RunStore
from lge_sweep.tracking import Tracker

CELL = Cell(1, "unet", "dice", "adam", 0)
AXES: dict[str, Sequence[str | int]] = {"model": ["unet"], "loss": ["dice"], "optimizer": ["adam"], "seed": [0]}


def test_files_and_trials_that_are_otherwise_are_told(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    weights, table = (store.sweep("phase1-x").cell(CELL.name).path / name for name in ("best.pt", "per_image.csv"))
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    table.write_bytes(b"table")
    wanted = digests(store)
    with Ledger(store) as ledger:
        study = ledger.open("phase1-x", {"cells": [CELL.name]})
        trial = study.start(CELL, AXES)
        assert find_faults(store, wanted) == [f"phase1-x/{CELL.name} is running"]
        study.complete(trial, 0.5, [])
        assert find_faults(store, wanted) == []
        weights.write_bytes(b"others")
        table.unlink()
        name = f"phase1-x/cells/{CELL.name}"
        assert find_faults(store, wanted) == [f"{name}/per_image.csv is missing", f"{name}/best.pt differs"]
        study.fail(study.start(CELL, AXES), "it died twice")
        study.complete(study.start(CELL, AXES), 0.5, [])
    assert find_faults(store, digests(store)) == ["the trials of phase1-x are [2]"]


def test_runs_that_are_otherwise_are_told(tmp_path: Path) -> None:
    tracker = Tracker(RunStore(tmp_path))
    run = tracker.open_run("phase1-x/unet", "a run", {"cell": "unet"}, {})
    run.log([("train/loss", 0.5, 1), ("train/loss", 0.25, 2), ("val/dice/global", 0.5, 2), ("system/load", 9.0, 1)])
    assert shown(tracker.store)[1] == ["runs of MLflow are RUNNING, active"]
    run.finish()
    found, faults = shown(tracker.store)
    assert faults == []
    curves = {"train/loss": [(1, 0.5), (2, 0.25)], "val/loss": []}
    wanted: Shown = {"unet": {"val/dice/global": 0.5, **curves, "train/loss": [(1, 0.5), (1, 0.5)]}}
    assert found == {"unet": {"val/dice/global": 0.5, **curves}}
    assert compare_shown(found, found) == []
    assert compare_shown(wanted, found) == ["MLflow shows other train/loss of unet"]
    assert compare_shown({**found, "segnet": {}}, found) == ["MLflow shows no segnet"]
    tracker.client.create_run(tracker.experiment, tags={"lge.key": "phase1-x/unet", "cell": "unet"})
    assert shown(tracker.store)[1] == ["runs of MLflow are RUNNING, active", "2 runs of phase1-x/unet"]


def test_who_works_in_a_runs_directory_is_found(tmp_path: Path) -> None:
    log = tmp_path / "cells" / "unet" / "log.txt"
    log.parent.mkdir(parents=True)
    with log.open("w") as opened:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=opened)
    assert users_of(tmp_path) == [process.pid]
    assert cell_of(process.pid) == "unet"
    kill(process.pid)
    process.communicate()
    assert users_of(tmp_path) == []
    assert not is_alive(process.pid)


def test_a_cell_is_not_hit_twice_under_one_driver(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    chaos = Chaos(store, [], Random(0))
    log_of(store).write_text("unet dice adam: started\n")
    assert chaos._may_die(1)
    log_of(store).write_text(
        "[0/2] unet dice adam: its worker process was killed; trying again from the last checkpoint\n"
    )
    assert chaos._all_hit() == {"unet-dice-adam"}
    assert not chaos._may_die(1)  # what it does is not known
