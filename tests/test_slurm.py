"""The executor of a SLURM cluster: mailboxes, jobs that outlive their driver, jobs that die, what is refused.

Most of it plays the jobs' part itself. One sweep runs through stand-ins for SLURM's commands (`fake_slurm.py`), one
through SLURM, where there is one.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import fake_slurm
import pytest
from program import command, invoke
from untrained import grid_of_two

from lge_sweep.config import load_sweep
from lge_sweep.engine.driver import Driver
from lge_sweep.engine.events import Died, Done, Event, Failed, Progress
from lge_sweep.engine.executors import Placement, find_live_jobs, make_executor, slurm, slurm_job, slurm_queue
from lge_sweep.engine.executors.mailbox import Mailbox
from lge_sweep.engine.executors.protocol import ExecutorOptions
from lge_sweep.engine.executors.slurm import SlurmExecutor
from lge_sweep.engine.executors.slurm_queue import QueuedJob, cancel_jobs, describe_end, find_jobs
from lge_sweep.engine.executors.slurm_settings import SlurmSettings, read_slurm_settings
from lge_sweep.engine.grid_queue import GridQueue
from lge_sweep.engine.ledger import Ledger
from lge_sweep.engine.loop import SweepLoop
from lge_sweep.engine.observer import SilentObserver
from lge_sweep.engine.task import CellTask, make_task
from lge_sweep.engine.view import SweepView
from lge_sweep.errors import ConfigError, RunsError
from lge_sweep.run_store import RunStore
from lge_sweep.study import make_plans

MANY = ("search.trials=30", "search.startup_trials=3")
RUNNING, PENDING = QueuedJob("RUNNING", "None", "node1"), QueuedJob("PENDING", "Resources", "")
STEP = Progress(step=3, total=6, loss=0.5)
VALIDATION = Progress(step=4, total=6, loss=0.5, val_loss=0.4, val_dice=0.1)


# ------------------------------------------------------------------------------------------------------------ mailboxes


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> tuple[CellTask, CellTask]:
    plan = grid_of_two(tmp_path_factory.mktemp("plan"))
    first, second = (make_task(plan, cell) for cell in plan.cells)
    return first, second


def test_what_a_job_says_is_read_once_and_whole(tmp_path: Path, tasks: tuple[CellTask, CellTask]) -> None:
    mailbox = Mailbox(tmp_path / "tasks" / "a1")
    mailbox.write(tasks[0])
    assert mailbox.task() == tasks[0]
    assert mailbox.read(0) == ([], 0)
    mailbox.tell(Event(task="a1", news=STEP))
    events, offset = mailbox.read(0)
    assert [event.news for event in events] == [STEP]
    with (mailbox.path / "events.jsonl").open("ab") as file:
        file.write(b'{"task": "a1", "ne')  # its node died while it wrote, or the rest has not arrived
    assert mailbox.read(offset) == ([], offset)
    assert not mailbox.has_ended()
    with (mailbox.path / "events.jsonl").open("ab") as file:
        file.write(b"\n")
    mailbox.tell(Event(task="a1", news=Done()))
    events, _ = mailbox.read(offset)
    assert [event.news for event in events] == [Done()]
    assert mailbox.has_ended()


def test_a_task_is_asked_to_stop(tmp_path: Path, tasks: tuple[CellTask, CellTask]) -> None:
    mailbox = Mailbox(tmp_path / "a1")
    mailbox.write(tasks[0])
    assert not mailbox.should_stop()
    mailbox.ask_to_stop()
    assert mailbox.should_stop()


# ------------------------------------------------------------------------------------------------------------- settings


def test_settings_become_what_submitit_takes(tmp_path: Path) -> None:
    path = tmp_path / "gpu.yaml"
    path.write_text("partition: gpu\ngres: gpu:1\ntime: 60\nmem_gb: 7.5\nsetup: [module load cuda]\n", encoding="utf-8")
    assert read_slurm_settings(str(path)).parameters() == {
        "partition": "gpu", "gres": "gpu:1", "time": 60, "mem": "7680M", "cpus_per_task": 2, "signal_delay_s": 90,
        "setup": ["module load cuda"], "additional_parameters": {"requeue": True},
    }  # fmt: skip
    assert read_slurm_settings("") == SlurmSettings()
    path.write_text("setup: module load cuda\n", encoding="utf-8")
    assert read_slurm_settings(str(path)).setup == ("module load cuda",)
    path.write_text("", encoding="utf-8")
    assert read_slurm_settings(str(path)) == SlurmSettings()


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("30", 30), ("'30'", 30), ("90:30", 91), ("4:00:00", 240), ("1-12", 2160), ("1-0:30", 1470), ("0-0:1:1", 2)],
)
def test_a_time_is_read_as_slurm_reads_it(written: str, minutes: int, tmp_path: Path) -> None:
    """As YAML reads it, 4:00:00 is a number to the base of 60, and was ten days."""
    path = tmp_path / "gpu.yaml"
    path.write_text(f"time: {written}\n", encoding="utf-8")
    assert read_slurm_settings(str(path)).time == minutes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partitoin: gpu", ":\n  - partitoin: unknown setting: did you mean 'partition'?"),
        ("time: 0\nrequeues: -1", "  - time: input should be greater than or equal to 1, got 0\n  - requeues: input"),
        (
            "partition: 'a b'",
            "  - partition: expected one word without spaces and quotes, as a line of #SBATCH takes it",
        ),
        ("gres: gpu:1 --uid=0", "  - gres: expected one word without spaces and quotes"),
        ("- a", ": expected settings as 'key: value' lines, got list"),
        ("a: [", "line 1"),
    ],
)
def test_settings_that_are_wrong_are_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        read_slurm_settings(str(path))
    assert str(path) in str(raised.value)
    assert message in str(raised.value)


def test_a_file_of_settings_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--cluster .*none\.yaml: no such file; expected a YAML file"):
        read_slurm_settings(str(tmp_path / "none.yaml"))


# ------------------------------------------------------------------------------------------------------ SLURM's answers


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for SLURM's commands, first on the PATH."""
    folder = tmp_path / "commands"
    fake_slurm.install(folder)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def answer_with(folder: Path, command: str, script: str) -> None:
    (folder / command).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")


