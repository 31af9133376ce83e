"""Searches: what is drawn, what is given up, and that nothing is lost when one is interrupted."""

import itertools
import json
import shlex
import shutil
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from optuna.trial import TrialState
from pydantic import TypeAdapter
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.config import Cell, load_sweep, short_names
from lge_sweep.engine.ledger import Ledger, SweepLedger, read_ledger
from lge_sweep.engine.search_queue import FAILURES, SearchQueue
from lge_sweep.errors import ConfigError
from lge_sweep.paths import RUNS_VARIABLE
from lge_sweep.run_store import RunStore
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan
from lge_sweep.study.plan_files import load_plan

MODELS = "grid.model=[unet, segnet]"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    settings = [
        MODELS,
        "search.trials=30",
        "search.startup_trials=30",
        "search.prune_startup=2",
        "search.prune_after=1",
    ]
    config = load_sweep("search", 2, "phantom", "smoke", settings)
    return make_plans([config], None, tmp_path_factory.mktemp("search"))[0]


def open_study(plan: Plan, runs: Path) -> SweepLedger:
    return Ledger(RunStore(runs)).open(plan.name, {"trials": 30}, plan.config.search)


def test_what_is_drawn_lies_within_bounds_and_matters_to_the_loss(plan: Plan, tmp_path: Path) -> None:
    study, drawn = open_study(plan, tmp_path), []
    source = SearchQueue(plan, study)
    while (assignment := source.take()) is not None:
        cell, trial = assignment
        drawn.append(cell)
        assert cell.name == f"trial{trial:04d}"
        study.complete(trial, 0.5, [])
    assert len(drawn) == 30
    assert source.done() == 30
    assert {cell.model for cell in drawn} == {"unet", "segnet"}
    assert {cell.optimizer for cell in drawn} == {"sgdm", "adam"}
    assert {cell.loss for cell in drawn} == set(plan.config.grid.loss)
    for cell in drawn:
        values = dict(cell.drawn)
        assert ("gamma" in values) == ("focal" in cell.loss)
        assert ("dice_share" in values) == (cell.loss in {"dice_ce", "dice_focal"})
        assert 1e-5 <= values["learning_rate"] <= 1e-2
        assert values["batch_size"] in {4, 8, 16}
        training = cell.training(plan.config.training)
        assert training.learning_rate == values["learning_rate"]
        assert training.batch_size == values["batch_size"]
        assert training.loss.gamma == values.get("gamma", 2.0)
        if "dice_share" in values:
            assert training.loss.dice_weight + training.loss.other_weight == pytest.approx(1)
            assert training.loss.dice_weight == values["dice_share"]
        read_back = TypeAdapter(Cell).validate_json(json.dumps(cell.__dict__))
        assert read_back == cell
        assert str(read_back) == str(cell)  # a batch size is still a whole number
    assert short_names(drawn[:1]) == {drawn[0].name: f"#0 {drawn[0].model} {drawn[0].loss} {drawn[0].optimizer}"}


def test_the_draw_follows_from_the_seed(plan: Plan, tmp_path: Path) -> None:
    first, again = (
        SearchQueue(plan, open_study(plan, tmp_path / name)) for name in ("a", "b") if make(tmp_path / name)
    )
    assert first.take() == again.take()


def make(folder: Path) -> bool:
    folder.mkdir()
    return True


def test_an_interrupted_trial_is_taken_up_again_and_a_half_drawn_one_is_not(plan: Plan, tmp_path: Path) -> None:
    study = open_study(plan, tmp_path)
    cell, trial = SearchQueue(plan, study).take() or pytest.fail("nothing drawn")
    study.study.ask()  # the driver was killed right here
    later = open_study(plan, tmp_path)
    source = SearchQueue(plan, later)
    assert source.take() == (cell, trial)
    assert [entry.state for entry in later.trials()] == [TrialState.RUNNING, TrialState.FAIL]
    following = source.take()
    assert following is not None
    assert following[1] == 2
    assert following[0].drawn != cell.drawn
    source.requeue((cell, trial))
    assert source.take() == (cell, trial)


