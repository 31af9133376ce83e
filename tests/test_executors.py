"""Executors: what crosses between them and a driver, and that two of them do the same."""

import gc
import importlib.util
import math
import queue
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from untrained import moved

from lge_sweep.config import Cell, load_sweep
from lge_sweep.engine.events import Died, Done, Event, Failed, Progress, Pruned
from lge_sweep.engine.executors import EXECUTOR_VARIABLE, Executor, ExecutorOptions, Placement, inline, make_executor
from lge_sweep.engine.executors.inline import InlineExecutor
from lge_sweep.engine.executors.local_worker import load_libraries
from lge_sweep.engine.executors.perform import Report, attempt
from lge_sweep.engine.grid_queue import GridQueue
from lge_sweep.engine.ledger import Ledger, read_ledger
from lge_sweep.engine.loop import SweepLoop
from lge_sweep.engine.observer import SilentObserver
from lge_sweep.engine.task import TASK, CellTask, Task, TrialPrunedError, WeightsTask, make_task
from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Result
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan
from lge_sweep.study.records import CellRecord

SETTINGS = [
    "source.cases=12",
    "grid.model=[unet]",
    "training.width=0.125",
    "training.max_steps=2",
    "training.precision=fp32",
]
WEIGHTS = WeightsTask(models=("unet", "segnet"), weights="/a folder/with ä", width=0.5)


