"""How a machine is shared is measured once, by the workers that will train, and said; a failure leaves the rule."""

import json
import shutil
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from program import invoke
from untrained import grid_of_two

from lge_sweep.config import Cell
from lge_sweep.config.schema import Training
from lge_sweep.engine.events import Done, Event, Failed, Paced, Progress, Pruned, TaskResult
from lge_sweep.engine.executors import local, local_pace
from lge_sweep.engine.executors.local import LocalExecutor
from lge_sweep.engine.executors.local_pace import RESERVE, UnmeasuredError, choose_sharing, measure_paces
from lge_sweep.engine.executors.local_worker import WorkerSetup
from lge_sweep.engine.executors.perform import perform
from lge_sweep.engine.executors.protocol import ExecutorOptions
from lge_sweep.engine.executors.sharing import WORKER_MEMORY, Machine, Sharing
from lge_sweep.engine.executors.worker import Worker
from lge_sweep.engine.task import PaceTask, SweepSample, Task, make_sample, make_task
from lge_sweep.run_store import RunStore

CELL = Cell(1, "unet", "cross_entropy", "adam", 0)
TASK = PaceTask(cell=CELL, training=Training(image_size=64, batch_size=2, width=0.05, encoder_weights="none"))
ONE, TWO = Sharing(1, 2), Sharing(2, 1)
READY = Progress(step=0, total=0, loss=0.0, val_dice=0.0)
Says = Callable[[PaceTask, int], list[Progress | TaskResult]]


class Pacer(Worker):
    """A worker that says at once all that it will say of a task."""

    process: Any  # a stand-in

    def __init__(self, number: int, says: Says, threads: int = 1) -> None:
        self.setup = WorkerSetup(number, threads, Path("lock"), Path("log"))
        self.says, self.task, self.busy, self.silent, self.stopped = says, "", False, 0.0, False
        self.connection, self.remote = Pipe()
        self.process = SimpleNamespace(join=lambda timeout=None: None, exitcode=-9, is_alive=lambda: True)

    def give(self, task_id: str, task: Task) -> None:
        assert isinstance(task, PaceTask)
        self.task, self.busy = task_id, True
        said = self.says(task, self.setup.number)
        for news in said:
            self.remote.send_bytes(Event(task=task_id, news=news).model_dump_json().encode())
        if not said:
            self.remote.close()

    def answers(self) -> list[bool]:
        found = []
        while self.remote.poll():
            found.append(self.remote.recv())
        return found

    def stop(self) -> None:
        self.stopped = True


def paced(task: PaceTask, number: int) -> list[Progress | TaskResult]:
    """Take .2 s a step with one thread, .15 with two."""
    return [READY, Paced(seconds={1: 0.2, 2: 0.15}[task.threads])]


# ------------------------------------------------------------------------------------------------------------ the ways


