"""What could not be delivered to MLflow while it was away is delivered by `lge-sweep sync`, each thing once."""

import sqlite3
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from finished_cell import write_result
from mlflow.entities import Run
from typer.testing import CliRunner
from untrained import grid_of_two

from lge_sweep.cli import app
from lge_sweep.config.grid import AXES
from lge_sweep.engine.ledger import Ledger
from lge_sweep.engine.lock import hold_runs
from lge_sweep.run_store import RunStore
from lge_sweep.study.plan import Plan
from lge_sweep.tracking import Tracker, database, mlflow
from lge_sweep.tracking.database import DatabaseFile


def sync(runs: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["sync", "--runs", str(runs)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def runs_of(runs: Path) -> dict[str, Run]:
    tracker = Tracker(RunStore(runs))
    return {run.data.tags["lge.key"]: run for run in tracker.client.search_runs([tracker.experiment])}


def axes_of(plan: Plan) -> dict[str, list[object]]:
    return {axis: list(dict.fromkeys(cell.parameters[axis] for cell in plan.cells)) for axis in AXES}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A sweep of two cells whose ledger knows both, one finished, one failed; MLflow has never heard of it."""
    plan = grid_of_two(tmp_path)
    first, second = plan.cells
    axes = axes_of(plan)
    write_result(plan, first)
    with Ledger(RunStore(tmp_path)) as ledger:
        study = ledger.open(plan.name, {"cells": [cell.name for cell in plan.cells]})
        study.complete(study.start(first, axes), 0.5, [])
        study.fail(study.start(second, axes), "it was to fail")
    return plan


def test_what_is_lacking_is_sent_once(plan: Plan) -> None:
    runs = plan.folder.parent
    code, said = sync(runs)
    assert code == 0, said
    assert f"{plan.name}: 2 trials" in said
    shown = runs_of(runs)
    first, second = (f"{plan.name}/{cell.name}/trial{number}" for number, cell in enumerate(plan.cells))
    assert {key: run.info.status for key, run in shown.items()} == {
        plan.name: "KILLED", first: "FINISHED", second: "FAILED",
    }  # fmt: skip
    assert "val/dice/cavity" in shown[first].data.metrics
    assert shown[second].data.tags["failed"] == "it was to fail"
    code, said = sync(runs)
    assert (code, "shows all there is, as before" in said) == (0, True), said
    again = runs_of(runs)
    assert {key: run.info.run_id for key, run in again.items()} == {key: run.info.run_id for key, run in shown.items()}
    tracker = Tracker(RunStore(runs))
    history = tracker.client.get_metric_history(again[first].info.run_id, "train/loss")
    assert [metric.step for metric in history] == [1, 2]


def test_a_store_that_is_away_is_told_with_exit_code_3(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = plan.folder.parent
    Tracker(RunStore(runs))
    monkeypatch.setattr(database, "WAIT", 0.01)
    with closing(sqlite3.connect(runs / "mlflow.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        code, said = sync(runs)
    assert code == 3, said
    assert "0 sweep(s) delivered; not delivered:" in said
    assert "MLflow is away" in said
    assert sync(runs)[0] == 0


def test_a_run_that_lacks_something_is_not_finished(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was away while a cell's metrics were sent, and back when its run was ended, showed it as whole."""
    runs, key = plan.folder.parent, f"{plan.name}/{plan.cells[0].name}/trial0"
    monkeypatch.setattr(mlflow, "AGAIN", 0.0)
    away = iter([False] * 4 + [True] * 3)

    def check(file: DatabaseFile) -> None:
        if next(away, False):
            raise sqlite3.OperationalError("database is locked")

    with patch.object(DatabaseFile, "check", check):
        code, _ = sync(runs)
    assert code == 3
    assert next(away, None) is None
    assert runs_of(runs)[key].info.status != "FINISHED"
    assert sync(runs)[0] == 0
    run = runs_of(runs)[key]
    assert run.info.status == "FINISHED"
    assert {"train/loss", "val/dice/cavity"} <= run.data.metrics.keys()


def test_it_refuses_while_a_driver_works(plan: Plan) -> None:
    with hold_runs(RunStore(plan.folder.parent)):
        code, said = sync(plan.folder.parent)
    assert code == 2
    assert "another driver is using it" in said


def test_where_there_is_nothing_it_says_how_to_begin(tmp_path: Path) -> None:
    code, said = sync(tmp_path)
    assert code == 2
    assert "no sweep yet" in said


def test_a_view_that_is_gone_is_made_again(plan: Plan) -> None:
    """Of ledger and folders: trials, and what was selected."""
    runs, second = plan.folder.parent, plan.cells[1]
    write_result(plan, second, seed=1)
    with Ledger(RunStore(runs)) as ledger:
        study = ledger.open(plan.name, {})
        study.complete(study.start(second, axes_of(plan)), 0.4, [])
    selected = CliRunner().invoke(app, ["select", plan.name, "--runs", str(runs)])
    assert selected.exit_code == 0, selected.output
    assert "shows all there is, as before" in sync(runs)[1]
    before = runs_of(runs)
    assert len(before) == 3
    (runs / "mlflow.db").unlink()
    code, said = sync(runs)
    assert code == 0, said
    assert f"{plan.name}: 2 trials, what was selected" in said
    after = runs_of(runs)
    assert {key: (run.info.status, run.data.metrics, run.data.params) for key, run in after.items()} == {
        key: (run.info.status, run.data.metrics, run.data.params) for key, run in before.items()
    }
    for key, run in before.items():
        own = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.parent")}
        assert own.items() <= after[key].data.tags.items()
