"""Each recipe of docs/recipes.md is done to a copy of the package, and one sweep uses all that was added."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from program import command
from recipes import apply_recipes

from lge_sweep.config.data import Phantom
from lge_sweep.ingest.phantom import simulate

SWEEP = [
    "phase1", "--stage", "1", "--data", "npz.yaml", "--root", "exams", "--profile", "smoke", "--runs", "runs",
    "--set", "grid.model=[tiny]", "--set", "grid.loss=[tversky]", "--set", "training.max_steps=2",
]  # fmt: skip


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package to which all was added, and exams for the toy source."""
    place = tmp_path_factory.mktemp("recipes")
    apply_recipes(place)
    (place / "exams").mkdir()
    for volume in simulate(Phantom(kind="phantom", cases=12, slices=1, size=64, pixel_mm=4.8)):
        np.savez(place / "exams" / f"{volume.case}.npz", image=volume.pixels, label=volume.labels)
    return place


def run(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the copy."""
    variables = {**os.environ, "PYTHONPATH": str(place), **environment}
    return subprocess.run(
        command(*arguments), cwd=place, env=variables, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip


@pytest.mark.slow  # half a minute, of a program started anew
def test_a_sweep_uses_what_the_recipes_add(patched: Path) -> None:
    done = run(patched, *SWEEP, LGE_SWEEP_EXECUTOR="fresh")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (table,) = patched.glob("runs/phase1-*/cells/tiny-tversky-adam/per_image.csv")
    measured = pd.read_csv(table)
    total = 2 * measured["tp"] + measured["fp"] + measured["fn"]
    expected = 1 - (measured["fn"] - measured["fp"]).abs() / total
    np.testing.assert_allclose(measured["volume_similarity"], expected)


def test_what_is_unknown_is_told_with_what_was_added(patched: Path) -> None:
    done = run(patched, *SWEEP[:-5], "grid.model=[tinny]")
    assert done.returncode == 2
    assert "tiny" in done.stdout + done.stderr