@pytest.mark.parametrize(
    ("machine", "tasks", "expected"),
    [
        (Machine(2), 5, [TWO, ONE]),
        (Machine(2), 1, [ONE]),
        (Machine(1), 5, [Sharing(1, 1)]),
        (Machine(16), 5, [Sharing(5, 3), Sharing(4, 4), Sharing(2, 8)]),
        (Machine(16), 100, [Sharing(16, 1), Sharing(8, 2), Sharing(4, 4)]),
        (Machine(16, memory=4 * WORKER_MEMORY), 100, [Sharing(4, 4), Sharing(2, 8), Sharing(1, 16)]),
        (Machine(2, memory=WORKER_MEMORY // 2), 5, [ONE]),
        (Machine(16, gpus=1), 10, [Sharing(1, 16), Sharing(2, 8), Sharing(4, 4)]),
        (Machine(16, gpus=1), 3, [Sharing(1, 16), Sharing(2, 8), Sharing(3, 5)]),
        (Machine(16, gpus=1, memory=2 * WORKER_MEMORY), 10, [Sharing(1, 16), Sharing(2, 8)]),
        (Machine(16, gpus=2), 10, [Sharing(2, 8), Sharing(4, 4), Sharing(8, 2)]),
    ],
)
def test_ways_to_share_that_are_worth_measuring(machine: Machine, tasks: int, expected: list[Sharing]) -> None:
    assert machine.ways_to_share(tasks) == expected


@pytest.mark.parametrize(
    ("paces", "chosen", "said"),
    [
        ((10.0, 7.5), TWO, "2 workers of 1 thread each: 1.33 times the steps of 1 worker of 2 threads, measured here"),
        ((8.0, 10.0), ONE, "1 worker of 2 threads: 1.25 times the steps of 2 workers of 1 thread each, measured here"),
        (
            (10.0, 10.9),
            TWO,
            "2 workers of 1 thread each: 0.92 times the steps of 1 worker of 2 threads, measured here; "
            "so near, the rule decides",
        ),
        ((10.0, 0.0), TWO, "2 workers of 1 thread each: more do not fit into a GPU's memory, measured here"),
    ],
)
def test_the_rule_yields_to_what_is_clearly_faster(paces: tuple[float, float], chosen: Sharing, said: str) -> None:
    assert choose_sharing([TWO, ONE], {str(TWO): paces[0], str(ONE): paces[1]}) == (chosen, said)


# ------------------------------------------------------------------------------------------------------------ measuring


def test_workers_take_steps_side_by_side_and_their_steps_are_added() -> None:
    workers = [Pacer(0, paced), Pacer(1, paced)]
    paces = measure_paces(workers, [TWO, ONE], TASK, 1.0)
    assert paces == pytest.approx({str(ONE): 1 / 0.15, str(TWO): 2 / 0.2})
    assert [worker.answers() for worker in workers] == [[False] * 4, [False] * 2]
    assert not any(worker.busy for worker in workers)


def test_the_best_of_the_turns_counts() -> None:
    times = iter([0.5, 0.1])
    paces = measure_paces([Pacer(0, lambda *_: [READY, Paced(seconds=next(times))])], [ONE], TASK, 1.0)
    assert paces == {str(ONE): 10}


def test_on_a_slow_machine_there_is_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_pace, "ENOUGH", 0.0)
    worker = Pacer(0, paced)
    measure_paces([worker], [ONE], TASK, 1.0)
    assert worker.answers() == [False]


def test_workers_that_do_not_fit_a_gpu_are_not_taken() -> None:
    """At two one is out of memory before it is ready; more are not tried."""

    def says(task: PaceTask, number: int) -> list[Progress | TaskResult]:
        if task.threads == 8:
            return [READY, Paced(seconds=0.1, gpu_used=0.5)]
        assert task.threads == 4
        return [READY, Pruned()] if number == 0 else [Failed(reason="out of GPU memory", memory=True)]

    workers = [Pacer(number, says) for number in range(4)]
    paces = measure_paces(workers, [Sharing(1, 8), Sharing(2, 4), Sharing(4, 2)], TASK, 1.0)
    assert list(paces.values()) == [10, 0, 0]
    assert workers[0].answers() == [False, True, False]


def test_a_gpu_keeps_a_reserve() -> None:
    def says(task: PaceTask, number: int) -> list[Progress | TaskResult]:
        return [READY, Paced(seconds=0.1, gpu_used=1 - RESERVE - 0.01 if task.threads == 8 else 1 - RESERVE + 0.01)]

    workers = [Pacer(number, says) for number in range(2)]
    assert list(measure_paces(workers, [Sharing(1, 8), Sharing(2, 4)], TASK, 1.0).values()) == [10, 0]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], r"a worker was killed by SIGKILL \(out of memory\?\) \(see log\)"),
        ([Failed(reason="RuntimeError: no such kernel", unexpected=True)], "RuntimeError: no such kernel"),
        ([READY], "a worker said nothing for"),
    ],
)
def test_why_it_could_not_be_measured(said: list[Progress | TaskResult], reason: str) -> None:
    with pytest.raises(UnmeasuredError, match=reason):
        measure_paces([Pacer(0, lambda *_: said)], [ONE], TASK, 0.01)


# --------------------------------------------------------------------------------------------------------- the executor


