"""What is delivered for an exam, as tests make it and look at it."""

import csv
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic_dicom import encode, grey, write

from lge_sweep.deliver import ModelFacts
from lge_sweep.ingest import Exam
from lge_sweep.ingest.exams import read_exams

Labels = NDArray[np.uint8]
MODEL = ModelFacts("two-stage <b>LGE</b>", "7", "0123456789abcdef" * 4, "a study of 70 exams")
MM = (1.6, 1.6, 10.0)


def exam_of(folder: Path, pixels: NDArray[np.uint16], mm: tuple[float, float, float] = MM, multi: bool = False) -> Exam:
    for k, dataset in enumerate(encode(pixels, mm, multi)):
        write(dataset, folder / "data" / "exam" / f"IM{k}.dcm")
    (exam,), findings = read_exams(folder / "data")
    assert findings == [], findings
    return exam


def nifti_exam(folder: Path, affine: NDArray[np.float64] | None) -> Exam:
    nib.save(nib.Nifti1Image(grey(3).transpose(2, 1, 0).astype(np.int16), affine), folder / "image.nii")
    (exam,), findings = read_exams(folder / "image.nii", "keep")
    assert findings == [], findings
    return exam


def classes(count: int = 3, shape: tuple[int, int] = (6, 8)) -> Labels:
    return np.random.default_rng(1).integers(0, 4, (count, *shape)).astype(np.uint8)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_dicom(path: Path, kind: str = "Segmentation") -> None:
    checker = shutil.which("dciodvfy")
    if checker is None:
        pytest.skip("dciodvfy (Debian: dicom3tools), which checks DICOM files against the standard, is not installed")
    done = subprocess.run([checker, "-new", str(path)], capture_output=True, text=True, timeout=60)
    said = (done.stdout + done.stderr).splitlines()
    assert [line for line in said if line.startswith("Error")] == [], said
    assert any(kind in line for line in said), said
