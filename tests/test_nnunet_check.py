"""nnU-Net's own check passes on what is converted. It needs nnU-Net, which no part of this program does.

python -m venv VENV && VENV/bin/pip install nnunetv2
LGE_SWEEP_NNUNET=VENV/bin/nnUNetv2_plan_and_preprocess .venv/bin/pytest tests/test_nnunet_check.py
"""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nifti_files import turned

from lge_sweep.config.data import DataFile, Phantom
from lge_sweep.curate import curate
from lge_sweep.data.curated_dataset import CuratedDataset
from lge_sweep.data.exchange import export_dataset
from lge_sweep.ingest import Volume, read
from lge_sweep.ingest.phantom import simulate
from lge_sweep.split import split_cases

VARIABLE = "LGE_SWEEP_NNUNET"
PHANTOM = Phantom(kind="phantom", cases=5, slices=3, size=64, pixel_mm=4.8)
DONE = "verify_dataset_integrity Done."


@pytest.fixture
def command() -> str:
    """`nnUNetv2_plan_and_preprocess`, as the variable or the path names it."""
    found = shutil.which(os.environ.get(VARIABLE) or "nnUNetv2_plan_and_preprocess")
    if not found:
        pytest.skip(f"there is no nnU-Net: {VARIABLE} names no nnUNetv2_plan_and_preprocess, and none is on the path")
    return found


def placed_anyhow(volumes: list[Volume], shear: float = 0) -> list[Volume]:
    """Place exams in any orientation and either handedness; one has a gap, one padding."""
    rng = np.random.default_rng(7)
    placed = [replace(volume, affine=turned(rng, (4.8, 4.8, 10.0), shear)) for volume in volumes]
    return [replace(placed[0], slots=(0, 2, 3)), *placed[1:]]


def test_nnunets_own_check_passes(command: str, tmp_path: Path) -> None:
    settings = DataFile.model_validate({"source": PHANTOM, "split": {"fractions": [0.4, 0.3, 0.3]}})
    exams = simulate(PHANTOM)
    sets = {
        "Dataset501_Phantom": exams,
        "Dataset502_Dicom": read(PHANTOM.model_copy(update={"through": "dicom"})),
        "Dataset503_Anyhow": placed_anyhow(exams),
        "Dataset504_Sheared": placed_anyhow(exams, shear=0.4),
        "Dataset505_NoReflow": [replace(exam, mvo=(exam.labels == 3) & (exam.pixels % 2 > 0)) for exam in exams],
    }
    folders = {name: tmp_path / name for name in ("raw", "preprocessed", "results")}
    for folder in folders.values():
        folder.mkdir()
    for name, volumes in sets.items():
        curated = curate(volumes, settings.curate)
        export_dataset(CuratedDataset(volumes, curated, settings), folders["raw"] / name, "nnunet", lambda *_: None)
    numbers = [name[7:10] for name in sets]
    ran = subprocess.run(
        [command, "-d", *numbers, "--verify_dataset_integrity", "-npfp", "1", "--no_pp", "--no_pbar"],
        env={**os.environ, **{f"nnUNet_{name}": str(folder) for name, folder in folders.items()}},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count(DONE) == len(sets), ran.stdout + ran.stderr
    assert "mismatch" not in ran.stdout, ran.stdout
    for name in sets:  # nnU-Net takes our split for its own
        (fold,) = json.loads((folders["preprocessed"] / name / "splits_final.json").read_text())
        manifest = curate(sets[name], settings.curate).manifest
        parts = split_cases(manifest, settings.split).subsets
        cases = {part: {row.case for row in manifest.itertuples() if parts[str(row.slice)] == part} for part in fold}
        assert {part: set(names) for part, names in fold.items()} == cases
