"""Which profile is taken where none is named."""

from pathlib import Path

import pytest
from program import invoke

from lge_sweep import gpu
from lge_sweep.api import choose_profile
from lge_sweep.errors import ConfigError


@pytest.mark.parametrize(
    ("obstacle", "data", "taken"),
    [
        (None, "phantom", "paper"),
        (None, "emidec_png", "paper"),
        ("there is none", "phantom", "tour"),
        ("there is none", "phantom_dicom", "tour"),
        ("there is none", "emidec_png", "laptop"),
    ],
)
def test_the_profile_follows_from_gpu_and_data(
    monkeypatch: pytest.MonkeyPatch, obstacle: str | None, data: str, taken: str
) -> None:
    monkeypatch.setattr(gpu, "gpu_obstacle", lambda: obstacle)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda number: "a GPU")
    profile, why = choose_profile("auto", data)
    assert profile == taken
    assert ("simulated" in why) == (taken == "tour")
    assert choose_profile("laptop", data) == ("laptop", "as asked")


@pytest.mark.parametrize("named", ["smoke", "sweeps/profile/smoke.yaml"])
def test_it_is_said_that_numbers_of_smoke_mean_nothing(named: str) -> None:
    profile, why = choose_profile(named, "phantom")
    assert profile == named
    assert why.startswith("as asked; ")
    assert why.endswith("its numbers mean nothing")


def test_a_data_file_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "gpu_obstacle", lambda: "there is none")
    with pytest.raises(ConfigError, match="phantm"):
        choose_profile("auto", "phantm")


def test_a_report_does_not_need_the_data_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The study lies in the runs directory; without --profile, the report was refused for the file that was gone."""
    monkeypatch.setattr(gpu, "gpu_obstacle", lambda: "there is none")
    runs = tmp_path / "runs"
    runs.mkdir()
    done = invoke("report", "--data", str(tmp_path / "gone.yaml"), "--runs", str(runs))
    assert done.exit_code == 2
    assert "nothing was run on gone with profile laptop" in " ".join(done.output.split())
