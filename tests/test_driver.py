"""The driver and its workers, without a training: workers here are this process's ends of pipes, and do as told."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from finished_cell import write_result
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from typer.testing import CliRunner
from untrained import grid_of_two, moved

from lge_sweep.cli import app
from lge_sweep.config import load_sweep
from lge_sweep.engine import loop
from lge_sweep.engine.driver import Driver
from lge_sweep.engine.events import Done, Event, Failed, Progress
from lge_sweep.engine.executors import ExecutorOptions
from lge_sweep.engine.executors.inline import InlineExecutor
from lge_sweep.engine.executors.local import LocalExecutor
from lge_sweep.engine.executors.local_worker import WorkerSetup
from lge_sweep.engine.executors.worker import Worker
from lge_sweep.engine.ledger import Ledger, read_ledger
from lge_sweep.engine.observer import SilentObserver
from lge_sweep.engine.publish import open_sweep
from lge_sweep.engine.task import CellTask, Task
from lge_sweep.errors import RunsError, WeightsError
from lge_sweep.run_store import LEDGER_VARIABLE, RunStore
from lge_sweep.scoring import Result
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan
from lge_sweep.tracking import Tracker, database, mlflow
from lge_sweep.tracking.database import DatabaseFile

Run = Callable[..., dict[str, str]]
Deed = Callable[["StubWorker", CellTask], None]


class StubWorker(Worker):
    """A worker that does one deed with each task, at once, in this process."""

    process: Any  # a stand-in

    def __init__(self, number: int, plan: Plan, deed: Deed) -> None:
        self.setup = WorkerSetup(number, 1, plan.folder, plan.folder)
        self.plan, self.deed, self.heartbeat = plan, deed, True
        self.task, self.busy, self.silent = "", False, 0.0
        self.connection, self.remote = Pipe()
        self.process = SimpleNamespace(
            is_alive=lambda: self.heartbeat, join=lambda timeout=None: None, exitcode=-9, kill=lambda: None
        )

    def give(self, task_id: str, task: Task) -> None:
        assert isinstance(task, CellTask)
        self.task, self.busy, self.silent = task_id, True, 0.0
        self.deed(self, task)

    def stop(self) -> None:
        super().stop()
        self.heartbeat = False
        self.remote.close()


def work(worker: StubWorker, task: CellTask) -> None:
    write_result(worker.plan, task.cell)
    worker.remote.send_bytes(Event(task=worker.task, news=Done()).model_dump_json().encode())


def die_before(worker: StubWorker, task: CellTask) -> None:
    """Die between the driver's look at whether it lives and its message."""
    raise BrokenPipeError


def die_while(worker: StubWorker, task: CellTask) -> None:
    worker.remote.close()


def starve(worker: StubWorker, task: CellTask) -> None:
    news = Failed(reason="out of GPU memory", memory=True, unexpected=True)
    worker.remote.send_bytes(Event(task=worker.task, news=news).model_dump_json().encode())


def hang(worker: StubWorker, task: CellTask) -> None:
    pass


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A grid of two cells, nothing trained, and an empty MLflow database beside it, which takes seconds to make."""
    runs = tmp_path_factory.mktemp("template")
    Tracker(RunStore(runs))
    return grid_of_two(runs)


@pytest.fixture
def plan(template: Plan, tmp_path: Path) -> Plan:
    (tmp_path / "mlflow.db").write_bytes((template.folder.parent / "mlflow.db").read_bytes())
    return moved(template, tmp_path)


@pytest.fixture
def run(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a sweep whose workers do these deeds, one after the other, the last for ever; returns what failed."""
    monkeypatch.setattr(loop, "POLL", 0.02)
    drivers: list[Driver] = []

    def start(*deeds: Deed, places: int = 1, ledger: str | None = None) -> dict[str, str]:
        left = list(deeds)
        store = RunStore(plan.folder.parent, ledger)
        executor = LocalExecutor(ExecutorOptions(store, places, stall=0.1))

        def start_worker(number: int) -> StubWorker:
            return StubWorker(number, plan, left.pop(0) if len(left) > 1 else left[0])

        monkeypatch.setattr(executor, "_start_worker", start_worker)
        driver = Driver(store, executor, SilentObserver())
        drivers.append(driver)
        finished = driver.run(plan, open_sweep(driver.tracker, plan))
        assert all(isinstance(result, Result) for result in finished.results.values())
        assert set(finished.results) | set(finished.failed) == {cell.name for cell in plan.cells}
        assert set(finished.trials) == set(finished.results)
        return dict(finished.failed)

    yield start
    for driver in drivers:
        driver.close()


