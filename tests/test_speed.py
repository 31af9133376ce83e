"""What makes cells fast changes nothing of what they come to: choices, batches, averages, checkpoints."""

import copy
import json
import logging
import os
import random
from pathlib import Path
from typing import Any

import albumentations
import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from lge_sweep import machine
from lge_sweep.config import Cell
from lge_sweep.config.architectures import ARCHITECTURES, MemoryFormat
from lge_sweep.config.schema import Training
from lge_sweep.data.inputs import channel_rows, network_inputs
from lge_sweep.data.preparation import Arrays, load_arrays, store_arrays
from lge_sweep.data.refine import composite
from lge_sweep.engine.callbacks import _PIECE, lay_out_as_weights, move_towards
from lge_sweep.engine.checkpoints import Checkpoints
from lge_sweep.engine.executors.sharing import WORKER_MEMORY, Machine, Sharing
from lge_sweep.errors import ConfigError, RunsError
from lge_sweep.models import Bench, Execution, SegmentationModule, build_module, choose_execution
from lge_sweep.models.execution import WORTH_MEASURING
from lge_sweep.models.hardware import Hardware
from lge_sweep.models.module import MEMORY_FORMATS
from lge_sweep.models.optimizers import optimizer_builder
from lge_sweep.paths import checkpoint_interval

CPU = Hardware("cpu", 0, "32-true", 1)
GPU = Hardware("gpu", 0, "bf16-mixed", 16)
LONG = WORTH_MEASURING["cpu"]
SMALL = Training(image_size=64, batch_size=2, width=0.05, encoder_weights="none")


def cell(model: str, stage: int = 1) -> Cell:
    return Cell(stage, model, "cross_entropy", "adam", 0)


# ---------------------------------------------------------------------------------------------------------- the machine