def test_jobs_that_have_not_ended_are_found(commands: Path) -> None:
    lines = (
        r"17_0|RUNNING|None|n1\n17_1|PENDING|Resources|\n17_2|COMPLETED|None|n1\n17_3|REQUEUED|None|\n18|RUNNING||n2"
    )
    answer_with(commands, "squeue", f"[ \"$4\" = --jobs=17 ] && printf '{lines}\\n'")
    found = find_jobs(["17_0", "17_1", "17_2", "17_3", "17_9"])
    assert found is not None
    assert set(found) == {"17_0", "17_1", "17_3"}
    assert (found["17_0"], found["17_1"]) == (QueuedJob("RUNNING", "None", "n1"), QueuedJob("PENDING", "Resources", ""))
    assert (found["17_0"].runs, found["17_1"].runs) == (True, False)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", {}),
        ("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", None),
    ],
)
def test_a_controller_that_is_away_is_no_controller_that_knows_no_job(
    script: str, expected: object, commands: Path
) -> None:
    answer_with(commands, "squeue", script)
    assert find_jobs(["17"]) == expected


def test_how_a_job_ended_is_said(commands: Path) -> None:
    facts = "JobId=17 JobState=OUT_OF_MEMORY Reason=OutOfMemory NodeList=n7 ExitCode=0:125"
    answer_with(commands, "scontrol", f"echo '{facts}'")
    assert describe_end("17") == "ended as OUT_OF_MEMORY (exit code 0:125, OutOfMemory) on n7"
    facts = "JobId=17 JobState=CANCELLED Reason=Nodes_required_for_job_are_DOWN NodeList= ExitCode=0:0"
    answer_with(commands, "scontrol", f"echo '{facts}'")
    assert describe_end("17") == "ended as CANCELLED (exit code 0:0, Nodes required for job are DOWN)"
    answer_with(commands, "scontrol", "exit 1")
    assert describe_end("17") == "left SLURM's queue"