class Team:
    """Executors of one machine, and the workers that they have started."""

    def __init__(self, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.says, self.workers = RunStore(runs), paced, list[Pacer]()
        self._patch = monkeypatch
        monkeypatch.setattr(Machine, "here", lambda: Machine(2))

    def executor(self, workers: int | None = None) -> LocalExecutor:
        executor = LocalExecutor(ExecutorOptions(self.store, workers, stall=0.1))

        def start(number: int) -> Pacer:
            self.workers.append(Pacer(number, lambda *said: self.says(*said), executor._sharing.threads))
            return self.workers[-1]

        self._patch.setattr(executor, "_start_worker", start)
        return executor

    def at_work(self) -> list[tuple[int, int]]:
        """Return number and threads of the workers that are there."""
        return [(worker.setup.number, worker.setup.threads) for worker in self.workers if not worker.stopped]


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    return Team(tmp_path, monkeypatch)


LONG = SweepSample(TASK, 300)


def test_it_is_measured_once_and_known_to_the_next_driver(team: Team) -> None:
    executor = team.executor()
    assert executor.start(5, LONG) == local.MEASURED_FIRST
    assert executor.start(5, LONG) == ""
    assert executor.settle() == (
        "2 workers of 1 thread each: 1.50 times the steps of 1 worker of 2 threads, measured here "
        "(to choose: --workers; make: workers=)"
    )
    assert (executor.slots, team.at_work(), len(team.workers)) == (2, [(0, 1), (1, 1)], 2)
    assert executor.settle() == ""
    ((key, paces),) = json.loads(team.store.speeds.read_bytes())["steps_a_second"].items()
    assert "2 processor(s), torch" in key
    assert "unet, width 0.05, 2x3x64x64, auto" in key
    assert paces == pytest.approx({str(ONE): 1 / 0.15, str(TWO): 10})
    executor.close()
    team.says = lambda *_: pytest.fail("it is known")
    later = team.executor()
    assert "1.50 times the steps" in later.start(5, LONG)
    assert later.settle() == ""
    assert later.start(1, LONG) == "1 worker of 2 threads: so 1 trial is done soonest here, by rule " + local.TO_CHOOSE


def test_what_is_faster_than_the_rule_is_taken(team: Team) -> None:
    team.says = lambda task, number: [READY, Paced(seconds={1: 0.2, 2: 0.05}[task.threads])]
    executor = team.executor()
    executor.start(5, LONG)
    assert executor.settle().startswith("1 worker of 2 threads: 2.00 times the steps of 2 workers of 1 thread each, ")
    assert (executor.slots, team.at_work()) == (1, [(0, 2)])


def test_a_failure_leaves_the_rule_and_new_workers(team: Team) -> None:
    team.says = lambda *_: [Failed(reason="RuntimeError: no such kernel", unexpected=True)]
    executor = team.executor()
    executor.start(5, LONG)
    said = executor.settle()
    assert said.startswith(
        "2 workers of 1 thread each: by rule, as it could not be measured (RuntimeError: no such kernel)"
    )
    assert (team.at_work(), len(team.workers)) == ([(0, 1), (1, 1)], 4)
    assert not team.store.speeds.exists()


@pytest.mark.parametrize(("workers", "tasks", "steps"), [(2, 5, 300), (None, 5, 299), (None, 1, 300)])
def test_nothing_is_measured_where_it_cannot_pay(workers: int | None, tasks: int, steps: int, team: Team) -> None:
    team.says = lambda *_: pytest.fail("too little to do, or nothing to choose")
    executor = team.executor(workers)
    assert ("by rule" in executor.start(tasks, SweepSample(TASK, steps))) == (workers is None)
    assert executor.settle() == ""


# -------------------------------------------------------------------------------------------------------- in the worker


def test_a_worker_measures_when_all_are_ready() -> None:
    heard: list[Progress] = []

    def report(progress: Progress) -> bool:
        heard.append(progress)
        return False

    threads = torch.get_num_threads()
    task = TASK.model_copy(update={"threads": threads + 1, "seconds": 0.0})
    ended = perform(task, report)
    assert isinstance(ended, Paced)
    assert ended.seconds > 0
    assert [progress.val_dice for progress in heard] == [0.0]  # one word, that is answered
    assert torch.get_num_threads() == threads
    assert isinstance(perform(task, lambda _: True), Pruned)


def test_a_sweep_is_measured_by_its_first_network(tmp_path: Path) -> None:
    plan = grid_of_two(tmp_path)
    sample = make_sample(plan, 7)
    steps = len(plan.rows("train")) // plan.config.training.batch_size * plan.config.training.max_epochs
    most = plan.config.training.max_steps or steps
    assert (sample.task.cell, sample.task.training) == (plan.cells[0], plan.config.training)
    assert sample.steps == 7 * min(steps, most)


def test_measuring_changes_no_number_of_what_the_worker_trains_then(tmp_path: Path) -> None:
    plan = grid_of_two(tmp_path)
    task, files = make_task(plan, plan.cells[0]), plan.cell_files(plan.cells[0])
    written = []
    for _ in range(2):
        assert isinstance(perform(task, lambda _: False), Done)
        steps = [line.rpartition(",")[0] for line in files.history.read_text(encoding="utf-8").splitlines()]
        written.append([steps, files.per_image.read_bytes(), files.predictions.read_bytes()])  # not how long they took
        shutil.rmtree(files.path)
        pace = PaceTask(cell=task.cell, training=task.training, threads=torch.get_num_threads() + 1, seconds=0.0)
        assert isinstance(perform(pace, lambda _: False), Paced)
    assert written[0] == written[1]


@pytest.mark.parametrize("text", ["0", "-1", "257", "two", "\u0663", pytest.param("9" * 5000, id="long")])
def test_a_number_of_workers_that_cannot_be_is_refused(text: str) -> None:
    done = invoke("phase1", "--profile", "smoke", "--data", "phantom", "--workers", text)
    assert done.exit_code == 2
    assert "expected auto or a number from 1 to 256, got" in " ".join(done.output.replace("│", " ").split())
