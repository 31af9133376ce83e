"""`executor=ray`: how it shares a cluster, what crosses to a node, and what becomes of actors that die.

Ray is not installed for the tests: its part is played by a stand-in here, with actors in threads. The last tests run on
a real cluster of this machine where Ray is there; `benchmarks/chaos.py` kills parts of one.
"""

import importlib.util
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from finished_cell import write_interrupted, write_result
from untrained import grid_of_two, moved

from lge_sweep.atomic import write_bytes
from lge_sweep.data import load_arrays
from lge_sweep.engine.events import Died, Done, Failed, Progress
from lge_sweep.engine.executors import ExecutorOptions, Placement, make_executor, ray_cluster, ray_session, ray_worker
from lge_sweep.engine.executors.perform import Report, attempt
from lge_sweep.engine.executors.ray_cluster import RayExecutor
from lge_sweep.engine.executors.ray_files import Scratch, pack_folder, unpack
from lge_sweep.engine.executors.ray_sharing import RayNode, RaySharing, share_nodes
from lge_sweep.engine.executors.ray_worker import RayPlace, RayWorker
from lge_sweep.engine.task import CellTask, Task, WeightsTask, make_task
from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore
from lge_sweep.study.plan import Plan

GIB = 2.0**30
TASK = WeightsTask(models=("unet",), weights="none", width=1.0)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return grid_of_two(tmp_path_factory.mktemp("ray"))


@pytest.fixture
def plan(template: Plan, tmp_path: Path) -> Plan:
    return moved(template, tmp_path / "runs")


# ------------------------------------------------------------------------------------------------ sharing a cluster


@pytest.mark.parametrize(
    ("nodes", "tasks", "workers", "gpus", "expected"),
    [
        ([RayNode(2)], 5, None, None, RaySharing(2, 1)),  # as on one machine: two of one thread
        ([RayNode(8), RayNode(8)], 2, None, None, RaySharing(2, 8)),
        ([RayNode(8), RayNode(8)], 100, None, None, RaySharing(16, 1)),
        ([RayNode(8, memory=6 * GIB)], 100, None, None, RaySharing(2, 4)),  # 3 GB a worker
        ([RayNode(0), RayNode(4)], 1, None, None, RaySharing(1, 4)),  # a head that is not to train
        ([RayNode(2)], 100, 8, None, RaySharing(8, 0.25)),  # as the user says
        ([RayNode(4), RayNode(2)], 100, 3, None, RaySharing(3, 2)),
        ([RayNode(4), RayNode(2)], 100, 2, None, RaySharing(2, 2)),
        ([RayNode(16, gpus=4), RayNode(8)], 100, None, None, RaySharing(4, 4, 1.0)),
        ([RayNode(16, gpus=4)], 2, None, None, RaySharing(2, 4, 1.0)),
        ([RayNode(16, gpus=2)], 100, None, 0.25, RaySharing(8, 2, 0.25)),
        ([RayNode(4, gpus=2)], 100, None, 0.25, RaySharing(8, 0.5, 0.25)),
        ([RayNode(16, gpus=2)], 100, 3, 0.25, RaySharing(3, 2, 0.25)),
    ],
)
def test_a_cluster_is_shared(
    nodes: list[RayNode], tasks: int, workers: int | None, gpus: float | None, expected: RaySharing
) -> None:
    shared = share_nodes(nodes, tasks, workers, gpus)
    assert shared == expected
    assert (
        sum(node.fit(shared.cpus, shared.gpus) for node in nodes if node.cpus) >= shared.workers
    )  # Ray can place them


@pytest.mark.parametrize("gpus", [0.5, 2.0])
def test_a_cluster_without_the_gpus_that_are_asked_for_is_refused(gpus: float) -> None:
    nodes = [RayNode(4)] if gpus < 1 else [RayNode(4, gpus=2)]
    with pytest.raises(RunsError, match=f"gpus_per_trial: .*such as .5, and this cluster has . of them; got {gpus:g}"):
        share_nodes(nodes, 5, None, gpus)