def test_a_trial_worse_than_the_median_of_the_others_is_given_up(plan: Plan, tmp_path: Path) -> None:
    study = open_study(plan, tmp_path)
    source = SearchQueue(plan, study)
    for dice in (0.2, 0.4, 0.6):
        _, trial = source.take() or pytest.fail("nothing drawn")
        for validation in (1, 2):
            assert not source.stops(trial, validation, dice)
        study.complete(trial, dice, [])
    _, bad = source.take() or pytest.fail("nothing drawn")
    assert not source.stops(bad, 1, 0.1)  # prune_after: every trial is given one validation
    assert source.stops(bad, 2, 0.39)  # the median of the others is .4
    study.prune(bad)
    _, good = source.take() or pytest.fail("nothing drawn")
    assert not source.stops(good, 2, 0.41)
    assert source.done() == 4


def test_bounds_are_checked() -> None:
    for setting, message in (
        ("search.learning_rate={low: 1, high: 0.1}", "low must be below high"),
        ("search.dice_share={low: 0.1, high: 2}", "dice_share.high must be at most 1"),
        ("search.gama={low: 0.1, high: 2}", "did you mean 'gamma'"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_sweep("search", 2, "phantom", "smoke", [setting])


def test_more_trials_go_on_with_the_same_search(plan: Plan, tmp_path: Path) -> None:
    settings = [
        MODELS,
        "search.trials=31",
        "search.startup_trials=30",
        "search.prune_startup=2",
        "search.prune_after=1",
    ]
    assert make_plans([load_sweep("search", 2, "phantom", "smoke", settings)], None, tmp_path)[0].name == plan.name
    settings[2] = "search.startup_trials=29"
    assert make_plans([load_sweep("search", 2, "phantom", "smoke", settings)], None, tmp_path)[0].name != plan.name


@pytest.mark.usefixtures("inline")
def test_a_search_runs_prunes_and_names_the_command_that_trains_its_winner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of three trials is given up; the command printed for the winner is run, word for word."""
    monkeypatch.setattr(SearchQueue, "stops", lambda self, trial, validation, dice: trial == 1)
    arguments = ["search", "--stage", "1", "--profile", "smoke", "--models", "unet", "--runs", str(tmp_path)]
    arguments += ["--trials", "3", "--set", "training.max_steps=2", "--set", "training.width=0.25"]
    printed = [CliRunner().invoke(app, arguments) for _ in range(2)]
    for done in printed:
        assert done.exit_code == 0, done.output
    assert "[2/3] #1 unet" in printed[0].output
    assert "stopped early" in printed[0].output
    assert "started" not in printed[1].output  # nothing is trained again
    ((name, _, entries),) = read_ledger(RunStore(tmp_path))
    assert [entry.state for entry in entries] == ["complete", "pruned", "complete"]
    plan = load_plan(tmp_path / name)
    assert [cell.trial for cell in plan.cells] == [0, 2]
    assert not (plan.folder / "cells" / "trial0001" / "resume.ckpt").exists()
    client = MlflowClient(tracking_uri=RunStore(tmp_path).tracking_uri)
    (pruned,) = client.search_runs(["1"], "tags.pruned = 'yes'")
    assert pruned.data.tags["cell"] == "trial0001"
    (parent,) = client.search_runs(["1"], f"tags.sweep = '{name}' and tags.`lge.kind` = 'sweep'")
    logged = {Path(entry.path).name for entry in client.list_artifacts(parent.info.run_id)}
    for figure in ("search_importance.png", "search_parallel.png", "search_slices.png"):
        assert (plan.folder / figure).stat().st_size > 5_000
        assert figure in logged
    dashboard_answers(tmp_path)

    command = shlex.split(printed[1].output.split("To train the winner again, and register it:")[1].splitlines()[0])
    assert command[:2] == ["lge-sweep", "phase2"]
    again = CliRunner().invoke(app, command[1:])
    assert again.exit_code == 0, again.output
    (folder,) = tmp_path.glob("phase2-*")
    selection = json.loads((plan.folder / "selection.json").read_text())
    (winner,) = [cell for cell in plan.cells if cell.name == selection["champion"]]
    (repeated,) = load_plan(folder).cells
    assert repeated.training(load_plan(folder).config.training) == winner.training(plan.config.training)
    folders = (plan.cell_files(winner).path, *folder.glob("cells/*"))
    losses = [pd.read_csv(p / "history.csv")["train_loss"] for p in folders]
    assert losses[0].tolist() == pytest.approx(losses[1].tolist(), rel=1e-3)
    then = shlex.split(printed[1].output.split("to make it part of the pipeline:")[1].splitlines()[0])
    assert then[:2] == ["lge-sweep", "phase3"]
    chosen = [value for option, value in itertools.pairwise(then) if option == "--set"]
    drawn = [f"training.{name}=" for name in ("learning_rate", "weight_decay", "batch_size")]
    assert all(any(setting.startswith(start) for setting in chosen) for start in drawn)
    assert all(setting.startswith("training.") for setting in chosen)
    shutil.rmtree(plan.cell_files(winner).path)
    shown = CliRunner().invoke(app, ["table", name, "--runs", str(tmp_path)])  # without the numbers that are gone
    assert shown.exit_code == 0, shown.output
    (line,) = [line for line in shown.output.splitlines() if f" {winner.name} " in line and " / " in line]
    assert "- / - / -" in line


def test_a_failed_trial_is_replaced_but_not_for_ever(plan: Plan, tmp_path: Path) -> None:
    study = open_study(plan, tmp_path)
    source, taken = SearchQueue(plan, study), 0
    while (assignment := source.take()) is not None:
        taken += 1
        if taken % 2:
            study.fail(assignment[1], "out of memory")
        else:
            study.complete(assignment[1], 0.5, [])
    assert taken == 2 * FAILURES - 1
    assert source.done() == FAILURES - 1
    lost = source.missing({})
    assert lost[f"{30 - source.done()} of 30 trials"] == "were not completed"
    assert lost["trial0000"] == "out of memory"
    assert SearchQueue(plan, study).take() is not None  # a rerun tries again


def test_a_half_drawn_trial_is_shown_as_failed(plan: Plan, tmp_path: Path) -> None:
    study = open_study(plan, tmp_path)
    study.study.ask()
    SearchQueue(plan, open_study(plan, tmp_path))
    ((_, _, entries),) = read_ledger(RunStore(tmp_path))
    assert (entries[0].state, entries[0].reason) == ("failed", "interrupted while it was drawn")
    assert {entry.state for entry in entries[1:]} == {"waiting"}


def test_a_batch_size_that_the_training_part_does_not_fill_is_refused(tmp_path: Path) -> None:
    config = load_sweep("search", 2, "phantom", "smoke", [MODELS, "search.batch_size=[4, 64]"])
    with pytest.raises(ConfigError, match="64"):
        make_plans([config], None, tmp_path)


def test_a_search_belongs_to_its_phase() -> None:
    with pytest.raises(ConfigError, match="search belongs to the phase search"):
        load_sweep("phase1", 1, "phantom", "smoke", ["search.trials=4"])


def dashboard_answers(runs: Path) -> None:
    """Optuna's dashboard reads our ledger."""
    from optuna_dashboard import wsgi

    from lge_sweep.engine.storage import read_storage
    from lge_sweep.loopback import guard

    environ: dict[str, Any] = {"HTTP_HOST": "localhost:1", "PATH_INFO": "/api/studies"}
    setup_testing_defaults(environ)
    with read_storage(RunStore(runs)) as storage:
        answer = b"".join(guard(wsgi(storage), 1)(environ, lambda *_: bytes))
    studies = json.loads(answer)["study_summaries"]
    assert [study["study_name"].split("-")[0] for study in studies] == ["search"]


def test_no_dashboard_without_a_sweep(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["dashboard", "--runs", str(tmp_path)])
    assert done.exit_code == 2
    assert "no sweep yet" in done.output


@pytest.mark.parametrize("command", ["status", "ui", "dashboard"])
def test_the_command_to_begin_with_keeps_the_runs_directory(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(RUNS_VARIABLE, raising=False)
    named = CliRunner().invoke(app, [command, "--runs", "my runs/none"])
    begin = "begin with `make phase1 runs='my runs/none'` (lge-sweep phase1 --runs 'my runs/none')"
    assert begin in " ".join(named.output.split())
    usual = CliRunner().invoke(app, [command])
    assert "begin with `make phase1` (lge-sweep phase1)" in " ".join(usual.output.split())