@pytest.mark.parametrize(
    ("machine", "tasks", "expected"),
    [
        (Machine(2), 5, Sharing(2, 1)),  # 2.5 rounds of one thread; 5 of two threads are 5 / 2 ** .58 = 3.3
        (Machine(2), 1, Sharing(1, 2)),
        (Machine(1), 5, Sharing(1, 1)),
        (Machine(16), 5, Sharing(5, 3)),
        (Machine(16), 1, Sharing(1, 16)),
        (Machine(16), 100, Sharing(16, 1)),
        (Machine(16, memory=4 * WORKER_MEMORY), 100, Sharing(4, 4)),
        (Machine(2, memory=WORKER_MEMORY // 2), 5, Sharing(1, 2)),
        (Machine(16, gpus=1), 5, Sharing(1, 16)),
        (Machine(16, gpus=2), 5, Sharing(2, 8)),
    ],
)
def test_a_machine_is_shared_so_that_all_trials_end_soonest(machine: Machine, tasks: int, expected: Sharing) -> None:
    assert machine.share_among(tasks) == expected


@pytest.mark.parametrize(
    ("machine", "tasks", "share", "expected"),
    [
        (Machine(16, gpus=1), 10, 0.25, Sharing(4, 4)),
        (Machine(16, gpus=2), 10, 0.25, Sharing(8, 2)),
        (Machine(16, gpus=2), 3, 0.25, Sharing(3, 5)),
        (Machine(16, gpus=1), 10, 0.1, Sharing(10, 1)),
        (Machine(16, gpus=4), 10, 1.0, Sharing(4, 4)),
    ],
)
def test_gpus_are_shared_as_asked(machine: Machine, tasks: int, share: float, expected: Sharing) -> None:
    assert machine.share_gpus(tasks, share) == expected


@pytest.mark.parametrize(("gpus", "share", "there"), [(0, 0.5, "no GPU"), (2, 2.0, "2 of them")])
def test_a_share_of_a_gpu_that_is_not_there_is_refused(gpus: int, share: float, there: str) -> None:
    with pytest.raises(RunsError, match=f"gpus_per_trial: .* this machine has {there}; got {share:g}"):
        Machine(16, gpus=gpus).share_gpus(1, share)


@pytest.mark.parametrize(
    ("limits", "cores", "memory"),
    [
        ({}, 8, 4000 * 1024),
        ({"cpu.max": "max 100000", "memory.max": "max", "memory.current": "5"}, 8, 4000 * 1024),
        ({"cpu.max": "200000 100000", "memory.max": "3000000", "memory.current": "1000000"}, 2, 2_000_000),
        ({"cpu.max": "50000 100000", "memory.max": "10", "memory.current": "20"}, 1, 0),
    ],
)
def test_a_container_has_what_it_is_given(
    limits: dict[str, str], cores: int, memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in limits.items():
        (tmp_path / name).write_text(text + "\n", encoding="ascii")
    monkeypatch.setattr(machine, "CONTROL_GROUP", str(tmp_path))
    monkeypatch.setattr(machine, "_told_by", lambda file, name: "4000 kB")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert (machine.count_cores(), machine.free_memory_bytes()) == (cores, memory)
    if limits.get("memory.max", "max") != "max":
        assert machine.memory_bytes() == int(limits["memory.max"])


def test_how_a_machine_is_shared_is_said_in_words() -> None:
    assert (str(Sharing(1, 2)), str(Sharing(2, 1))) == ("1 worker of 2 threads", "2 workers of 1 thread each")


# ------------------------------------------------------------------------------------------------------- memory formats


@pytest.mark.parametrize("model", ["unet", "deeplabv3plus_mobilenetv2"])
def test_a_short_training_takes_the_usual_memory_format_and_measures_nothing(model: str, tmp_path: Path) -> None:
    path = tmp_path / "speeds.json"
    chosen = choose_execution(Bench(cell(model), SMALL, CPU), LONG - 1, path)
    assert chosen == Execution(ARCHITECTURES[model].memory_format, "eager")
    assert list(tmp_path.iterdir()) == []


def test_a_long_training_measures_once_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, bench = tmp_path / "speeds.json", Bench(cell("unet"), SMALL, CPU)
    with caplog.at_level(logging.INFO):
        first = choose_execution(bench, LONG, path)
    ((key, seconds),) = json.loads(path.read_bytes())["seconds"].items()
    assert "unet, width 0.05, 2x3x64x64" in key
    assert set(seconds) == {"channels_last", "contiguous"}
    assert f"steps are computed {first}: measured here" in caplog.text
    written = path.read_bytes()
    assert choose_execution(bench, LONG, path) == first
    assert path.read_bytes() == written


@pytest.mark.parametrize(
    ("channels_last", "contiguous", "expected"),
    [(1.0, 0.94, "contiguous"), (1.0, 0.96, "channels_last"), (1.0, 2.0, "channels_last")],
)
def test_the_usual_memory_format_stays_unless_the_other_is_clearly_faster(
    channels_last: float, contiguous: float, expected: MemoryFormat, tmp_path: Path
) -> None:
    path, bench = tmp_path / "speeds.json", Bench(cell("unet"), SMALL, CPU)
    seconds = {bench.key: {"channels_last": channels_last, "contiguous": contiguous}}
    path.write_text(json.dumps({"seconds": seconds}), encoding="utf-8")
    assert choose_execution(bench, LONG, path) == Execution(expected)
    named = Bench(cell("unet"), SMALL.model_copy(update={"memory_format": "contiguous"}), CPU)
    assert choose_execution(named, LONG, path) == Execution("contiguous")


def test_speeds_that_cannot_be_read_are_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "speeds.json"
    path.write_text("{", encoding="utf-8")
    choose_execution(Bench(cell("unet"), SMALL, CPU), LONG, path)
    assert len(json.loads(path.read_bytes())["seconds"]) == 1


@pytest.mark.parametrize("model", ["unet", "deeplabv3plus_mobilenetv2"])
def test_both_memory_formats_compute_the_same(model: str) -> None:
    data = {
        "image": torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
        "target": torch.zeros((2, 64, 64), dtype=torch.int64),
    }
    losses, moved = [], []
    for memory_format in ("channels_last", "contiguous"):
        module = build_module(cell(model), SMALL, pretrained=False).double().lay_out(memory_format).eval()
        loss = module.loss(module(data["image"]), data["target"])
        loss.backward()
        losses.append(float(loss.detach()))
        moved.append([torch.clone(grad) for p in module.network.parameters() if (grad := p.grad) is not None])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for first, second in zip(*moved, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-8)


# ---------------------------------------------------------------------------------------------------------- execution


@pytest.mark.parametrize(
    ("hardware", "named", "expected"),
    [
        (CPU, {}, ["channels_last", "contiguous"]),
        (CPU, {"execution": "compile"}, ["channels_last, compile", "contiguous, compile"]),
        (GPU, {}, ["channels_last", "contiguous", "channels_last, graphs", "contiguous, graphs"]),
        (GPU, {"execution": "graphs", "memory_format": "contiguous"}, ["contiguous, graphs"]),
    ],
)
def test_there_is_a_choice_among_what_the_settings_leave(
    hardware: Hardware, named: dict[str, str], expected: list[str]
) -> None:
    assert [str(way) for way in Bench(cell("unet"), SMALL.model_copy(update=named), hardware).ways] == expected


def test_graphs_need_a_gpu() -> None:
    with pytest.raises(ConfigError, match=r"training\.execution: graphs needs a GPU; on a CPU take auto"):
        _ = Bench(cell("unet"), SMALL.model_copy(update={"execution": "graphs"}), CPU).ways


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("raise", "RuntimeError: no such kernel"), ("scale", "ValueError: its loss ")],
)
def test_a_way_that_fails_or_finds_something_else_is_not_taken(
    fault: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def speed_up(way: Execution, module: SegmentationModule, hardware: Hardware) -> None:
        if way.memory_format == "contiguous":
            if fault == "raise":
                raise RuntimeError("no such kernel")
            module.network.register_forward_hook(lambda network, given, scores: 30 * scores)

    monkeypatch.setattr(Execution, "speed_up", speed_up)
    bench, path = Bench(cell("unet"), SMALL, CPU), tmp_path / "speeds.json"
    for _ in range(2):  # the second time by what is kept
        caplog.clear()
        with caplog.at_level(logging.INFO):
            assert choose_execution(bench, LONG, path) == Execution("channels_last")
        assert f"not computed contiguous: {reason}" in caplog.text
    assert list(json.loads(path.read_bytes())["seconds"][bench.key]) == ["channels_last"]


def test_what_is_refused_now_is_not_taken_because_it_was_fast_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, path = Bench(cell("unet"), SMALL, CPU), tmp_path / "speeds.json"
    path.write_text(json.dumps({"seconds": {bench.key: {"contiguous": 0.001}}}), encoding="utf-8")
    monkeypatch.setattr(Bench, "measure", lambda *_: ({"channels_last": 1.0}, {"contiguous": "it fails"}))
    assert choose_execution(bench, LONG, path) == Execution("channels_last")
    assert list(json.loads(path.read_bytes())["seconds"][bench.key]) == ["channels_last"]


def test_what_is_usual_is_measured_again_if_it_was_refused_when_another_was(tmp_path: Path) -> None:
    bench, path = Bench(cell("unet"), SMALL, CPU), tmp_path / "speeds.json"
    kept = {"seconds": {bench.key: {"contiguous": 0.001}}, "refused": {bench.key: {"channels_last": "no memory"}}}
    path.write_text(json.dumps(kept), encoding="utf-8")
    choose_execution(bench, LONG, path)
    assert set(json.loads(path.read_bytes())["seconds"][bench.key]) == {"channels_last", "contiguous"}


def test_a_way_that_memory_was_too_small_for_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def speed_up(way: Execution, module: SegmentationModule, hardware: Hardware) -> None:
        if way.memory_format == "contiguous":
            raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Execution, "speed_up", speed_up)
        bench, path = Bench(cell("unet"), SMALL, CPU), tmp_path / "speeds.json"
        assert choose_execution(bench, LONG, path) == Execution("channels_last")
    speeds = json.loads(path.read_bytes())
    assert (list(speeds["seconds"][bench.key]), speeds["refused"][bench.key]) == (["channels_last"], {})
    choose_execution(bench, LONG, path)
    assert set(json.loads(path.read_bytes())["seconds"][bench.key]) == {"channels_last", "contiguous"}


@pytest.mark.parametrize("taken", ["speeds.json", "speeds.lock"])
def test_measuring_needs_no_file(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).mkdir()
    beats: list[int] = []
    choose_execution(Bench(cell("unet"), SMALL, CPU), LONG, tmp_path / "speeds.json", lambda: beats.append(1))
    assert len(beats) > 8


@pytest.mark.parametrize("name", ["adam", "sgdm"])
@pytest.mark.parametrize("ways", [("channels_last", "contiguous"), ("contiguous", "channels_last")])
def test_an_optimizer_goes_on_in_another_memory_format(ways: tuple[MemoryFormat, MemoryFormat], name: str) -> None:
    """Adam in one kernel gave each weight what it remembered of another."""
    first, then = (MEMORY_FORMATS[way] for way in ways)
    generator = torch.Generator().manual_seed(0)
    begin, *gradients = (torch.randn(8, 4, 3, 3, generator=generator) for _ in range(4))
    build = optimizer_builder(name)

    def step(weight: torch.nn.Parameter, optimizer: torch.optim.Optimizer, gradient: torch.Tensor) -> None:
        weight.grad = torch.empty_like(weight).copy_(gradient)
        optimizer.step()

    weight = torch.nn.Parameter(begin.clone(memory_format=first))
    optimizer = build([weight], SMALL)
    step(weight, optimizer, gradients[0])
    moved = torch.nn.Parameter(weight.detach().clone(memory_format=then))
    resumed = build([moved], SMALL)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    lay_out_as_weights(resumed)
    for gradient in gradients[1:]:
        step(weight, optimizer, gradient)
        step(moved, resumed, gradient)
    torch.testing.assert_close(moved.detach(), weight.detach(), rtol=0, atol=1e-7)


def test_what_is_usual_has_to_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def speed_up(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(Execution, "speed_up", speed_up)
    with pytest.raises(RuntimeError, match="out of order"):
        choose_execution(Bench(cell("unet"), SMALL, CPU), LONG, tmp_path / "speeds.json")


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_all_ways_agree_on_the_first_step(model: str) -> None:
    bench = Bench(cell(model), SMALL.model_copy(update={"batch_size": 4}), CPU)
    seconds, refused = bench.measure(bench.ways)
    assert (set(seconds), refused) == (set(ARCHITECTURES[model].memory_formats), {})


def test_a_memory_format_that_a_network_cannot_have_is_refused() -> None:
    training = SMALL.model_copy(update={"memory_format": "channels_last"})
    with pytest.raises(
        ConfigError, match="memory_format: residual_unet is computed contiguous alone; got channels_last"
    ):
        _ = Bench(cell("residual_unet"), training, CPU).ways


@pytest.mark.slow  # it compiles
def test_a_compiled_training_is_the_eager_one_but_for_rounding() -> None:
    bench = Bench(cell("segnet"), SMALL, CPU)
    seconds, refused = bench.measure([Execution("channels_last"), Execution("channels_last", "compile")])
    assert (set(seconds), refused) == ({"channels_last", "channels_last, compile"}, {})


# -------------------------------------------------------------------------------------------------------------- batches


def prepared(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 4, (10, 32, 32), dtype=np.uint8)
    arrays = Arrays(images, labels, labels == 1, np.repeat(np.arange(2, dtype=np.int32), 5))
    return store_arrays(arrays, folder)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_batch_is_what_albumentations_makes_of_its_slices_one_by_one(stage: int, tmp_path: Path) -> None:
    from lge_sweep.data.module import SliceDataset
    from lge_sweep.labels import stage_target

    folder = prepared(tmp_path)
    dataset, arrays = SliceDataset(folder, [7, 1, 4], stage, "rotate90"), load_arrays(folder)
    requests = [(index, random.Random(index + seed).getrandbits(32)) for index in range(3) for seed in range(12)]
    batch = dataset.__getitems__(requests)
    compose = albumentations.Compose([albumentations.RandomRotate90(p=1.0)])
    for place, (index, seed) in enumerate(requests):
        row = [7, 1, 4][index]
        compose.set_random_seed(seed)
        masks = [stage_target(arrays.labels[[row]], stage)[0], arrays.refined[row].astype(np.uint8)]
        changed = compose(image=arrays.images[row], masks=masks)
        image, (target, refined) = changed["image"], changed["masks"]
        seen = composite(np.ascontiguousarray(image), refined.astype(bool)) if stage == 2 else np.stack([image] * 3)
        assert np.array_equal(batch["image"][place].numpy(), seen)
        assert np.array_equal(batch["target"][place].numpy(), target)


def test_inputs_of_many_slices_are_those_of_each(tmp_path: Path) -> None:
    arrays = load_arrays(prepared(tmp_path))
    together = network_inputs(arrays.images, channel_rows(arrays.cases), 2, arrays.refined)
    for index in range(10):
        assert np.array_equal(together[index], composite(arrays.images[index], arrays.refined[index]))


# ------------------------------------------------------------------------------------------------ averages, checkpoints


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_an_average_made_in_pieces_is_the_same_to_the_last_bit(memory_format: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(0)
    mean, current = (torch.randn(64, 32, 7, 7, generator=generator).to(memory_format=memory_format) for _ in range(2))
    assert mean.numel() > _PIECE
    count, steps = torch.tensor(3), torch.tensor(10)
    expected = mean + (current - mean) * 0.01, (count + (steps - count) * 0.5).to(torch.int64)
    move_towards([mean], [current], 0.01)
    assert torch.equal(mean, expected[0])
    move_towards([count], [steps], 0.5)
    assert torch.equal(count, expected[1])


@pytest.mark.parametrize(("given", "seconds"), [("0", 0.0), ("2.5", 2.5), ("", 30.0)])
def test_the_time_between_checkpoints_is_a_number_of_seconds(
    given: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGE_SWEEP_CHECKPOINT", given)
    assert checkpoint_interval() == seconds
    monkeypatch.setenv("LGE_SWEEP_CHECKPOINT", "-1")
    with pytest.raises(RunsError, match="LGE_SWEEP_CHECKPOINT: expected a number of seconds from 0 on, got '-1'"):
        checkpoint_interval()


def test_checkpoints_are_written_when_it_is_time_after_what_they_count_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, told = [0.0], list[str]()
    monkeypatch.setattr("lge_sweep.engine.checkpoints.time.monotonic", lambda: now[0])
    monkeypatch.setattr(ModelCheckpoint, "on_train_start", lambda *_: None)
    monkeypatch.setattr(ModelCheckpoint, "on_train_epoch_end", lambda *_: told.append("checkpoint"))
    callback = Checkpoints(tmp_path / "resume.ckpt", 30.0, lambda: told.append("best"))
    trainer: Any = None
    now[0] = 100.0  # libraries and data took their time
    callback.on_train_start(trainer, trainer)
    for moment in (110.0, 129.0, 131.0, 160.0, 162.0):
        now[0] = moment
        callback.on_train_epoch_end(trainer, trainer)
    assert told == ["best", "checkpoint"] * 2