def test_a_cluster_without_processors_is_refused() -> None:
    with pytest.raises(RunsError, match="no node of the cluster offers a processor"):
        share_nodes([RayNode(0)], 5)


def test_what_is_shared_is_said() -> None:
    assert str(RaySharing(1, 2)) == "1 Ray worker of 2 threads"
    assert str(RaySharing(4, 1, 0.25)) == "4 Ray workers of 1 thread and 0.25 GPU each"


# --------------------------------------------------------------------------------------------------- what is refused


def test_ray_that_is_not_installed_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_session, "find_spec", lambda name: None)
    with pytest.raises(RunsError, match=r"Ray is not installed: pip install 'lge_sweep\[ray\]'"):
        make_executor(RunStore(tmp_path), Placement("ray"), 1.0)


@pytest.mark.parametrize("address", ["a machine", "ray://head:10001", "head", "head:0", "head:99999", ":6379"])
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(ray_session, "find_spec", lambda name: object())
    with pytest.raises(RunsError, match="--cluster: expected the address of a Ray cluster, HOST:PORT, got"):
        ray_session.RaySession(address)


def test_a_cluster_that_is_not_there_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself tries for 200 seconds."""
    monkeypatch.setattr(ray_session, "find_spec", lambda name: object())
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(RunsError, match=r"RAY_ADDRESS: no Ray cluster answers at 127.0.0.1:9; start one there"):
        ray_session.RaySession("")


def test_a_cluster_of_another_version_is_named_with_both() -> None:
    said = (
        "Version mismatch: The cluster was started with: Ray: 2.60.0 Python: 3.11.7 This process on node 10.0.0.2 was "
        "started with: Ray: 2.59.0 Python: 3.12.1"
    )
    explained = ray_session._explain(said, "head:6379")
    assert (
        "the cluster at head:6379 runs Ray 2.60.0 on Python 3.11.7, and this is Ray 2.59.0 on Python 3.12.1"
        in explained
    )
    assert "pip install 'ray==2.60.0'" in explained


# ----------------------------------------------------------------------------------------------------- what crosses


def test_files_cross_and_what_counts_on_others_comes_last(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = plan.cells[0]
    write_interrupted(plan, cell)
    source = plan.cell_files(cell).path
    target = tmp_path / "target" / source.name
    written: list[str] = []

    def write(path: Path, content: bytes) -> None:
        written.append(path.name)
        write_bytes(path, content)

    monkeypatch.setattr("lge_sweep.engine.executors.ray_files.write_bytes", write)
    unpack(pack_folder(source), target)
    assert written == ["best.pt", "history.csv", "resume.ckpt"]
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        path.name: path.read_bytes() for path in source.iterdir()
    }
    write_result(plan, cell)
    plan.cell_files(cell).checkpoint.unlink()
    written.clear()
    unpack(pack_folder(source), target)
    assert written == ["best.pt", "history.csv", "per_image.csv", "predictions.npz", "outcome.json"]
    assert not (target / "resume.ckpt").exists()


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/b", "..", ""])
def test_a_file_cannot_be_written_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a file"):
        unpack({name: np.zeros(1, np.uint8)}, tmp_path / "cell")
    assert list(tmp_path.rglob("*")) == [tmp_path / "cell"]


def test_a_node_that_sees_nothing_works_in_a_folder_of_its_own(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    abandoned = tmp_path / "lge-sweep-ray-old"
    abandoned.mkdir()
    os.utime(abandoned, (1, 1))
    scratch, cell = Scratch(), plan.cells[0]
    assert not abandoned.exists()
    os.utime(scratch.path, (1, 1))
    Scratch().remove()
    assert scratch.path.exists()  # somebody works there
    write_interrupted(plan, cell)
    task = make_task(plan, cell)
    here = scratch.receive(task, pack_folder(task.folder), pack_folder(task.arrays))
    assert here.files.checkpoint.read_bytes() == task.files.checkpoint.read_bytes()
    assert (load_arrays(here.arrays).images == load_arrays(task.arrays).images).all()
    assert not here.arrays.exists()  # in memory alone
    assert all(scratch.path in path.parents for path in (here.folder, here.arrays, here.speeds))
    assert scratch.new_checkpoint(here) is None  # that came with it
    write_interrupted(plan.__class__(**{**vars(plan), "folder": here.folder.parent.parent}), cell)
    sent = scratch.new_checkpoint(here)
    assert sent is not None
    assert sorted(sent) == ["best.pt", "history.csv", "resume.ckpt"]
    assert scratch.new_checkpoint(here) is None
    assert sorted(scratch.finish(here)) == ["best.pt", "history.csv", "resume.ckpt"]
    assert not here.folder.exists()
    scratch.remove()
    assert not scratch.path.exists()


# ------------------------------------------------------------------------------- actors that die, hang, find no room


class ActorDiedError(Exception):
    pass


class FakeRay:
    """Ray's part: actors are objects of this process, and a call is a thread.

    Attributes:
        room: actors that it places.
        alive: those that live.
        made: how many there were.
        head: whether the cluster's head answers.
    """

    def __init__(self, worker: Callable[[], RayWorker]) -> None:
        self.worker, self.room, self.made, self.head = worker, 99, 0, True
        self.alive: list[FakeActor] = []
        self.exceptions = SimpleNamespace(
            RayError=ActorDiedError, ActorDiedError=ActorDiedError, RayTaskError=RuntimeError
        )

    def options(self, **options: object) -> SimpleNamespace:
        assert options["max_restarts"] == options["max_task_retries"] == 0
        return SimpleNamespace(remote=lambda: FakeActor(self))

    def wait(self, references: list["Reference"], num_returns: int, timeout: float) -> tuple[list["Reference"], None]:
        until = time.monotonic() + timeout
        while not (done := [each for each in references if each.is_done()]) and time.monotonic() < until:
            time.sleep(0.002)
        return done[:num_returns], None

    def get(self, reference: "Reference") -> Any:
        if reference.error is not None and reference.results.empty():
            raise reference.error
        return reference.results.get()

    def put(self, content: object) -> object:
        return content

    def kill(self, actor: "FakeActor", no_restart: bool) -> None:
        if actor in self.alive:
            self.alive.remove(actor)

    def die(self, actor: "FakeActor", why: str = "The actor died because its node has died.") -> None:
        actor.error = ActorDiedError(why)
        self.kill(actor, True)


class FakeActor:
    def __init__(self, ray: FakeRay) -> None:
        ray.made += 1
        self.ray, self.worker = ray, ray.worker()
        self.error: Exception | None = None
        ray.alive.append(self)

    def __getattr__(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(remote=partial(Reference, self, name))


class Reference:
    def __init__(self, actor: FakeActor, name: str, *arguments: object) -> None:
        self.actor, self.results = actor, queue.SimpleQueue[Any]()

        def call() -> None:
            while actor not in actor.ray.alive[: actor.ray.room]:
                time.sleep(0.002)
            self.results.put(getattr(actor.worker, name)(*arguments))

        threading.Thread(target=call, daemon=True).start()

    @property
    def error(self) -> Exception | None:
        return self.actor.error

    def is_done(self) -> bool:
        return self.error is not None or not self.results.empty()


Deed = Callable[[Task, Report], None]


@pytest.fixture
def deeds() -> list[Deed]:
    """What is done with each task, one after the other, the last for ever."""
    return [lambda task, report: None]


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch, deeds: list[Deed], tmp_path: Path) -> FakeRay:
    """A cluster of one node with two processors."""
    fake = FakeRay(RayWorker)
    session = SimpleNamespace(
        ray=fake, worker=fake, own=True, lost=False, address="", nodes=lambda: [RayNode(2)],
        check=lambda: fake.head, close=lambda: None,
    )  # fmt: skip
    monkeypatch.setattr(ray_cluster, "RaySession", lambda cluster: session)
    monkeypatch.setattr(ray_cluster, "require_ray", lambda: None)
    monkeypatch.setattr(ray_worker, "TOKEN_TRIES", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("load_libraries", "print_to", "log_to_stderr", "hold_for_life"):
        monkeypatch.setattr(ray_worker, name, lambda *_: None)

    def perform(task: Task, report: Report) -> object:
        deed = deeds.pop(0) if len(deeds) > 1 else deeds[0]
        return attempt(lambda: deed(task, report))

    monkeypatch.setattr(ray_worker, "perform_logged", perform)
    return fake


@pytest.fixture
def stall() -> float:
    """How long an actor may say nothing, s: short only where that is what a test is about, machines being slow."""
    return 60.0


@pytest.fixture
def executor(ray: FakeRay, plan: Plan, stall: float) -> Iterator[RayExecutor]:
    executor = RayExecutor(ExecutorOptions(RunStore(plan.folder.parent), None, stall=stall))
    assert executor.start(2) == "2 Ray workers of 1 thread each here (1 node): as many as pay for 2 trials"
    yield executor
    executor.close()
    assert ray.alive == []


def last_news(executor: RayExecutor, task_id: str) -> object:
    while True:
        event = executor.next_event(5.0)
        assert event is not None
        assert event.task == task_id
        if not isinstance(event.news, Progress):
            return event.news


def hang(task: Task, report: Report) -> None:
    time.sleep(1.5)


def test_tasks_are_done_by_warm_actors(executor: RayExecutor, ray: FakeRay) -> None:
    for _ in range(5):
        assert last_news(executor, executor.submit(TASK)) == Done()
    assert ray.made == 2
    assert executor.start(2) == ""
    assert executor.next_event(0.01) is None


def test_an_actor_that_is_lost_with_its_node_is_replaced(
    executor: RayExecutor, ray: FakeRay, deeds: list[Deed]
) -> None:
    deeds[:] = [hang, lambda task, report: None]
    first = executor.submit(TASK)
    while not any(slot.busy for slot in executor._slots):
        assert executor.next_event(0.02) is None
    (busy,) = [slot for slot in executor._slots if slot.busy]
    ray.die(busy.actor)
    died = last_news(executor, first)
    assert isinstance(died, Died)
    assert died.reason == f"its Ray worker on {busy.place.host} was lost with its node, or can no longer be reached"
    executor.replace(first)
    assert last_news(executor, executor.submit(TASK)) == Done()
    assert (ray.made, len(ray.alive)) == (3, 2)


def test_an_idle_actor_that_dies_costs_nothing(executor: RayExecutor, ray: FakeRay) -> None:
    assert last_news(executor, executor.submit(TASK)) == Done()
    for actor in list(ray.alive):
        ray.die(actor)
    assert last_news(executor, executor.submit(TASK)) == Done()
    assert (ray.made, len(ray.alive)) == (4, 2)


def test_a_task_that_is_given_to_a_dead_actor_costs_nothing(
    executor: RayExecutor, ray: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A raylet dies, and the driver hears of it when it has given its actor a task: this was one of a cell's deaths."""
    assert last_news(executor, executor.submit(TASK)) == Done()
    assign = executor._assign

    def die_unheard() -> None:
        monkeypatch.setattr(executor, "_assign", assign)
        for actor in list(ray.alive):
            ray.die(actor)
        assign()

    monkeypatch.setattr(executor, "_assign", die_unheard)
    task_id = executor.submit(TASK)
    assert last_news(executor, task_id) == Done()
    assert (ray.made, len(ray.alive)) == (4, 2)


