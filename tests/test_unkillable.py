"""kill -9 at any moment, then the same command: every cell complete once, nothing lost, nothing twice."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from processes import is_alive
from program import command, inline, invoke
from pytorch_lightning import LightningModule
from slow_tests import SLOW_TESTS
from tracked_runs import child_runs

from lge_sweep.config import cells, load_sweep
from lge_sweep.data.module import LgeDataModule
from lge_sweep.engine.callbacks import MovingAverage
from lge_sweep.engine.events import Progress
from lge_sweep.engine.ledger import read_ledger
from lge_sweep.engine.lock import is_held
from lge_sweep.engine.task import CellTask, TrialPrunedError, make_task
from lge_sweep.engine.train import execute, load_best
from lge_sweep.run_store import RunStore
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan

STEPS = 16
ARGUMENTS = [
    "phase1", "--stage", "1", "--profile", "smoke", "--set", "grid.model=[unet, segnet]",
    "--set", f"training.max_steps={STEPS}", "--set", "training.validation_every=4", "--set", "training.patience=100",
    "--set", "training.width=0.25", "--set", "source.cases=12",
]  # fmt: skip

Moment = Callable[[Path], bool]


def exists(pattern: str) -> Moment:
    return lambda runs: any(runs.glob(pattern))


def after(pattern: str, seconds: float) -> Moment:
    """A while after a file has appeared."""
    seen: list[float] = []

    def moment(runs: Path) -> bool:
        if any(runs.glob(pattern)):
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] > seconds

    return moment


MOMENTS: dict[str, Moment] = {
    "while the data is prepared": exists("cache"),
    "while the first trial starts": exists("phase1-*/cells/unet-*"),
    "in the middle of the first trial": exists("phase1-*/cells/unet-*/resume.ckpt"),
    "as a cell's folder becomes whole": exists("phase1-*/cells/unet-*/outcome.json"),
    "in the middle of the second trial": after("phase1-*/cells/segnet-*/resume.ckpt", 0.1),
}
FEW = ("in the middle of the second trial",)
"""What is tried every time; each moment costs ten seconds. All are with LGE_SWEEP_SLOW_TESTS."""


def children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text(encoding="utf-8").split()] if path.is_file() else []


def kill_at(runs: Path, moment: Moment) -> bool:
    """Start the sweep and kill its driver with SIGKILL at a moment; False if it finished before."""
    process = subprocess.Popen(
        command(*ARGUMENTS, "--runs", str(runs)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not moment(runs):
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.002)
    workers = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 10
    while any(is_alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker outlived its driver"
        time.sleep(0.02)
    return True


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_killed_at_several_moments_every_cell_is_complete_once(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name, moment in MOMENTS.items():
        if name not in FEW and not SLOW_TESTS:
            continue
        assert kill_at(runs, moment), f"finished before: {name}"
        assert not is_held(RunStore(runs))
    with inline():
        done = invoke(*ARGUMENTS, "--runs", str(runs))
    assert done.exit_code == 0, done.output
    assert "resumed" in done.stdout
    ((_, _, entries),) = read_ledger(RunStore(runs))
    assert [(entry.state, entry.trial) for entry in entries] == [("complete", 0), ("complete", 1)]
    parents, children = child_runs(runs)
    assert len(parents) == 1
    assert Counter(entry.data.tags["cell"] for entry in children) == {entry.cell: 1 for entry in entries}
    assert all(entry.info.status == "FINISHED" for entry in parents + children)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=RunStore(runs).tracking_uri)
    for entry in children:
        steps = [point.step for point in client.get_metric_history(entry.info.run_id, "train/loss")]
        assert steps == list(range(1, STEPS + 1)), f"{entry.data.tags['cell']}: each step once, in order"
    assert not list(runs.glob("phase1-*/cells/*/resume.ckpt"))


def heed_interrupts() -> None:
    """Undo what a shell does to jobs in its background, and with it to tests that run there: SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow  # test_driver has it with stubs of workers
