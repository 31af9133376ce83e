"""The most memory that a training has held, against arrays whose size is known."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lge_sweep.engine.memory_peak import MemoryPeak
from lge_sweep.engine.recorder import Recorder

MEGABYTES = 300
SLACK = 40
"""What else the process may do meanwhile, MB."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is Linux's to count")
def test_a_peak_is_counted_from_its_beginning_and_stays_when_memory_is_given_back() -> None:
    cpu = torch.device("cpu")
    before = MemoryPeak(cpu).megabytes()
    assert before is not None
    first = MemoryPeak(cpu)
    held = np.ones(MEGABYTES * 2**20, dtype=np.uint8)
    del held
    peak = first.megabytes()
    assert peak is not None
    assert peak - before == pytest.approx(MEGABYTES, abs=SLACK)
    second = MemoryPeak(cpu).megabytes()
    assert second == pytest.approx(before, abs=SLACK)


def test_where_nobody_counts_there_is_no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lge_sweep.engine.memory_peak._REFERENCES", Path("/no/such/file"))
    assert MemoryPeak(torch.device("cpu")).megabytes() is None


def test_on_a_gpu_it_is_what_tensors_took(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: called.append("emptied"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: called.append(str(device)))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    assert MemoryPeak(torch.device("cuda", 1)).megabytes() == 3
    assert called == ["emptied", "cuda:1"]


@pytest.mark.parametrize(("earlier", "now", "most"), [(None, 50.0, 50.0), (90.0, 50.0, 90.0), (90.0, None, 90.0)])
def test_a_training_that_goes_on_keeps_its_peak(
    tmp_path: Path, earlier: float | None, now: float | None, most: float
) -> None:
    (tmp_path / "history.csv").write_text("step,epoch,train_loss,val_loss,val_dice,seconds\n1,1,0.9,0.7,0.5,0.1\n")
    recorder = Recorder(tmp_path / "history.csv", tmp_path / "best.pt", 4, lambda row, _: None)
    assert recorder.memory_mb is None
    peak: Any = SimpleNamespace(megabytes=lambda: now)
    recorder.memory = peak
    recorder.load_state_dict({"step": 1, "best_loss": 0.7, "best_step": 1, "memory_mb": earlier})
    assert recorder.memory_mb == most
    assert recorder.state_dict() == {"step": 1, "best_loss": 0.7, "best_step": 1, "memory_mb": most}