def test_a_job_is_killed_and_waited_for(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is asked to end takes half a minute, in which the next one writes what it writes."""
    answer_with(commands, "scancel", 'echo "$@" >> ' + str(commands / "asked"))
    answer_with(
        commands,
        "squeue",
        f"echo x >> {commands}/looks; [ $(wc -l < {commands}/looks) -gt 2 ] || echo '17|COMPLETING||n'",
    )
    cancel_jobs(["17"])
    assert (commands / "asked").read_text().splitlines() == ["--quiet --signal=KILL 17", "--quiet 17"]
    assert (commands / "looks").read_text().count("x") == 3
    answer_with(commands, "squeue", "echo '17|COMPLETING||n'")
    monkeypatch.setattr(slurm_queue, "ENDED_WITHIN", 0.0)
    cancel_jobs(["17"])  # a node that does not answer holds nobody up for ever


# --------------------------------------------------------------------------------------------------------- the executor


class Cluster:
    """SLURM as the executor sees it: takes jobs, and says what became of them; the test plays the jobs' part."""

    def __init__(self) -> None:
        self.queued: dict[str, QueuedJob] | None = {}
        self.arrays: list[list[Mailbox]] = []
        self.cancelled: list[str] = []
        self._batch: list[Mailbox] = []

    @contextmanager
    def batch(self) -> Iterator[None]:
        self._batch = []
        yield
        self.arrays.append(self._batch)

    def submit(self, job: Any) -> SimpleNamespace:
        self._batch.append(Mailbox(job.folder))
        name = f"{len(self.arrays) + 1}_{len(self._batch) - 1}"
        assert self.queued is not None
        self.queued[name] = RUNNING
        return SimpleNamespace(job_id=name)

    def find_jobs(self, jobs: list[str]) -> dict[str, QueuedJob] | None:
        return None if self.queued is None else {job: self.queued[job] for job in jobs if job in self.queued}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    monkeypatch.setattr(slurm, "_require_slurm", lambda: None)
    monkeypatch.setattr(slurm, "find_jobs", cluster.find_jobs)
    monkeypatch.setattr(slurm, "cancel_jobs", cluster.cancelled.extend)
    monkeypatch.setattr(slurm, "describe_end", lambda job: "ended as NODE_FAIL")
    monkeypatch.setattr(SlurmExecutor, "_submitter", lambda executor: cluster)
    monkeypatch.setattr(slurm, "READ_EVERY", 0.001)
    monkeypatch.setattr(slurm, "ASK_EVERY", 0.0)
    monkeypatch.setattr(slurm, "GRACE", 0.0)
    return cluster


@pytest.fixture
def begin(tmp_path: Path, cluster: Cluster) -> Callable[..., SlurmExecutor]:
    def start(stall: float = 100.0, tasks: int = 2) -> SlurmExecutor:
        executor = SlurmExecutor(ExecutorOptions(RunStore(tmp_path), None, stall))
        executor.start(tasks)
        return executor

    return start


Begin = Callable[..., SlurmExecutor]


def test_tasks_are_one_array_and_their_words_are_events(
    cluster: Cluster, begin: Begin, tasks: tuple[CellTask, CellTask]
) -> None:
    executor = begin()
    assert executor.slots == 2
    ids = [executor.submit(task) for task in tasks]
    assert cluster.arrays == []
    assert executor.next_event(0.01) is None
    ((first, second),) = cluster.arrays
    assert [first.task(), second.task()] == list(tasks)
    for news in (STEP, VALIDATION, STEP, STEP):
        first.tell(Event(task=first.id, news=news))
    second.tell(Event(task=second.id, news=Failed(reason="a bad day")))
    heard = [executor.next_event(0.01) for _ in range(4)]
    assert heard == [
        Event(task=ids[0], news=VALIDATION), Event(task=ids[0], news=STEP),  # of steps, the latest is enough
        Event(task=ids[1], news=Failed(reason="a bad day")), None,
    ]  # fmt: skip
    assert not second.path.exists()
    executor.answer(ids[0], stop=False)
    assert not first.should_stop()
    executor.answer(ids[0], stop=True)
    assert first.should_stop()


def test_a_driver_that_comes_back_finds_its_jobs(
    cluster: Cluster, begin: Begin, tasks: tuple[CellTask, CellTask], tmp_path: Path
) -> None:
    executor = begin()
    for task in tasks:
        executor.submit(task)
    executor.next_event(0.01)
    ((first, second),) = cluster.arrays
    executor.close()
    assert cluster.cancelled == []
    live = find_live_jobs(RunStore(tmp_path))["slurm"]
    assert live.ids == ("1_0", "1_1")
    assert live.words == "SLURM jobs: 2 running (1_0, 1_1)"
    assert cluster.queued is not None
    del cluster.queued["1_1"]  # it was lost meanwhile
    later = begin()
    ids = [later.submit(task) for task in tasks]
    assert ids[0] == first.id
    assert not second.path.exists()
    later.next_event(0.01)
    assert [len(array) for array in cluster.arrays] == [2, 1]
    first.tell(Event(task=first.id, news=Done()))
    assert later.next_event(0.01) == Event(task=ids[0], news=Done())


def test_a_job_whose_driver_was_killed_before_it_noted_it_is_found(
    cluster: Cluster, begin: Begin, tasks: tuple[CellTask, CellTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = begin()
    mailbox = executor._tasks[executor.submit(tasks[0])].mailbox  # SLURM gave it job 1_0, and the driver was killed
    assert cluster.queued is not None
    cluster.queued["1_0"] = RUNNING
    monkeypatch.setattr(slurm_job, "load_libraries", lambda threads: None)
    monkeypatch.setattr(slurm_job, "log_to_stderr", lambda: None)
    monkeypatch.setattr(slurm_job, "perform_logged", lambda task, report: report(STEP) or Done())
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "1")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    monkeypatch.setattr(Mailbox, "has_ended", lambda mailbox: False)  # it is at work
    assert slurm_job.TaskJob(mailbox.path)().startswith("done on ")
    later = begin()
    assert later.submit(tasks[0]) == mailbox.id
    later.next_event(0.01)
    assert cluster.arrays == []


def test_of_jobs_that_wait_only_the_next_to_begin_are_listened_to(
    cluster: Cluster, begin: Begin, tasks: tuple[CellTask, CellTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = begin()
    ids = [executor.submit(task) for task in tasks]
    assert cluster.queued is not None
    executor._submit_all()
    cluster.queued |= {"1_0": PENDING, "1_1": PENDING}
    executor.next_event(0.01)
    ((first, second),) = cluster.arrays
    monkeypatch.setattr(slurm, "NEXT", 1)
    monkeypatch.setattr(slurm, "ASK_EVERY", 100.0)  # that they have begun is not told
    for mailbox in (first, second):
        mailbox.tell(Event(task=mailbox.id, news=STEP))
    assert executor.next_event(0.01) == Event(task=ids[0], news=STEP)
    first.tell(Event(task=first.id, news=Done()))
    assert [executor.next_event(0.01) for _ in range(2)] == [
        Event(task=ids[0], news=Done()), Event(task=ids[1], news=STEP),
    ]  # fmt: skip


def test_a_job_that_is_put_back_as_it_ends_has_nothing_to_do(
    begin: Begin, tasks: tuple[CellTask, CellTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last word was taken, and its mailbox removed, when SLURM put it back into the queue: it failed there."""
    executor = begin()
    task = executor.submit(tasks[0])
    mailbox = executor._tasks[task].mailbox
    mailbox.tell(Event(task=task, news=Done()))
    assert executor.next_event(0.01) == Event(task=task, news=Done())
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "1")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    assert slurm_job.TaskJob(mailbox.path)() == "it had ended"
    assert not mailbox.path.exists()


def test_jobs_that_wait_for_long_are_not_listened_to_until_they_run(
    cluster: Cluster, begin: Begin, tasks: tuple[CellTask, CellTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = begin()
    executor.submit(tasks[0])
    assert cluster.queued is not None
    executor._submit_all()
    cluster.queued["1_0"] = PENDING
    executor.next_event(0.01)
    monkeypatch.setattr(slurm, "NEXT", 0)
    with monkeypatch.context() as patch:
        patch.setattr(Mailbox, "read", lambda *_: pytest.fail("it says nothing"))
        patch.setattr(slurm, "ASK_EVERY", 100.0)
        assert executor.next_event(0.01) is None
    cluster.queued["1_0"] = RUNNING
    ((mailbox,),) = cluster.arrays
    mailbox.tell(Event(task=mailbox.id, news=Done()))
    event = executor.next_event(1.0)
    assert event is not None
    assert event.news == Done()


def test_a_trial_is_shown_from_when_its_job_begins(cluster: Cluster, begin: Begin, tmp_path: Path) -> None:
    """Thousands of cells that waited had a running run each, opened before the first job was submitted."""
    plan, executor = grid_of_two(tmp_path), begin()
    view = Mock(SweepView)
    with Ledger(RunStore(tmp_path)) as ledger:
        study = ledger.open(plan.name, {"cells": [cell.name for cell in plan.cells]})
        loop = SweepLoop(plan, GridQueue(plan, study), study, executor, view, SilentObserver())
        loop._submit_all()
        assert executor.next_event(0.01) is None
        ((first, second),) = cluster.arrays
        assert not view.open_trial.called
        first.tell(Event(task=first.id, news=STEP))
        second.tell(Event(task=second.id, news=Failed(reason="it could not begin")))
        for shown in (1, 2):
            event = executor.next_event(0.01)
            assert event is not None
            loop._handle(event)
            assert [call.args for call in view.open_trial.call_args_list] == [(plan.cells[k], k) for k in range(shown)]
        view.open_trial.return_value.fail.assert_called_once_with("it could not begin")
        assert [study.entry(cell.name).state for cell in plan.cells] == ["running", "failed"]


def test_what_was_not_submitted_is_forgotten(cluster: Cluster, begin: Begin, tasks: tuple[CellTask, CellTask]) -> None:
    executor = begin()
    executor.submit(tasks[0])
    executor.close()
    assert executor.next_event(0.01) is None
    assert cluster.arrays == []


def test_a_job_that_leaves_the_queue_without_a_word_has_died(
    cluster: Cluster, begin: Begin, tasks: tuple[CellTask, CellTask]
) -> None:
    executor = begin()
    task_id = executor.submit(tasks[0])
    executor.next_event(0.01)
    known, cluster.queued = cluster.queued, None
    assert executor.next_event(0.01) is None  # SLURM cannot be asked: nobody is given up
    cluster.queued = known
    assert executor.next_event(0.01) is None
    cluster.queued = {}
    assert executor.next_event(0.01) == Event(task=task_id, news=Died(reason="its SLURM job 1_0 ended as NODE_FAIL"))
    executor.replace(task_id)
    assert cluster.cancelled == ["1_0"]
    assert executor.next_event(0.01) is None


def test_why_no_job_begins_is_said_once(
    cluster: Cluster,
    begin: Begin,
    tasks: tuple[CellTask, CellTask],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    executor = begin()
    executor.submit(tasks[0])
    executor._submit_all()
    assert cluster.queued is not None
    cluster.queued["1_0"] = QueuedJob("PENDING", "PartitionConfig", "")
    assert executor.next_event(0.01) is None
    assert "all wait" not in caplog.text
    monkeypatch.setattr(slurm, "WAITED", 0.0)
    assert executor.next_event(0.02) is None
    assert caplog.text.count("no SLURM job runs, all wait: PartitionConfig (squeue --start tells until when)") == 1


def test_a_job_may_wait_for_ever_but_not_be_silent(
    cluster: Cluster, begin: Begin, tasks: tuple[CellTask, CellTask]
) -> None:
    executor = begin(stall=0.0)
    task_id = executor.submit(tasks[0])
    assert cluster.queued is not None
    executor._submit_all()
    cluster.queued["1_0"] = PENDING
    assert executor.next_event(0.01) is None
    cluster.queued["1_0"] = RUNNING
    event = executor.next_event(0.01)
    assert event is not None
    assert isinstance(event.news, Died)
    assert event.task == task_id
    assert "said nothing for" in event.news.reason
    assert "on node1 and was ended" in event.news.reason


def test_jobs_that_slurm_does_not_take_end_the_sweep_in_its_words(
    cluster: Cluster, begin: Begin, tasks: tuple[CellTask, CellTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from submitit.core.utils import FailedJobError

    def refuse(job: object) -> None:
        raise FailedJobError("sbatch: error: invalid partition specified: nowhere")

    monkeypatch.setattr(cluster, "submit", refuse)
    executor = begin()
    executor.submit(tasks[0])
    with pytest.raises(RunsError, match="SLURM does not take the jobs: sbatch: error: invalid partition specified"):
        executor.next_event(0.01)
    assert list((tmp_path / "slurm" / "tasks").iterdir()) == []


def test_other_executors_do_not_begin_beside_jobs(
    cluster: Cluster, begin: Begin, tasks: tuple[CellTask, CellTask], tmp_path: Path
) -> None:
    executor = begin()
    executor.submit(tasks[0])
    executor.next_event(0.01)
    executor.close()
    store = RunStore(tmp_path)
    with pytest.raises(
        RunsError, match=r"jobs of an earlier command with --executor slurm may .* \(1_0\)\. Go on with"
    ):
        make_executor(store, Placement("local", workers=1), 1.0)
    cluster.queued = None  # no SLURM here
    with pytest.raises(RunsError, match=f"cannot be asked here, remove {store.slurm}"):
        make_executor(store, Placement("local", workers=1), 1.0)
    cluster.queued = {}
    make_executor(store, Placement("local", workers=1), 1.0)


def test_of_a_search_no_more_is_done_at_once_than_is_drawn_blindly(
    cluster: Cluster, tmp_path: Path, tasks: tuple[CellTask, CellTask]
) -> None:
    config = load_sweep("search", 1, "phantom", "smoke", ["grid.model=[unet, segnet]", *MANY])
    (plan,) = make_plans([config], None, tmp_path)
    executor = SlurmExecutor(ExecutorOptions(RunStore(tmp_path), None, 1.0))
    driver = Driver(RunStore(tmp_path), executor, SilentObserver())
    driver._start(plan, 30)
    driver.close()
    assert executor.slots == 3


def test_without_slurm_the_executor_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunsError, match="--executor slurm: there is no SLURM here"):
        make_executor(RunStore(tmp_path), Placement("slurm"), 1.0)


# -------------------------------------------------------------------------------------------------------------- a sweep

SWEEP = (
    "phase1", "--stage", "1", "--profile", "smoke", "--set", "grid.model=[unet,segnet]",
    "--set", "training.precision=fp32", "--set", "training.width=0.125", "--set", "training.max_steps=2",
    "--set", "training.validation_every=1", "--set", "source.cases=12",
)  # fmt: skip


def tables_of(runs: Path) -> list[bytes]:
    tables = sorted(runs.glob("phase1-*/cells/*/per_image.csv"))
    assert len(tables) == 2
    return [table.read_bytes() for table in tables]


def completed(runs: Path, *options: str) -> list[bytes]:
    words = command(*SWEEP, "--runs", str(runs), *options)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tables_of(runs)


def test_a_sweep_is_an_array_of_jobs(commands: Path, tmp_path: Path) -> None:
    done = invoke(*SWEEP, "--runs", str(tmp_path / "jobs"), "--executor", "slurm")  # the jobs are processes
    assert done.exit_code == 0, done.output
    assert all(tables_of(tmp_path / "jobs"))
    outcomes = (tmp_path / "jobs").glob("phase1-*/cells/*/outcome.json")
    assert sorted(json.loads(outcome.read_bytes())["hardware"]["job"] for outcome in outcomes) == ["1_0", "1_1"]
    assert list((tmp_path / "jobs" / "slurm" / "tasks").iterdir()) == []


def slurm_answers() -> bool:
    """Whether there is a SLURM with a node that takes jobs."""
    if shutil.which("sinfo") is None:
        return False
    done = subprocess.run(["sinfo", "--noheader", "--states=idle,mixed"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and bool(done.stdout.strip())


@pytest.mark.slow
@pytest.mark.skipif(not slurm_answers(), reason="no SLURM with an idle node here")
def test_a_sweep_in_jobs_is_the_same_as_in_workers(tmp_path: Path) -> None:
    """One thread in both."""
    file = tmp_path / "cluster.yaml"
    file.write_text("cpus_per_task: 1\n", encoding="utf-8")
    in_jobs = completed(tmp_path / "jobs", "--executor", "slurm", "--cluster", str(file))
    assert in_jobs == completed(tmp_path / "workers", "--executor", "local", "--workers", str(os.cpu_count()))