def test_a_killed_worker_is_replaced_and_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    arguments = [*ARGUMENTS, "--set", "grid.model=[unet]", "--set", "training.max_steps=4000", "--runs", str(runs)]
    process = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    checkpoint = "phase1-*/cells/unet-*/resume.ckpt"

    def wait_for_checkpoint(newer_than: float = 0.0) -> None:
        deadline = time.monotonic() + 120
        while not any(path.stat().st_mtime > newer_than for path in runs.glob(checkpoint)):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)

    wait_for_checkpoint()
    (worker,) = [pid for pid in children_of(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(worker, signal.SIGKILL)
    time.sleep(0.2)
    wait_for_checkpoint(newer_than=time.time())
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: driver and worker both get it
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "was killed by SIGKILL" in printed
    assert "resumed" in printed
    assert "stopped; run the same command again" in printed
    assert "Traceback" not in printed
    parents, children = child_runs(runs)
    assert [entry.info.status for entry in parents + children] == ["KILLED", "KILLED"]
    ((_, _, entries),) = read_ledger(RunStore(runs))
    assert [(entry.state, entry.trial) for entry in entries] == [("running", 0)]


# ---------------------------------------------------------------------------------------------- resuming is exact


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    settings = [
        "training.max_steps=16",
        "training.validation_every=4",
        "training.patience=2",
        "training.precision=fp32",
    ]
    config = load_sweep("phase1", 2, "phantom", "smoke", settings)
    return make_plans([config], None, tmp_path_factory.mktemp("plan"))[0]


class CutOffError(Exception):
    """Raised in place of a kill, so that the test goes on."""


def interrupted_execute(task: CellTask, stop_after: int) -> None:
    """Execute a cell that is cut off right after a validation, before its checkpoint, and then resume it."""

    def report(progress: Progress) -> bool:
        if progress.val_dice is not None and progress.step >= stop_after:
            raise CutOffError
        return False

    with pytest.raises(CutOffError):
        execute(task, report)
    execute(task, lambda progress: False)


def test_a_training_is_given_up_when_the_driver_says_so(plan: Plan, tmp_path: Path) -> None:
    task = make_task(plan, cells(plan.config)[0]).model_copy(update={"folder": tmp_path})
    with pytest.raises(TrialPrunedError):
        execute(task, lambda progress: progress.val_dice is not None)
    assert len(pd.read_csv(tmp_path / "history.csv")) == 4
    assert not (tmp_path / "outcome.json").exists()


# DeepLabV3+ has dropout, so its random numbers must be taken up as well.
@pytest.mark.parametrize(
    ("model", "ema"),
    [("unet", 0.8), pytest.param("deeplabv3plus_mobilenetv2", None, marks=pytest.mark.slow)],
)
def test_a_resumed_training_gives_the_very_same_weights(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, ema: float | None
) -> None:
    """As one that was not interrupted, and wrote no checkpoint at all."""
    (cell,) = [cell for cell in cells(plan.config) if cell.model == model]
    training = plan.config.training.model_copy(update={"ema": ema})
    whole = make_task(plan, cell).model_copy(update={"training": training, "folder": tmp_path / "whole"})
    broken = whole.model_copy(update={"folder": tmp_path / "broken"})
    for task in (whole, broken):
        task.folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("LGE_SWEEP_CHECKPOINT", "1000")
        execute(whole, lambda progress: False)
    interrupted_execute(broken, stop_after=8)
    first, second = (pd.read_csv(task.folder / "history.csv").drop(columns="seconds") for task in (whole, broken))
    pd.testing.assert_frame_equal(first, second)
    weights = [torch.load(task.folder / "best.pt", weights_only=True) for task in (whole, broken)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert (whole.folder / "per_image.csv").read_bytes() == (broken.folder / "per_image.csv").read_bytes()


def test_the_average_is_what_is_validated_and_kept(plan: Plan, tmp_path: Path) -> None:
    (cell,) = [cell for cell in cells(plan.config) if cell.model == "unet"]
    training = plan.config.training.model_copy(update={"ema": 0.8, "max_steps": 4})
    task = make_task(plan, cell).model_copy(update={"training": training, "folder": tmp_path})
    execute(task, lambda progress: False)
    (validated,) = pd.read_csv(tmp_path / "history.csv")["val_loss"].dropna()
    kept = load_best(tmp_path / "best.pt", cell, training)
    data = LgeDataModule(task.arrays, task.subsets, cell.stage, training, cell.seed)
    with torch.inference_mode():
        losses = [
            (len(batch["image"]), float(kept.loss(kept(batch["image"]), batch["target"])))
            for batch in data.in_order("val")
        ]
    mean = sum(size * loss for size, loss in losses) / sum(size for size, _ in losses)
    assert validated == pytest.approx(mean, rel=1e-5)


def test_the_average_forgets_the_weights_it_began_with() -> None:
    """With decay .8 and weights 0, 1, 2, ...: what remains is (1 + n) / (10 + n) after n updates, at most .8."""
    module, callback = LightningModule(), MovingAverage(0.8, torch.device("cpu"))
    module.weight = torch.nn.Parameter(torch.zeros(1))
    module.register_buffer("constant", torch.tensor([0.1, 123.675]))
    trainer: Any = SimpleNamespace(global_step=0)
    callback.setup(trainer, module, "fit")
    expected = 0.0
    for step in range(60):
        module.weight.data.fill_(step)
        trainer.global_step = step + 1
        callback.on_train_batch_end(trainer, module, None, None, 0)
        kept = min(0.8, (1 + step) / (10 + step)) if step else 0
        expected = kept * expected + (1 - kept) * step
    callback.on_train_end(trainer, module)
    assert torch.equal(module.get_buffer("constant"), torch.tensor([0.1, 123.675]))
    assert float(module.weight.detach()) == pytest.approx(expected)