class Unseen:
    """A view that nobody looks at: of a sweep, and of each of its trials."""

    def open_trial(self, cell: Cell, trial: int) -> "Unseen":
        return self

    def show_curves(self) -> None:
        pass

    def complete(self, record: CellRecord, result: Result) -> None:
        pass

    def prune(self) -> None:
        pass

    def fail(self, reason: str) -> None:
        pass

    def stop(self) -> None:
        pass


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A grid of one small cell."""
    runs = tmp_path_factory.mktemp("executors")
    return make_plans([load_sweep("phase1", 1, "phantom", "smoke", SETTINGS)], None, runs)[0]


# ------------------------------------------------------------------------------------------------------- what crosses


@pytest.mark.parametrize(
    "news",
    [
        Progress(step=3, total=6, loss=0.1 + 0.2, val_loss=1e-300, val_dice=0.0),
        Progress(step=3, total=6, loss=math.inf),
        Done(),
        Pruned(),
        Failed(reason='"ä"\n\x1b \\', disk=True),
        Died(reason="its job was lost"),
    ],
    ids=lambda news: news.kind,
)
def test_an_event_crosses_as_json(news: Progress | Done | Pruned | Failed | Died) -> None:
    event = Event(task="17", news=news)
    assert Event.model_validate_json(event.model_dump_json()) == event


def test_tasks_cross_as_json(template: Plan) -> None:
    drawn = Cell(2, "unet", "dice", "adam", 7, trial=3, drawn=(("learning_rate", 0.1 + 0.2), ("batch_size", 8)))
    task = make_task(template, template.cells[0])
    for sent in (WEIGHTS, task, task.model_copy(update={"cell": drawn, "folder": Path("/a b/ü?%20#")})):
        got = TASK.validate_json(TASK.dump_json(sent))
        assert got == sent
        assert type(got) is type(sent)
    assert isinstance(got, CellTask)
    assert isinstance(got.folder, Path)
    assert got.cell.name == "trial0003"
    assert [type(value) for _, value in got.cell.drawn] == [float, int]


# --------------------------------------------------------------------------------------- two executors do the same


def run(plan: Plan, executor: Executor) -> SweepLoop:
    """Complete a sweep; the ledger is read back."""
    study = Ledger(RunStore(plan.folder.parent)).open(plan.name, {"cells": [cell.name for cell in plan.cells]})
    loop = SweepLoop(plan, GridQueue(plan, study), study, executor, Unseen(), SilentObserver())
    loop.complete()
    return loop


def test_the_same_sweep_is_the_same_in_a_process_of_its_own_and_in_this_one(
    template: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans, results = {}, {}
    for name in ("local", "inline"):
        plan = plans[name] = moved(template, tmp_path / name)
        monkeypatch.setenv(EXECUTOR_VARIABLE, name)
        executor = make_executor(RunStore(plan.folder.parent), Placement(workers=1), stall=100.0)
        try:
            loop = run(plan, executor)
        finally:
            executor.close()
        assert loop.failed == {}
        results[name] = loop.results
        ((_, _, entries),) = read_ledger(RunStore(plan.folder.parent))
        assert [(entry.state, entry.trial) for entry in entries] == [("complete", 0)]
        folder = plan.cell_files(plan.cells[0])
        assert folder.outcome.is_file()
        assert not folder.checkpoint.exists()
        assert len(folder.history.read_text(encoding="utf-8").splitlines()) == 3
    assert results["local"] == results["inline"]
    tables = [plan.cell_files(plan.cells[0]).per_image.read_bytes() for plan in plans.values()]
    assert tables[0] == tables[1]


# --------------------------------------------------------------------------------- the protocol, in this process alone


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InlineExecutor]:
    """Reports a step and two validations of each task, and is done."""

    def perform(task: Task, report: Report) -> object:
        def work() -> None:
            for dice in (None, 0.5, 0.6):
                if report(Progress(step=1, total=1, loss=0.1, val_dice=dice)):
                    raise TrialPrunedError

        return attempt(work)

    monkeypatch.setattr(inline, "perform", perform)
    executor = InlineExecutor(ExecutorOptions(RunStore(tmp_path), 1, 100.0))
    yield executor
    executor.close()


def next_news(executor: Executor, task_id: str) -> object:
    event = executor.next_event(10.0)
    assert event is not None
    assert event.task == task_id
    return event.news


@pytest.mark.parametrize(("stop", "end"), [(False, Done), (True, Pruned)])
def test_a_task_waits_for_the_answer_to_a_validation_and_heeds_it(
    executor: InlineExecutor, stop: bool, end: type
) -> None:
    task_id = executor.submit(WEIGHTS)
    for dice in (None, 0.5):
        assert next_news(executor, task_id) == Progress(step=1, total=1, loss=0.1, val_dice=dice)
    assert executor.next_event(0.05) is None
    executor.answer(task_id, stop)
    if not stop:
        assert isinstance(next_news(executor, task_id), Progress)
        executor.answer(task_id, stop)
    assert isinstance(next_news(executor, task_id), end)


def test_nothing_is_heard_of_a_task_that_was_replaced(executor: InlineExecutor) -> None:
    first = executor.submit(WEIGHTS)
    next_news(executor, first)
    executor.replace(first)
    second = executor.submit(WEIGHTS)
    assert second != first
    assert isinstance(next_news(executor, second), Progress)
    executor.replace(first)  # is gone already
    assert isinstance(next_news(executor, second), Progress)
    executor.close()
    assert executor.next_event(0.0) is None
    assert isinstance(executor._events, queue.SimpleQueue)


def test_an_executor_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(tmp_path)
    monkeypatch.delenv(EXECUTOR_VARIABLE, raising=False)
    assert make_executor(store, Placement(workers=3), 1.0).slots == 3
    monkeypatch.setenv(EXECUTOR_VARIABLE, "inline")
    assert make_executor(store, Placement(workers=3), 1.0).slots == 1
    assert make_executor(store, Placement("local", workers=3), 1.0).slots == 3
    monkeypatch.setenv(EXECUTOR_VARIABLE, "lokal")
    with pytest.raises(RunsError, match="LGE_SWEEP_EXECUTOR: unknown executor 'lokal': did you mean 'local'"):
        make_executor(store, Placement(), 1.0)
    with pytest.raises(RunsError, match="--executor: unknown executor 'lokal': did you mean 'local'"):
        make_executor(store, Placement("lokal"), 1.0)
    with pytest.raises(RunsError, match=r"--cluster gpu\.yaml is of no use to --executor local"):
        make_executor(store, Placement("local", cluster="gpu.yaml"), 1.0)


def test_monai_does_not_load_mlflow_into_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("lge_sweep.engine.train")  # with the real one, which stays for others
    (tmp_path / "monai.py").write_text("try:\n    import mlflow\nexcept ImportError:\n    mlflow = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    for name in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, "1")
    for name in ("monai", "mlflow"):
        monkeypatch.setitem(sys.modules, name, sys)  # to be put back as it was
        monkeypatch.delitem(sys.modules, name)
    load_libraries(torch.get_num_threads())
    assert sys.modules["monai"].__dict__["mlflow"] is None
    assert "mlflow" not in sys.modules
    assert importlib.util.find_spec("mlflow") is not None
