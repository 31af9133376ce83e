"""`lge-sweep compare` refuses what was not measured alike; what it prints is tested with phase 2."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from finished_cell import write_result
from program import invoke

from lge_sweep.config import load_sweep
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan
from lge_sweep.study.plan_files import load_plan, write_plan

SMALL = ("source.cases=6", "training.image_size=64", "grid.model=[unet]")


def finished(runs: Path, *settings: str) -> Plan:
    """A sweep of one cell, finished without a training."""
    plan = make_plans([load_sweep("phase1", 1, "phantom", "smoke", [*SMALL, *settings])], None, runs)[0]
    write_plan(plan)
    write_result(plan, plan.cells[0])
    return plan


def compare(*plans: Plan) -> tuple[int, str]:
    """Compare the cells of two sweeps of a cell each."""
    names = [f"{plan.name}/{plan.cells[0].name}" for plan in plans]
    done = invoke("compare", *names, "--runs", str(plans[0].folder.parent))
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.image_size=96", ["training.image_size is 64 of", "and 96 of"]),
        ("metrics.empty=one", ["metrics.empty is nan of", "and one of"]),
        ("source.noise=0.05", ["pixels or labels differ in 3 of 3 measured slices", "digests of the data: "]),
    ],
)
def test_cells_that_were_not_measured_alike_are_refused(tmp_path: Path, setting: str, said: Sequence[str]) -> None:
    """A Wilcoxon "on the same images" was printed of cells of 64 and 96 pixels, and of other images of the same ids."""
    first, second = finished(tmp_path), finished(tmp_path, setting)
    code, output = compare(first, second)
    assert code == 2, output
    assert all(words in output for words in said), output
    assert "were not measured alike" in output
    assert "Compare cells of one sweep, or train both" in output
    assert "Wilcoxon" not in output
    if "source" in setting:
        assert f"{first.data_digest[:10]} and {second.data_digest[:10]}" in output


def test_stages_are_not_compared(tmp_path: Path) -> None:
    first = finished(tmp_path)
    second = make_plans([load_sweep("phase1", 2, "phantom", "smoke", SMALL)], None, tmp_path)[0]
    write_plan(second)
    write_result(second, second.cells[0])
    code, output = compare(first, second)
    assert code == 2, output
    assert "stage is 1 of" in output
    assert "and 2 of" in output


def test_slices_that_are_only_trained_on_may_differ(tmp_path: Path) -> None:
    """Whether corrected labels train a better network is asked in this way."""
    first, second = finished(tmp_path), finished(tmp_path, "training.learning_rate=0.01")
    path, record = second.files.manifest, second.files.plan
    assert second.data_digest == first.data_digest
    trained = load_plan(second.folder).manifest.query("subset == 'train'")["content_hash"].iloc[0]
    path.write_text(path.read_text().replace(trained, "f" * 64))
    record.write_text(record.read_text().replace(second.data_digest, "e" * 64))
    code, output = compare(first, second)
    assert code == 0, output
    assert "per case" in output