def states(plan: Plan) -> list[str]:
    ((_, _, entries),) = read_ledger(RunStore(plan.folder.parent))
    return [entry.state for entry in entries]


def children(runs: Path) -> list[MlflowRun]:
    tracker = Tracker(RunStore(runs))
    found = tracker.client.search_runs([tracker.experiment])
    return [entry for entry in found if entry.data.tags["lge.kind"] == "trial"]


@pytest.mark.parametrize("setting", ["training.execution=graphs", "training.precision=fp16"])
def test_what_needs_a_gpu_is_refused_before_the_first_trial(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lge_sweep.gpu.gpu_obstacle", lambda: "there is none")
    (plan,) = make_plans([load_sweep("phase1", 1, "phantom", "smoke", [setting])], None, tmp_path)
    driver = Driver(RunStore(tmp_path), InlineExecutor(ExecutorOptions(RunStore(tmp_path), 1, 1.0)), SilentObserver())
    name, _, value = setting.partition("=")
    with pytest.raises(WeightsError, match=f"{name}: {value} needs a GPU, and where cells are trained there is none"):
        driver.open_run(plan)
    driver.close()


def test_a_cell_for_which_memory_was_too_small_is_tried_again_alone(plan: Plan, run: Run) -> None:
    """Both lack memory side by side; each is done alone, as the workers that lacked it are replaced."""
    alone: list[int] = []

    def work_alone(worker: StubWorker, task: CellTask) -> None:
        alone.append(sum(cell.outcome.is_file() for cell in map(plan.cell_files, plan.cells)))
        work(worker, task)

    assert run(starve, starve, work_alone, places=2) == {}
    assert alone == [0, 1]  # the second began when the first had ended
    assert states(plan) == ["complete", "complete"]


@pytest.mark.parametrize("places", [1, 2])
def test_a_cell_for_which_memory_is_too_small_alone_has_failed(plan: Plan, run: Run, places: int) -> None:
    assert run(starve, places=places) == {cell.name: "out of GPU memory" for cell in plan.cells}


@pytest.mark.parametrize("places", [1, 2])
@pytest.mark.parametrize("death", [die_before, die_while])
def test_a_worker_that_dies_takes_no_cell_with_it(plan: Plan, run: Run, places: int, death: Deed) -> None:
    """The last idle worker's death ended a sweep with cells left, and its winner was registered."""
    assert run(death, work, places=places) == {}
    assert states(plan) == ["complete", "complete"]


def test_curves_take_a_fifth_of_the_drivers_time_at_most(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    """A slow server of MLflow held up the driver, and with it every other trial."""
    clock, shown = [0.0], list[float]()

    class SlowView:
        def show_curves(self) -> None:
            shown.append(clock[0])
            clock[0] += 10.0

    monkeypatch.setattr("lge_sweep.engine.loop.time.monotonic", lambda: clock[0])
    quiet = SimpleNamespace(step=lambda *_: None, answer=lambda *_: None, stops=lambda *_: False)
    sweep: Any = (plan, quiet, quiet, quiet, quiet, quiet)
    following = loop.SweepLoop(*sweep)
    following._attempts["task"] = loop.Attempt(plan.cells[0], 0, SlowView())  # type: ignore[arg-type]
    for _ in range(100):
        clock[0] += 1.0
        following._follow("task", Progress(step=1, total=9, loss=1.0, val_loss=1.0, val_dice=0.5))
    assert shown == [1.0, 51.0, 101.0]


def test_what_runs_still_is_told_apart_once_another_stage_is_shown(plan: Plan) -> None:
    """Stage 1's last line, "[5/5] segnet: ...", stood under stage 2's headline as if it were of that stage."""
    told: list[tuple[str, str]] = []

    def end(_: float) -> None:
        first._attempts.clear()

    quiet = SimpleNamespace(take=lambda: None, slots=2, next_event=end, rename=lambda *name: told.append(name))
    sweep: Any = (plan, quiet, quiet, quiet, quiet, quiet)
    first, second = loop.SweepLoop(*sweep), loop.SweepLoop(*sweep)
    first._attempts["task"] = loop.Attempt(plan.cells[0], 0, quiet)
    first._do_all(lambda: second)
    assert told == [(plan.cells[0].name, f"{plan.short_name(plan.cells[0])} (stage {plan.cells[0].stage})")]


def test_a_worker_found_dead_is_replaced_before_it_is_given_anything(plan: Plan, run: Run) -> None:
    def die_after(worker: StubWorker, task: CellTask) -> None:
        work(worker, task)
        worker.heartbeat = False

    assert run(die_after, work) == {}
    assert states(plan) == ["complete", "complete"]


def test_a_worker_that_says_nothing_is_ended_and_its_cell_tried_again(plan: Plan, run: Run) -> None:
    assert run(hang, work) == {}
    assert states(plan) == ["complete", "complete"]


def test_a_cell_that_hangs_twice_has_failed(plan: Plan, run: Run) -> None:
    failed = run(hang, hang, work)
    assert list(failed) == [plan.cells[0].name]
    assert failed[plan.cells[0].name].startswith("its worker process said nothing for")
    assert states(plan) == ["failed", "complete"]


def test_a_result_that_is_damaged_when_it_arrives_is_a_failure(plan: Plan, run: Run) -> None:
    def work_badly(worker: StubWorker, task: CellTask) -> None:
        write_result(worker.plan, task.cell)
        (task.folder / "outcome.json").write_bytes(b"{")
        worker.remote.send_bytes(Event(task=worker.task, news=Done()).model_dump_json().encode())

    assert "outcome.json is damaged" in run(work_badly)[plan.cells[0].name]


def test_a_sweep_whose_ledger_is_a_database_is_resumed(
    plan: Plan, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another directory's sweep of the same name in the same database is another sweep."""
    runs, given = plan.folder.parent, []
    url = f"sqlite:///{runs / 'ledger.db'}"

    def work_once(worker: StubWorker, task: CellTask) -> None:
        given.append(task.cell.name)
        if len(given) > 1:
            raise KeyboardInterrupt
        work(worker, task)

    with pytest.raises(KeyboardInterrupt):
        run(work_once, ledger=url)
    assert run(work, ledger=url) == {}
    assert given == [cell.name for cell in plan.cells]
    journal = RunStore(runs).journal
    assert journal is not None
    assert not journal.exists()
    assert "that the ledger did not know" not in caplog.text
    ((name, about, entries),) = read_ledger(RunStore(runs, url))
    assert (name, about["cells"]) == (plan.name, given)
    assert [(entry.state, entry.trial) for entry in entries] == [("complete", 0), ("complete", 1)]
    monkeypatch.setenv(LEDGER_VARIABLE, url)
    shown = CliRunner().invoke(app, ["status", "--runs", str(runs)])
    assert (shown.exit_code, "2/2" in shown.output) == (0, True), shown.output
    other = RunStore(runs / "other", url)
    assert read_ledger(other) == []
    with Ledger(other) as ledger:
        ledger.open(plan.name, {"cells": given})
    ((_, _, entries),) = read_ledger(other)
    assert [entry.state for entry in entries] == ["waiting", "waiting"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////no/such/folder/ledger.db", "unable to open database file"),
        ("sqlite:////tmp/ledger.db?timeout=abc", "could not convert string to float"),
        ("postgresql+pg8000://me:secret@127.0.0.1:9/ledger", "Python has no driver for this database"),
    ],
)
def test_a_ledger_that_cannot_be_used_is_named_without_its_password(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(RunsError, match=message) as raised:
        Ledger(RunStore(tmp_path, url))
    assert "secret" not in str(raised.value)
    if url.startswith("sqlite"):
        assert read_ledger(RunStore(tmp_path, url)) == []  # nothing was ever kept there
        return
    with pytest.raises(RunsError, match=message) as raised:  # of a server that is not known
        read_ledger(RunStore(tmp_path, url))
    assert "secret" not in str(raised.value)


# ------------------------------------------------------------------------------------------- MLflow cannot be reached


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for a lock, and try again at once."""
    monkeypatch.setattr(database, "WAIT", 0.01)
    monkeypatch.setattr(mlflow, "AGAIN", 0.0)


def lock(runs: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(runs / "mlflow.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("harm", ["locked", "removed", "garbled"])
def test_mlflow_fails_while_cells_are_trained_and_its_view_is_completed(
    plan: Plan,
    run: Run,
    harm: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = plan.folder.parent
    held: list[sqlite3.Connection] = []

    def harm_and_work(worker: StubWorker, task: CellTask) -> None:
        path = runs / "mlflow.db"
        if task.cell == plan.cells[0] and harm == "locked":
            held.append(lock(runs))
        elif task.cell == plan.cells[0] and harm == "removed":
            path.unlink()
        elif task.cell == plan.cells[0] and harm == "garbled":
            path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 200_000)
        work(worker, task)

    catch_up = Tracker.catch_up

    def catch_up_then(tracker: Tracker, wait: float) -> bool:
        for connection in held:
            connection.close()
        return catch_up(tracker, wait)

    monkeypatch.setattr(Tracker, "catch_up", catch_up_then)
    assert run(harm_and_work) == {}
    assert states(plan) == ["complete", "complete"]
    shown = children(runs)
    assert sorted(entry.data.tags["cell"] for entry in shown) == sorted(cell.name for cell in plan.cells)
    assert [entry.info.status for entry in shown] == ["FINISHED", "FINISHED"]
    assert all("val/dice/cavity" in entry.data.metrics for entry in shown)
    assert harm == "removed" or caplog.text.count("MLflow cannot be reached") >= 1
    assert len(caplog.text.splitlines()) < 12


def test_a_database_that_was_being_made_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A driver killed while MLflow made its tables left a database that no later one could open."""
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE entity_associations (association_id TEXT)")
    (tmp_path / ".mlflow.db-0123abcd").write_bytes(b"of another killed driver")
    tracker = Tracker(RunStore(tmp_path), patient=True)
    assert tracker.behind is not None
    assert tracker.catch_up(60)  # does not wait: nobody has locked it
    assert tracker.open_run("key", "name", {}, {}).status == "RUNNING"
    assert "mlflow.db was damaged and is now" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged", "mlflow.db"]


def test_a_database_appears_when_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        assert not (tmp_path / "mlflow.db").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "create_experiment", killed)
    with pytest.raises(KeyboardInterrupt):
        Tracker(RunStore(tmp_path), patient=True)
    assert list(tmp_path.iterdir()) == []


def test_each_result_is_shown_once(plan: Plan, run: Run) -> None:
    """A cell trained again, and then a lost ledger, which numbers trials anew, left several runs of one cell."""
    runs, first = plan.folder.parent, plan.cells[0]
    for loss in ("nothing", "a result", "the ledger"):
        if loss == "a result":
            plan.cell_files(first).best.write_bytes(b"")
        elif loss == "the ledger":
            (runs / "study.log").unlink()
        assert run(work) == {}
        shown = children(runs)
        assert sorted(entry.data.tags["cell"] for entry in shown) == sorted(cell.name for cell in plan.cells)
        assert {entry.info.status for entry in shown} == {"FINISHED"}


@pytest.mark.usefixtures("hasty")
def test_what_mlflow_has_missed_is_completed_by_the_same_command(
    plan: Plan, run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lge_sweep.engine.driver.CATCH_UP", 0.0)
    runs = plan.folder.parent
    with closing(lock(runs)):
        assert run(work) == {}  # from the first moment on
        assert states(plan) == ["complete", "complete"]
        assert "the same command completes it" in caplog.text
    assert children(runs) == []
    assert run(work) == {}
    assert [entry.info.status for entry in children(runs)] == ["FINISHED", "FINISHED"]


def test_a_failing_view_is_said_once_and_not_tried_at_every_step(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Path] = []

    def refuse(database: DatabaseFile) -> None:
        tries.append(database.path)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(DatabaseFile, "check", refuse)
    tracker = Tracker(RunStore(tmp_path), patient=True)
    with caplog.at_level(logging.WARNING):
        run = tracker.open_run("key", "name", {}, {})
        for step in range(20):
            run.log([("loss", 1.0, step)])
        run.finish()
    assert len(tries) == 1
    assert caplog.text.count("MLflow cannot be reached (OperationalError: database or disk is full)") == 1
    assert tracker.behind == "OperationalError: database or disk is full"


def test_what_was_sampled_is_shown_at_its_time(plan: Plan) -> None:
    tracker = Tracker(RunStore(plan.folder.parent))
    run = tracker.open_run("key", "name", {}, {})
    run.log([("load", 1.0, 0), ("load", 2.0, 1)], {0: 1000.5, 1: 1005.5})
    assert [metric.timestamp for metric in tracker.client.get_metric_history(run.id, "load")] == [1000500, 1005500]


@pytest.mark.usefixtures("hasty")
def test_what_arrived_although_its_answer_was_lost_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server is killed after it has written, and before it answers: curves had each of their points twice."""
    tracker = Tracker(RunStore(tmp_path), patient=True)
    run = tracker.open_run("key", "name", {}, {})
    log_batch, lost = MlflowClient.log_batch, [True]

    def log_and_lose_the_answer(client: MlflowClient, *arguments: Any, **options: Any) -> None:
        log_batch(client, *arguments, **options)
        if options.get("metrics") and lost.pop():
            raise ConnectionResetError("Connection reset by peer")

    monkeypatch.setattr(MlflowClient, "log_batch", log_and_lose_the_answer)
    run.log([("loss", 0.5, 1)])
    lost.append(False)
    run.log([("loss", 0.5, 1), ("loss", 0.25, 2)])
    history = tracker.client.get_metric_history(run.id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.25)]
    assert not lost
    run.finish()
    assert run.status == "RUNNING"  # it is known to lack something, until it is opened again
