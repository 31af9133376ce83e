"""What a cell takes of its machine: sampled beside its training, kept over interruptions, shown in MLflow."""

import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from lge_sweep.engine import usage
from lge_sweep.engine.trial_view import _usage
from lge_sweep.engine.usage import EVERY, Sample, Sampler, sampling
from lge_sweep.study import read_usage
from lge_sweep.study.cell_files import USAGE_COLUMNS

CPU = torch.device("cpu")


def busy(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_a_busy_process_is_told_from_an_idle_one(tmp_path: Path) -> None:
    sampler = Sampler(tmp_path / "usage.csv", CPU)
    busy(0.1)
    sampler.take()
    time.sleep(0.3)
    sampler.take()
    worked, idle = sampler.samples
    assert worked.cpu_percent > 2 * idle.cpu_percent
    assert worked.memory_mb is not None
    assert 50 < worked.memory_mb < 100_000
    assert (worked.gpu_percent, worked.gpu_memory_mb) == (None, None)
    assert Sample._fields == USAGE_COLUMNS


def test_a_training_that_goes_on_keeps_its_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "EVERY", 0.01)
    path = tmp_path / "usage.csv"
    for _ in range(2):
        with sampling(path, CPU):
            time.sleep(0.1)
    table = read_usage(path)
    assert len(table) > 6
    assert table["seconds"].is_monotonic_increasing
    assert table["seconds"].iloc[-1] >= 0.2
    assert table["time"].is_monotonic_increasing
    assert table["time"].iloc[-1] == pytest.approx(time.time(), abs=60)
    points = _usage(table)
    assert {key for key, _, _ in points} == {"system/cpu_utilization_percentage", "system/memory_usage_megabytes"}
    assert [step for key, _, step in points if "cpu" in key] == list(range(len(table)))


def test_a_file_that_is_damaged_ends_no_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("seconds,cpu\n1,")
    with sampling(path, CPU):
        pass
    assert len(read_usage(path)) == 1
    assert "it is begun anew" in caplog.text
    with sampling(tmp_path / "gone" / "usage.csv", CPU):
        pass
    assert not (tmp_path / "gone").exists()


def test_sampling_costs_next_to_nothing(tmp_path: Path) -> None:
    sampler = Sampler(tmp_path / "usage.csv", CPU)
    began = time.process_time()
    for _ in range(100):
        sampler.take()
        sampler.write()
    assert time.process_time() - began < 100 * 0.01 * EVERY  # less than a hundredth of the time between two


def test_what_a_gpu_does_not_tell_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(device: torch.device) -> int:
        raise ModuleNotFoundError("pynvml")

    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * 1024**2)
    monkeypatch.setattr(torch.cuda, "utilization", unknown)
    sampler = Sampler(tmp_path / "usage.csv", torch.device("cuda", 0))
    sampler.take()
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: 87)
    sampler.take()
    assert [(sample.gpu_percent, sample.gpu_memory_mb) for sample in sampler.samples] == [(None, 3.0), (87.0, 3.0)]
    sampler.write()
    assert pd.isna(read_usage(sampler.path)["gpu_percent"][0])
