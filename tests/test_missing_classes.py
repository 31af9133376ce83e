"""A class that the truth lacks is a finding before anything is trained, for the stages that need it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.config import load_sweep
from lge_sweep.config.data import Phantom
from lge_sweep.curate import absent_classes, check_classes
from lge_sweep.errors import DataError
from lge_sweep.ingest.phantom import simulate
from lge_sweep.labels import SINGLE_STAGE, Label
from lge_sweep.study import make_plans

SMALL = ["source.size=64", "source.pixel_mm=4", "source.slices=2"]
VALUES = "{0: background, 1: cavity, 2: myocardium, 3: scar}"


def data_set(root: Path, values: str) -> Path:
    """Write a phantom as image pairs whose cavity has the value 7."""
    for name in ("images", "labels"):
        (root / name).mkdir(exist_ok=True)
    for exam in simulate(Phantom(kind="phantom", cases=12, slices=2, size=64, pixel_mm=4)):
        for name, image, labels in zip(exam.slices, exam.pixels, exam.labels, strict=True):
            Image.fromarray(image.astype(np.uint16)).save(root / "images" / f"{name}.png")
            Image.fromarray(np.where(labels == 1, np.uint8(7), labels)).save(root / "labels" / f"{name}.png")
    source = f"{{kind: image_pairs, case_ids: keep, mask: {{kind: index, values: {values}}}}}"
    (root / "mine.yaml").write_text(f"source: {source}\ncurate: {{slices: all}}")
    return root / "mine.yaml"


@pytest.mark.parametrize("stages", [(1,), (2,), (1, 2)])
def test_no_cavity_anywhere_stops_before_training_and_the_advice_helps(tmp_path: Path, stages: tuple[int, ...]) -> None:
    wrong = data_set(tmp_path, VALUES.replace("}", ", 7: background}"))
    described = CliRunner().invoke(app, ["data", "describe", "--data", str(wrong), "--root", str(tmp_path)])
    assert described.exit_code == 2
    assert "no mask has a cavity: stage 1 and stage 2 cannot be trained; say in source.mask which value" in (
        " ".join(described.output.split())
    )
    runs = tmp_path / "runs"
    with pytest.raises(DataError) as caught:
        make_plans([load_sweep("phase1", stage, str(wrong), "smoke") for stage in stages], tmp_path, runs)
    named = " and ".join(f"stage {stage}" for stage in stages)
    (finding,) = caught.value.findings
    assert finding.startswith(
        f"no slice that is used (24 of 12 cases) has a cavity, which {named} need{'s' * (len(stages) == 1)}; say in"
    )
    assert [path.name for path in runs.iterdir()] == ["cache"]
    right = data_set(tmp_path, VALUES.replace("1:", "7:"))
    assert CliRunner().invoke(app, ["data", "describe", "--data", str(right), "--root", str(tmp_path)]).exit_code == 0
    plans = make_plans([load_sweep("phase1", stage, str(right), "smoke") for stage in stages], tmp_path, runs)
    assert [plan.config.stage for plan in plans] == list(stages)


def test_stage_1_does_without_scar(tmp_path: Path) -> None:
    scarless = [load_sweep("phase1", stage, "phantom", "smoke", [*SMALL, "source.scar_free=1"]) for stage in (1, 2)]
    with pytest.raises(DataError, match=r"has scar, which stage 2 needs; .*; or train stage 1 alone, .*: --stage 1"):
        make_plans(scarless, None, tmp_path)
    with pytest.raises(DataError, match="has scar, which stage 2 needs; "):
        make_plans(scarless[1:], None, tmp_path)
    assert len(make_plans(scarless[:1], None, tmp_path)) == 1


def manifest(**pixels: list[int]) -> pd.DataFrame:
    counts = {f"{label.title}_pixels": pixels.get(label.title, [9, 9, 9]) for label in Label}
    return pd.DataFrame({"case": ["a", "b", "c"], "subset": ["train", "val", "test"], **counts})


@pytest.mark.parametrize(
    ("pixels", "stages", "measured", "findings"),
    [
        ({"scar": [9, 9, 0]}, (1, 2), "val", []),
        ({"scar": [0, 9, 9]}, (1, 2), "val", ["no slice of the train subset has scar, which stage 2 needs to learn"]),
        ({"scar": [9, 0, 9]}, (2,), "val", ["no slice of the val subset has scar, which stage 2 needs to be sel"]),
        ({"scar": [9, 0, 9]}, (2,), "test", []),
        ({"scar": [0, 0, 0], "myocardium": [0, 0, 0]}, (1,), "val", []),
        ({"cavity": [0, 9, 9]}, (1, 2), "val", ["no slice of the train subset has a cavity, which stage 1 and"]),
        ({"scar": [0, 0, 0]}, (SINGLE_STAGE,), "val", ["no slice that is used (3 of 3 cases) has scar, which the"]),
    ],
)  # fmt: skip
def test_a_part_must_have_what_is_learnt_or_measured_in_it(
    pixels: dict[str, list[int]], stages: tuple[int, ...], measured: str, findings: list[str]
) -> None:
    found: tuple[str, ...] = ()
    try:
        check_classes(manifest(**pixels), stages, measured, "mine")
    except DataError as error:
        found = error.findings
    assert len(found) == len(findings)
    assert all(text.startswith(start) for text, start in zip(found, findings, strict=True))


def test_what_stage_2_alone_needs_is_a_note() -> None:
    everything = dict.fromkeys(Label, 9)
    assert absent_classes(everything) == ([], [])
    findings, (note,) = absent_classes(everything | {Label.SCAR: 0})
    assert not findings
    assert note.startswith("no mask has scar: stage 2 cannot be trained; say in source.mask which value")
    assert "data describe" not in note  # which prints it
    findings, notes = absent_classes(dict.fromkeys(Label, 0))
    assert (len(findings), len(notes)) == (1, 2)
