"""Searches with several objectives: the front against brute force, and what becomes of it everywhere it is shown."""

import itertools
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from finished_cell import write_result
from matplotlib.figure import Figure
from mlflow.tracking import MlflowClient
from optuna.trial import TrialState
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.config import Cell, load_sweep
from lge_sweep.engine.dashboard import all_sweeps, serve_dashboard
from lge_sweep.engine.ledger import Ledger, SweepLedger, read_ledger
from lge_sweep.engine.pareto import on_front
from lge_sweep.engine.search_queue import SearchQueue
from lge_sweep.engine.task import CellTask
from lge_sweep.errors import ConfigError, TrialError
from lge_sweep.loopback import PageServer
from lge_sweep.report import SearchTables
from lge_sweep.report.front_figure import figure_search_front
from lge_sweep.report.tables import SweepTables
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Front, FrontTrial, front_frame, front_markdown
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan
from lge_sweep.study.records import CellRecord, read_record, write_record
from lge_sweep.study.results import costs_of, score_record

SETTINGS = ["grid.model=[unet, segnet]", "search.trials=3", "search.objectives=[seconds, score]"]
"""In another order than the score first, which decides nothing."""


def brute_force(values: Sequence[Sequence[float]], collapsed: Sequence[bool]) -> list[bool]:
    """Compare every trial with every other, by the definition of dominance, with no library."""

    def beats(one: Sequence[float], other: Sequence[float]) -> bool:
        pairs = [(-one[0], -other[0]), *zip(one[1:], other[1:], strict=True)]
        return all(mine <= its for mine, its in pairs) and any(mine < its for mine, its in pairs)

    rivals = [value for value, fell in zip(values, collapsed, strict=True) if not fell] or list(values)
    return [
        (not fell or all(collapsed)) and not any(beats(rival, value) for rival in rivals)
        for value, fell in zip(values, collapsed, strict=True)
    ]


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_front_is_that_of_a_comparison_of_all_with_all(objectives: int) -> None:
    """With ties in one objective, in all of them, and with trials that collapsed."""
    random = np.random.default_rng(objectives)
    for count, levels in itertools.product((0, 1, 2, 7, 25), (2, 4, 1000)):
        for share in (0.0, 0.3, 1.0):
            values = random.integers(0, levels, (count, objectives)).astype(float).tolist()
            collapsed = (random.random(count) < share).tolist()
            assert on_front(values, collapsed) == brute_force(values, collapsed)


def made(costs: tuple[str, ...], trials: Sequence[tuple[Any, ...]], margin: float = 0.01) -> Front:
    """Make a front of trials: score, costs, and perhaps True of one that collapsed."""
    values = [trial[: 1 + len(costs)] for trial in trials]
    fallen = [len(trial) > 1 + len(costs) for trial in trials]
    marks = brute_force(values, fallen)
    drawn: dict[str, str | int | float] = {"loss": "dice_ce", "learning_rate": 0.00123}
    return Front(
        costs,
        tuple(
            FrontTrial(number, f"trial{number:04d}", value[0], tuple(value[1:]), fell, mark, drawn)
            for number, (value, fell, mark) in enumerate(zip(values, fallen, marks, strict=True))
        ),
        margin,
    )


# By hand: #0 scores best; #1 is within .01 of it and takes 41 s; #2 is out of reach, and the fastest; #3 is beaten.
THREE = ((0.618, 95.0), (0.611, 41.0), (0.5, 12.0), (0.6, 200.0), (0.9, 3.0, True))


def test_the_verdict_is_what_the_best_score_can_nearly_be_had_for() -> None:
    front = made(("seconds",), THREE)
    assert [trial.number for trial in front.best] == [0, 1, 2]
    assert front.sentence == (
        "3 of 5 trials are on the front of score and seconds: the fastest within .01 of the best score, #1, takes 41 s "
        "instead of the 95 s of #0"
    )
    strict = made(("seconds",), THREE, margin=0.001)
    assert strict.sentence.endswith(": none within .001 of the best score is faster than #0, which takes 95 s")
    alone = made(("seconds",), THREE[2:3])
    assert (
        alone.sentence == "1 of 1 trial is on the front of score and seconds: #0 has the best score and is the fastest"
    )
    assert made(("seconds",), ()).sentence == "no trial is finished, and there is no front"
    both = made(("seconds", "memory"), ((0.618, 95.0, 1200.4), (0.611, 41.0, 900.0), (0.61, 60.0, 800.0)))
    assert both.sentence == (
        "3 of 3 trials are on the front of score, seconds and memory: the fastest within .01 of the best score, #1, "
        "takes 41 s instead of the 95 s of #0; the smallest within .01 of the best score, #2, needs 800 MB instead of "
        "the 1200 MB of #0"
    )