def test_while_the_head_does_not_answer_nothing_is_asked_of_it(executor: RayExecutor, ray: FakeRay) -> None:
    """Ray waited for ever, and after 60 s it ended the driver."""
    assert last_news(executor, executor.submit(TASK)) == Done()
    ray.head = False
    for actor in list(ray.alive):
        ray.die(actor)
    task_id = executor.submit(TASK)
    assert executor.next_event(0.2) is None
    assert ray.made == 2
    ray.head = True
    assert last_news(executor, task_id) == Done()
    assert ray.made == 4


@pytest.mark.parametrize("stall", [0.3])
def test_an_actor_that_says_nothing_is_ended(
    executor: RayExecutor, deeds: list[Deed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "TICK", 0.05)
    deeds[:] = [hang, lambda task, report: None]
    died = last_news(executor, executor.submit(TASK))
    assert isinstance(died, Died)
    assert "said nothing for" in died.reason
    executor.replace("0")
    executor._options = replace(executor._options, stall=60.0)
    assert last_news(executor, executor.submit(TASK)) == Done()


@pytest.mark.parametrize("stall", [0.3])
def test_tasks_wait_for_room_and_one_actor_does_them_all(
    executor: RayExecutor, ray: FakeRay, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a node lost, Ray places fewer actors than before; with none placed, no time counts against a task."""
    monkeypatch.setattr(ray_cluster, "NO_ROOM", 0.1)
    monkeypatch.setattr(ray_cluster, "TICK", 0.05)
    ray.room = 0
    for actor in list(ray.alive):
        ray.die(actor)
    ids = {executor.submit(TASK), executor.submit(TASK)}
    assert executor.next_event(0.6) is None  # longer than the limit for silence
    for _ in range(100):  # where the machine stood still, there was one look in that time, and it takes two
        if "has no room" not in caplog.text:
            assert executor.next_event(0.1) is None
    executor._options = replace(executor._options, stall=60.0)
    assert caplog.text.count("no worker with 1 CPU has begun: the Ray cluster has no room") == 1
    ray.room = 1
    ended = [executor.next_event(5.0), executor.next_event(5.0)]
    assert {event.task for event in ended if event is not None and event.news == Done()} == ids


def test_actors_that_die_while_they_load_are_an_error(executor: RayExecutor, ray: FakeRay) -> None:
    executor.submit(TASK)

    def kill_all() -> None:
        while True:
            for actor in list(ray.alive):
                ray.die(actor, "Worker exit detail: it was killed. Some common causes include")
            executor.next_event(0.0)

    with pytest.raises(RunsError, match=f"{ray_cluster.FALSE_STARTS} workers in a row died while they loaded"):
        kill_all()


def test_a_node_with_another_version_is_refused(ray: FakeRay, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    place = RayPlace(host="node7", version="0.0.9", shares=True)
    monkeypatch.setattr(RayWorker, "place", lambda *_: place.model_dump_json())
    executor = RayExecutor(ExecutorOptions(RunStore(plan.folder.parent), 1, stall=1.0))
    executor.submit(TASK)
    with pytest.raises(RunsError, match=r"node7 has lge_sweep 0.0.9, and this is .*; install the same version"):
        executor.next_event(5.0)
    executor.close()


def test_the_driver_answers_validations(executor: RayExecutor, deeds: list[Deed]) -> None:
    answers: list[bool] = []

    def ask(task: Task, report: Report) -> None:
        answers.extend(report(Progress(step=1, total=2, loss=0.1, val_dice=dice)) for dice in (None, 0.5, 0.6))

    deeds[:] = [ask]
    task_id = executor.submit(TASK)
    for stop in (None, False, True):
        event = executor.next_event(5.0)
        assert event is not None
        assert isinstance(event.news, Progress)
        if stop is not None:
            executor.answer(task_id, stop)
    assert last_news(executor, task_id) == Done()
    assert answers == [False, False, True]


def test_where_the_runs_directory_is_not_shared_checkpoints_and_results_come_back(
    executor: RayExecutor, ray: FakeRay, deeds: list[Deed], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The actor that is lost had sent a checkpoint; the next one, elsewhere, goes on from it."""
    monkeypatch.setattr(ray_worker, "_sees", lambda *_: False)
    executor.close()
    cell, found, release = plan.cells[0], list[bytes](), threading.Event()
    place, elsewhere = plan.cell_files(cell), {**vars(plan)}

    def train_and_hang(task: Task, report: Report) -> None:
        assert isinstance(task, CellTask)
        write_interrupted(Plan(**{**elsewhere, "folder": task.folder.parent.parent}), cell)
        report(Progress(step=5, total=9, loss=0.1))
        release.wait(5)

    def go_on(task: Task, report: Report) -> None:
        assert isinstance(task, CellTask)
        found.append(task.files.checkpoint.read_bytes())
        task.files.checkpoint.unlink()
        write_result(Plan(**{**elsewhere, "folder": task.folder.parent.parent, "arrays": task.arrays}), cell)

    deeds[:] = [train_and_hang, go_on]
    first = executor.submit(make_task(plan, cell))
    event = executor.next_event(5.0)
    assert event is not None
    assert isinstance(event.news, Progress)
    kept = place.checkpoint.read_bytes()
    (busy,) = [slot for slot in executor._slots if slot.busy]
    ray.die(busy.actor)
    assert isinstance(last_news(executor, first), Died)
    executor.replace(first)
    assert last_news(executor, executor.submit(make_task(plan, cell))) == Done()
    release.set()
    assert found == [kept]
    assert all(path.is_file() for path in (place.outcome, *place.results))
    assert not place.checkpoint.exists()


def test_a_failure_on_a_node_brings_back_what_there_is(
    executor: RayExecutor, deeds: list[Deed], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_worker, "_sees", lambda *_: False)
    executor.close()

    def fail(task: Task, report: Report) -> None:
        assert isinstance(task, CellTask)
        (task.folder / "log.txt").write_text("why", encoding="utf-8")
        raise ValueError("bad luck")

    deeds[:] = [fail]
    cell = plan.cells[0]
    failed = last_news(executor, executor.submit(make_task(plan, cell)))
    assert failed == Failed(reason="ValueError: bad luck", unexpected=True)
    assert plan.cell_files(cell).log.read_text(encoding="utf-8") == "why"


# ------------------------------------------------------------------------------------------------------- a real cluster

HAS_RAY = importlib.util.find_spec("ray") is not None
GUARDED = "LGE_GUARD_LOG" in os.environ


@pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed (pip install 'lge_sweep[ray]')")
@pytest.mark.skipif(GUARDED, reason="Ray connects to this machine's own address, which the guard refuses")
@pytest.mark.filterwarnings("default")  # Ray's own
def test_a_cluster_of_this_machine_does_a_cell(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    cell = plan.cells[0]
    write_result(plan, cell)
    executor = RayExecutor(ExecutorOptions(RunStore(plan.folder.parent), 1, stall=100.0))
    try:
        assert "here (1 node): as --workers says" in executor.start(1)
        first = executor.submit(make_task(plan, cell))  # is finished: nothing is trained
        assert last_news_of_real(executor, first) == Done()
        (slot,) = executor._slots
        assert slot.place.shares
        slot.ray.kill(slot.actor)
        assert last_news_of_real(executor, executor.submit(make_task(plan, cell))) == Done()
        assert executor._slots != [slot]
    finally:
        executor.close()
    assert not RunStore(plan.folder.parent).ray_token.exists()


def last_news_of_real(executor: RayExecutor, task_id: str) -> object:
    """As `last_news`; libraries take their time."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (event := executor.next_event(5.0)) is not None and not isinstance(event.news, Progress):
            assert event.task == task_id
            return event.news
    raise AssertionError("nothing was heard")
