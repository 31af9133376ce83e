"""Sweeps that do not build on each other share the executor: the next one's cells take slots that are free."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from finished_cell import write_result
from mlflow import MlflowClient

from lge_sweep.config import load_sweep
from lge_sweep.engine import Driver, run_sweeps
from lge_sweep.engine.events import Died, Done, Event, Failed
from lge_sweep.engine.ledger import read_ledger
from lge_sweep.engine.observer import SilentObserver
from lge_sweep.engine.task import CellTask, SweepSample, Task
from lge_sweep.run_store import RunStore
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan

News = Done | Failed | Died
SETTINGS = ["grid.model=[unet, segnet]"]


class TwoSlots:
    """Does two tasks at once; a script says which ends next, and how."""

    slots = 2
    queues = False

    def __init__(self, plans: list[Plan], script: Callable[[list[str]], tuple[str, News]]) -> None:
        self.plans: dict[int, Plan] = dict(enumerate(plans, start=1))
        self.script = script
        self.given: list[str] = []
        self.ended: list[str] = []
        self.running: dict[str, CellTask] = {}
        self.told: list[tuple[int, SweepSample | None]] = []

    def start(self, tasks: int, sample: SweepSample | None = None) -> str:
        self.told.append((tasks, sample))
        return ""

    def settle(self) -> str:
        return ""

    def submit(self, task: Task) -> str:
        assert isinstance(task, CellTask)
        assert len(self.running) < self.slots
        name = f"{task.cell.stage} {task.cell.model}"
        self.given.append(name)
        self.running[name] = task
        return name

    def next_event(self, timeout: float) -> Event | None:
        name, news = self.script(list(self.running))
        task = self.running.pop(name)
        if isinstance(news, Done):
            write_result(self.plans[task.cell.stage], task.cell)
            self.ended.append(name)
        return Event(task=name, news=news)

    def answer(self, task_id: str, stop: bool) -> None:
        pytest.fail("nobody asked")

    def replace(self, task_id: str) -> None:
        self.running.pop(task_id, None)

    def close(self) -> None:
        self.running.clear()


@pytest.fixture
def plans(tmp_path: Path) -> list[Plan]:
    return make_plans([load_sweep("phase1", stage, "phantom", "smoke", SETTINGS) for stage in (1, 2)], None, tmp_path)


def begin(plans: list[Plan], script: Callable[[list[str]], tuple[str, News]]) -> tuple[Driver, TwoSlots]:
    executor = TwoSlots(plans, script)
    return Driver(RunStore(plans[0].folder.parent), executor, SilentObserver()), executor


def states(plan: Plan) -> list[list[str]]:
    return [[entry.state for entry in entries] for _, _, entries in read_ledger(RunStore(plan.folder.parent))]


def test_the_next_stage_begins_while_the_last_cell_of_one_is_trained(plans: list[Plan]) -> None:
    """A worker was idle while the other trained the last cell, and both while a stage was concluded."""

    def script(running: list[str]) -> tuple[str, News]:
        return ("1 unet" if running == ["1 unet", "1 segnet"] else running[0]), Done()

    driver, executor = begin(plans, script)
    seen = []
    with closing(driver), closing(run_sweeps(driver, plans)) as sweeps:
        for plan, _ in sweeps:
            assert [result.name for result in plan.cells] == ["unet-cross_entropy-adam", "segnet-cross_entropy-adam"]
            seen.append((plan.config.stage, list(executor.ended), list(executor.running)))
    assert executor.given == ["1 unet", "1 segnet", "2 unet", "2 segnet"]
    # stage 1 is told as soon as it is complete, while a cell of stage 2 is being done
    assert seen == [(1, ["1 unet", "1 segnet"], ["2 unet"]), (2, executor.given, [])]
    assert executor.told[0][0] == 4  # cells of both stages
    assert states(plans[0]) == [["complete", "complete"]] * 2


def test_a_cell_that_is_tried_again_goes_before_those_of_the_next_stage(plans: list[Plan]) -> None:
    deaths = iter([True])

    def script(running: list[str]) -> tuple[str, News]:
        if "2 unet" in running and next(deaths, False):
            return "1 segnet", Died(reason="its worker process was killed")
        return running[0], Done()

    driver, executor = begin(plans, script)
    with closing(driver), closing(run_sweeps(driver, plans)) as sweeps:
        assert [plan.config.stage for plan, _ in sweeps] == [1, 2]
    assert executor.given == ["1 unet", "1 segnet", "2 unet", "1 segnet", "2 segnet"]
    assert states(plans[0]) == [["complete", "complete"]] * 2


def test_a_cell_that_needs_the_gpu_alone_waits_for_those_of_the_next_stage(plans: list[Plan]) -> None:
    short = iter([True])

    def script(running: list[str]) -> tuple[str, News]:
        if "2 unet" in running and next(short, False):
            return "1 segnet", Failed(reason="out of GPU memory", memory=True, unexpected=True)
        if "1 segnet" in running and executor.given.count("1 segnet") == 2:
            assert running == ["1 segnet"]
        return running[0], Done()

    driver, executor = begin(plans, script)
    with closing(driver), closing(run_sweeps(driver, plans)) as sweeps:
        assert [plan.config.stage for plan, _ in sweeps] == [1, 2]
    assert executor.given == ["1 unet", "1 segnet", "2 unet", "1 segnet", "2 segnet"]
    assert executor.ended[:3] == ["1 unet", "2 unet", "1 segnet"]


@pytest.mark.parametrize("moment", ["while both are trained", "while the first is concluded"])
def test_what_was_begun_is_left_in_order_by_an_interrupt(plans: list[Plan], moment: str) -> None:
    def script(running: list[str]) -> tuple[str, News]:
        if "2 unet" in running and moment == "while both are trained":
            raise KeyboardInterrupt
        return running[0], Done()

    driver, _ = begin(plans, script)

    def conclude_the_first() -> None:
        with closing(run_sweeps(driver, plans)) as sweeps:
            next(sweeps)
            raise KeyboardInterrupt

    with closing(driver):
        with pytest.raises(KeyboardInterrupt):
            conclude_the_first()
        client = MlflowClient(driver.tracker.uri)
        runs = client.search_runs([driver.tracker.experiment])
        assert not [run.info.run_name for run in runs if run.info.status == "RUNNING"]
        assert {run.info.status for run in runs} == {"FINISHED", "KILLED"}
    first, second = states(plans[0])
    assert (first, second) == (
        (["complete", "running"] if moment == "while both are trained" else ["complete", "complete"]),
        ["running", "waiting"],
    )


def test_the_next_stage_waits_where_its_weights_are_to_be_looked_for(plans: list[Plan]) -> None:
    def script(running: list[str]) -> tuple[str, News]:
        assert len({name[0] for name in running}) == 1
        return running[0], Done()

    training = plans[1].config.training.model_copy(update={"encoder_weights": "imagenet"})
    later = replace(plans[1], config=plans[1].config.model_copy(update={"training": training}))
    driver, executor = begin(plans, script)
    with closing(driver), closing(run_sweeps(driver, [plans[0], later])) as sweeps:
        assert not driver.may_begin_early(later)
        next(sweeps)
    assert executor.given == ["1 unet", "1 segnet"]