def test_the_cheapest_near_the_best_score_is_that_of_all_trials() -> None:
    """Whoever is cheapest of all trials within the margin is on the front: nothing is missed by looking there alone."""
    random = np.random.default_rng(3)
    for _ in range(50):
        values = [(float(score), float(cost)) for score, cost in random.random((9, 2)).round(2)]
        top = max(score for score, _ in values)
        least = min(cost for score, cost in values if score >= top - 0.1 - 1e-12)
        assert made(("seconds",), values, margin=0.1).cheapest("seconds").costs == (least,)


def test_costs_of_different_things_are_not_compared_in_silence() -> None:
    front = made(("seconds",), THREE)
    assert len(front.notes) == 1
    assert "what else the machine did meanwhile" in front.notes[0]
    mixed = Front(front.costs, front.trials, front.margin, ("cpu 32-true, 2 threads", "gpu bf16-mixed"))
    assert "cpu 32-true, 2 threads; gpu bf16-mixed): seconds cannot be compared" in mixed.notes[0]


def test_the_front_as_tables() -> None:
    front = made(("seconds",), THREE)
    frame = front_frame(front)
    assert frame["trial"].tolist() == [0, 1, 2, 4, 3]
    assert frame["front"].tolist() == ["yes"] * 3 + [""] * 2
    assert frame["seconds"].tolist() == [95, 41, 12, 3, 200]
    assert frame["collapsed"].tolist() == ["", "", "", "yes", ""]
    lines = front_markdown(front, "trial0001").splitlines()
    assert lines[0] == "| trial | score | training time (s) | loss | learning rate |  |"
    assert lines[3] == "| #1 | 0.6110 | 41 | dice_ce | 0.0012 | selected |"
    assert len(lines) == 5


def words(figure: Figure) -> str:
    figure.draw_without_rendering()
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    return " | ".join([*texts, *(text.get_text() for legend in figure.legends for text in legend.get_texts())])


def test_the_figure_shows_every_trial_and_marks_the_front() -> None:
    def drawn(front: Front) -> Figure:
        search = SearchTables([], [], front)
        return figure_search_front(SweepTables("search", [], ["trial0001"], ["scar"], 2, (), search))

    def points(ax: Any, size: float) -> set[tuple[float, float]]:
        marks = [line for line in ax.lines if line.get_markersize() == size and len(line.get_xdata()) == 1]
        return {(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in marks}

    figure = drawn(made(("seconds",), THREE))
    (ax,) = figure.axes
    assert points(ax, 6) - {(1.0, 1.0)} == {(95, 0.618), (41, 0.611), (12, 0.5)}
    assert points(ax, 4) == {(200, 0.6)}
    assert points(ax, 5) == {(3, 0.9)}
    assert points(ax, 11) == {(41, 0.611)}
    assert ax.get_xlabel() == "training time (s)"
    assert ax.get_xscale() == "log"  # 200 s are more than 20 times 3 s
    (line,) = [line for line in ax.lines if len(line.get_xdata()) > 1]  # type: ignore[arg-type]  # arrays
    assert list(line.get_xdata()) == [12, 41, 95]  # type: ignore[arg-type]  # arrays
    assert "#0 | #1 | #2 | on the front | another is better | selected | collapsed" in words(figure)
    left, right = drawn(made(("seconds", "memory"), [(*trial[:2], 700.0) for trial in THREE])).axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("training time (s)", "peak memory (MB)")
    assert right.get_xscale() == "linear"
    assert all(len(line.get_xdata()) == 1 for line in right.lines)  # type: ignore[arg-type]  # arrays
    words(drawn(made(("seconds",), ())))


def test_the_objectives_are_checked_and_their_order_decides_nothing(tmp_path: Path) -> None:
    def name(*settings: str) -> str:
        return make_plans([load_sweep("search", 2, "phantom", "smoke", [*SETTINGS[:1], *settings])], None, tmp_path)[
            0
        ].name

    usual = name()
    assert name("search.objectives=[score]") == usual
    several = name("search.objectives=[score, seconds]")
    assert several != usual
    assert name("search.objectives=[seconds, score]") == several
    assert name("search.objectives=[score, memory]") not in (usual, several)
    assert name("search.objectives=[score, seconds]", "search.prune_after=9") == several  # nothing is stopped early
    assert name("search.prune_after=9") != usual
    for wrong, message in (
        ("[seconds]", "must have score, by which trials are ranked; got seconds"),
        ("[score, score]", "names a value twice"),
        ("[score, second]", "did you mean 'seconds'"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_sweep("search", 2, "phantom", "smoke", [f"search.objectives={wrong}"])


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    config = load_sweep("search", 2, "phantom", "smoke", SETTINGS)
    return make_plans([config], None, tmp_path_factory.mktemp("search"))[0]


def store_of(runs: Path, database: bool) -> RunStore:
    return RunStore(runs, f"sqlite:///{runs / 'ledger.db'}" if database else None)


def open_study(plan: Plan, store: RunStore) -> SweepLedger:
    return Ledger(store).open(plan.name, {"trials": 3, "objectives": ["score", "seconds"]}, plan.config.search)


@pytest.mark.parametrize("database", [False, True])
def test_the_ledger_knows_every_objective(plan: Plan, tmp_path: Path, database: bool) -> None:
    """In a journal and in a database, over an interruption; what collapsed is not best, for Optuna neither."""
    store = store_of(tmp_path, database)
    study = open_study(plan, store)
    source = SearchQueue(plan, study)
    assert source.total == 3
    for score, seconds, collapsed in ((0.6, 95.0, []), (0.9, 3.0, ["scar"])):
        _, trial = source.take() or pytest.fail("nothing drawn")
        assert not source.stops(trial, 9, 0.0)
        study.complete(trial, score, collapsed, [seconds])
    open_cell, number = source.take() or pytest.fail("nothing drawn")  # the driver is killed right here
    study = open_study(plan, store)
    source = SearchQueue(plan, study)
    assert source.take() == (open_cell, number)
    study.complete(number, 0.7, [], [120.0])
    assert source.take() is None
    assert study.study.metric_names == ["score", "seconds"]
    assert [trial.values for trial in study.trials()] == [[0.6, 95.0], [0.9, 3.0], [0.7, 120.0]]
    assert [trial.number for trial in study.study.best_trials] == [0, 2]
    ((name, _, entries),) = read_ledger(store)
    assert name == plan.name
    assert [(entry.state, entry.value, entry.on_front) for entry in entries] == [
        ("complete", 0.6, True),
        ("complete", 0.9, False),
        ("complete", 0.7, True),
    ]


def finish(plan: Plan, cell: Cell, seconds: float) -> CellRecord:
    """Leave what a training of so many seconds would."""
    write_result(plan, cell, seed=cell.trial or 0)
    outcome = plan.cell_files(cell).outcome
    record = read_record(CellRecord, outcome)
    record = record.model_copy(update={"seconds": record.seconds.model_copy(update={"training": seconds})})
    write_record(outcome, record)
    return record


def test_a_lost_ledger_is_made_again_with_every_objective(plan: Plan, tmp_path: Path) -> None:
    first = RunStore(tmp_path / "first")
    first.root.mkdir()
    study = open_study(plan, first)
    cell, trial = SearchQueue(plan, study).take() or pytest.fail("nothing drawn")
    record = finish(plan, cell, 7.5)
    study.complete(trial, score_record(record, plan, cell), record.summary.collapsed, costs_of(record, plan))
    known = study.trials()[0]
    second = RunStore(tmp_path / "second")
    second.root.mkdir()
    source = SearchQueue(plan, again := open_study(plan, second))
    (found,) = again.trials()
    assert (found.state, found.values, found.params) == (TrialState.COMPLETE, known.values, known.params)
    assert known.values[1] == 7.5
    assert found.constraints == known.constraints == {"0": 0}
    assert source.done() == 1


def test_a_cost_that_was_not_measured_is_said(plan: Plan) -> None:
    cell = Cell(2, "unet", "dice", "adam", 0, trial=77)
    record = finish(plan, cell, 1.0)
    outcome = plan.cell_files(cell).outcome
    outcome.unlink()
    config = load_sweep("search", 2, "phantom", "smoke", [*SETTINGS[:2], "search.objectives=[score,memory]"])
    (other,) = make_plans([config], None, plan.folder.parent)
    with pytest.raises(
        TrialError, match=r"memory was not measured where trial0077 .* take search.objectives=\[score,sec"
    ):
        costs_of(record, other)
    assert costs_of(record.model_copy(update={"memory_mb": 812.5}), other) == [812.5]


@pytest.mark.usefixtures("inline")
def test_a_search_shows_its_front_everywhere_and_a_person_chooses_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainings are stubs: the higher a score, the longer it takes, so that both are on the front; the third fails."""
    (plan,) = make_plans([load_sweep("search", 2, "phantom", "smoke", SETTINGS)], None, tmp_path)

    def stub(task: CellTask, report: Any, worker: int = 0) -> None:
        if task.cell.trial == 1:
            raise TrialError("it cannot go on")
        score = score_record(finish(plan, task.cell, 1.0), plan, task.cell)
        finish(plan, task.cell, 1e6 if task.cell.trial == 3 else 1000 * score)

    monkeypatch.setattr("lge_sweep.engine.train.execute", stub)
    arguments = ["search", "--stage", "2", "--profile", "smoke", "--runs", str(tmp_path)]
    arguments += [word for setting in SETTINGS for word in ("--set", setting)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "objectives: score, seconds; no trial is stopped early" in done.output
    frame = pd.read_csv(plan.folder / "front.csv")
    assert sorted(frame["trial"]) == [0, 2, 3]
    expected = brute_force(frame[["score", "seconds"]].to_numpy().tolist(), [False] * 3)
    assert (frame["front"] == "yes").tolist() == expected
    assert sum(expected) >= 2
    ((_, _, entries),) = read_ledger(RunStore(tmp_path))
    ledger = {entry.trial for entry in entries if entry.on_front}
    assert ledger == set(frame["trial"][expected])

    sentence = f"{sum(expected)} of 3 trials are on the front of score and seconds: "
    printed = done.output.index(sentence)
    assert printed < done.output.index(" is best with probability ")
    top = frame.sort_values("score").iloc[-1]
    assert f"Selected: #{top['trial']} " in done.output  # by its score alone, although others are within the tie margin
    client = MlflowClient(tracking_uri=RunStore(tmp_path).tracking_uri)
    (parent,) = client.search_runs(["1"], f"tags.sweep = '{plan.name}' and tags.`lge.kind` = 'sweep'")
    assert {"search_front.png", "front.csv"} <= {entry.path for entry in client.list_artifacts(parent.info.run_id)}
    assert parent.data.tags["mlflow.note.content"].startswith(f"**{sentence}")
    runs = client.search_runs(["1"], "metrics.`ranking/front` = 1")
    assert {int(run.data.tags["trial"]) for run in runs} == ledger
    shown = CliRunner().invoke(app, ["status", "--runs", str(tmp_path)])
    assert f"({len(ledger)} on the front)" in shown.output
    table = CliRunner().invoke(app, ["table", plan.name, "--runs", str(tmp_path)])
    assert table.output.startswith(sentence)

    advice = re.search(r"Another of them: (lge-sweep select .*? --reason WHY);", " ".join(done.output.split()))
    assert advice is not None
    chosen = CliRunner().invoke(app, shlex.split(advice[1])[1:])
    assert chosen.exit_code == 0, chosen.output
    other = shlex.split(advice[1])[shlex.split(advice[1]).index("--override") + 1]
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0, again.output
    assert f"Selected: #{int(other.removeprefix('trial'))} " in again.output
    (drawn,) = frame[frame["configuration"] == other].to_dict("records")
    command = again.output.split("To train the winner again, and register it:")[1].splitlines()[0]
    assert f"training.learning_rate={float(drawn['learning_rate'])!r}" in command
    assert f"grid.loss=[{drawn['loss']}]" in command


def test_the_dashboard_opens_on_the_latest_search(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(PageServer, "run", lambda self, page, announce: shown.append(page.path))
    ledger = Ledger(RunStore(tmp_path))
    ledger.open("phase1-a", {"cells": ["unet"]})
    serve_dashboard(RunStore(tmp_path), 0, shown.append)
    ledger.open("search-b", {"trials": 3})
    ledger.open(plan.name, {"trials": 3}, plan.config.search)
    ledger.open("phase2-c", {"cells": ["unet"]})
    serve_dashboard(RunStore(tmp_path), 0, shown.append)
    assert shown == ["dashboard/", "dashboard/studies/2"]
    assert optuna.load_study(study_name=plan.name, storage=ledger.storage)._study_id == 2
    assert all_sweeps("http://127.0.0.1:8080/dashboard/studies/2") == ["All sweeps: http://127.0.0.1:8080/dashboard/"]
    assert all_sweeps("http://127.0.0.1:8080/dashboard/") == []
