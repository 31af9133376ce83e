"""Volumes and places are those of the patient, whatever the axes, flips, shear, gaps and drift of an exam's files.

`random_exams` knows the truth by construction; what was written is read with nibabel, pydicom and highdicom.
"""

import csv
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from nifti_files import load_nifti
from numpy.typing import NDArray
from random_exams import SEGMENTS, TO_RAS, Truth, by_level, write_dicom, write_nifti
from scipy.spatial import cKDTree
from slow_tests import SLOW_TESTS

from lge_sweep.config.data import DataFile, Intensity
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.deliver import ModelFacts
from lge_sweep.ingest import Volume, read
from lge_sweep.ingest.geometry import (
    IDENTITY,
    AxisTransform,
    GridMismatch,
    find_slice_axis,
    grid_transform,
    is_unit_spaced,
    may_lack_position,
    spacing_agrees,
    voxel_mm3,
    voxel_spacing,
)
from lge_sweep.labels import Label
from lge_sweep.quantify.description import describe
from lge_sweep.segmenter import predict
from lge_sweep.segmenter.found import Segmentation
from lge_sweep.segmenter.predict import predict_exams
from lge_sweep.segmenter.predictor import Predictor
from lge_sweep.segmenter.request import ModelChoice, PredictRequest

Floats = NDArray[np.float64]
MODEL = ModelFacts("test", "1", "0", "none")
SEEDS = range(100 if SLOW_TESTS else 10)
"""100 of each kind are 200 exams."""
TISSUES = tuple(SEGMENTS)
VALUES = {label.value: label.title for label in Label}


@pytest.fixture(autouse=True)
def _by_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give `predict` a model that labels by intensity."""

    def prepare(request: PredictRequest) -> Predictor:
        settings = SegmenterSettings(size=64, intensity=Intensity())
        segmenter: Any = ByLevel()
        return Predictor(segmenter, settings, MODEL, request.output, request.formats)

    monkeypatch.setattr(predict, "prepare", prepare)


def same_places(found: Floats, expected: Floats) -> bool:
    """Whether two sets of places [N, 3] are the same to 1e-3 mm."""
    return len(found) == len(expected) and bool((cKDTree(expected).query(found)[0] < 1e-3).all())


def of_nifti(path: Path) -> dict[Label, Floats]:
    stored = load_nifti(path)
    array = np.asarray(stored.dataobj)
    return {label: nib.affines.apply_affine(stored.affine, np.argwhere(array == label)) for label in TISSUES}


def of_seg(path: Path) -> dict[Label, Floats]:
    """Return the places of a SEG's segments, by what each of its frames says of itself."""
    seg = hd.seg.segread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    names = {item.SegmentNumber: item.SegmentLabel for item in seg.SegmentSequence}
    found: dict[str, list[Floats]] = {name: [np.empty((0, 3))] for name in SEGMENTS.values()}
    for frame, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array.reshape(-1, seg.Rows, seg.Columns),
                             strict=True):  # fmt: skip
        directions = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float)
        rows_mm, columns_mm = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
        steps = np.stack([directions[3:] * rows_mm, directions[:3] * columns_mm], axis=1)
        position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        name = names[frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        found[name].append((np.argwhere(pixels) @ steps.T + position) @ TO_RAS)
    return {label: np.concatenate(found[name]) for label, name in SEGMENTS.items()}


class ByLevel:
    """A segmenter without fault."""

    def segment(self, pixels: NDArray[np.number], pixel_mm: object = None) -> Segmentation:
        labels = by_level(pixels)
        return Segmentation(labels, (labels == Label.CAVITY).any(axis=(1, 2)))


def check_delivery(exam: Path, truth: Truth, output: Path, formats: tuple[str, ...]) -> None:
    """Let `predict` segment an exam by its intensities, and compare every file that is written with the truth."""
    request = PredictRequest(output=output, model=ModelChoice("by level"), formats=formats)
    predicted = predict_exams(exam, request, lambda text, done, count: None)
    assert predicted.problems == ()
    (made,) = predicted.deliveries
    (row,) = csv.DictReader((made.folder / "burden.csv").read_text().splitlines())
    places = [of_nifti(made.folder / "labels.nii.gz")]
    if "seg" in formats:
        places.append(of_seg(made.folder / "labels.dcm"))
    for label in TISSUES:
        assert float(row[f"{label.title}_ml"]) == pytest.approx(truth.ml(label), rel=1e-6), truth.what
        assert all(same_places(found[label], truth.of(label)) for found in places), (label, truth.what)
    written = load_nifti(made.folder / "labels.nii.gz")
    assert abs(np.linalg.det(written.affine[:3, :3])) == pytest.approx(truth.voxel_mm3, rel=1e-6)


def check_labels(volume: Volume, truth: Truth) -> None:
    """Compare the true labels that were read with the truth, by their places."""
    assert volume.affine is not None
    for label in TISSUES:
        slices, rows, columns = np.nonzero(volume.labels == label)
        slots = np.array(volume.slots or range(len(volume.slices)))[slices]
        found = nib.affines.apply_affine(volume.affine, np.stack([rows, columns, slots], axis=1))
        assert same_places(found, truth.of(label)), (label, truth.what)
        described = describe(volume).burden.ml
        assert described is not None
        assert described[label] == pytest.approx(truth.ml(label), rel=1e-6)
    assert np.array_equal(by_level(volume.pixels), volume.labels), truth.what


@pytest.mark.parametrize("seed", SEEDS)
def test_nifti_of_any_geometry(tmp_path: Path, seed: int) -> None:
    truth = write_nifti(seed, tmp_path / "exam")
    (image,) = (tmp_path / "exam").glob("image*")
    (mask,) = (tmp_path / "exam").glob("mask*")
    check_delivery(image, truth, tmp_path / "out", ("csv", "nifti"))
    (written,) = (tmp_path / "out").glob("*/labels.nii.gz")
    assert np.array_equal(load_nifti(written).affine, load_nifti(image).affine), "labels are on the file's own grid"
    assert load_nifti(written).shape == load_nifti(image).shape
    folder = tmp_path / "data" / "case"
    for file, inner in ((image, "Images"), (mask, "Contours")):
        (folder / inner).mkdir(parents=True)
        nib.save(load_nifti(file), folder / inner / "case.nii.gz")
    source = {"kind": "nifti", "mask": {"values": VALUES}}
    (volume,) = read(DataFile.model_validate({"source": source}).source, tmp_path / "data")
    check_labels(volume, truth)


@pytest.mark.parametrize("seed", SEEDS)
def test_dicom_of_any_geometry(tmp_path: Path, seed: int) -> None:
    masks = "nifti" if seed % 2 else "seg"
    truth = write_dicom(seed, tmp_path / "data" / "case", masks)
    check_delivery(tmp_path / "data" / "case" / "LGE", truth, tmp_path / "out", ("csv", "nifti", "seg"))
    source = {"kind": "dicom", "mask": {"kind": masks} | ({"values": VALUES} if masks == "nifti" else {})}
    (volume,) = read(DataFile.model_validate({"source": source}).source, tmp_path / "data")
    check_labels(volume, truth)


# ---------------------------------------------------------------------------------------------------- what is derived


@pytest.mark.parametrize(
    ("shape", "steps", "axis", "told"),
    [
        ((192, 192, 5), (1.6, 1.6, 10), 2, True),
        ((5, 192, 192), (10, 1.6, 1.6), 0, True),
        ((192, 5, 192), (1.6, 10, 1.6), 1, True),
        ((20, 16, 16), (8, 1, 1), 0, True),  # far apart, though not few
        ((256, 256, 60), (1.3, 1.3, 1.3), 2, True),  # isotropic 3-D: few
        ((60, 256, 256), (1.3, 1.3, 1.3), 0, True),
        ((256, 180, 60), (1.4, 2.0, 1.5), 2, True),  # few, though the pixels are wider
        ((40, 50, 45), (1.0, 1.0, 1.5), 2, True),  # a little farther apart
        ((1, 64, 64), (3, 2, 2), 0, True),
        ((64, 64, 1), (2, 2, 1), 2, True),
        ((64, 64, 1), (2, 2, np.nan), 2, True),
        ((64, 60, 56), (1.3, 1.3, 1.3), 2, False),
    ],
)
def test_the_axis_of_the_slices(
    shape: tuple[int, int, int], steps: tuple[float, float, float], axis: int, told: bool
) -> None:
    found = find_slice_axis(shape, steps)
    assert found.axis == axis
    assert (found.note is None) == (told and axis == 2)
    assert told or "is not clear" in str(found.note)


def test_volume_and_distances_of_a_sheared_stack() -> None:
    matrix = np.array([[1.5, 0, 3, 9], [0, 1.25, 4, 8], [0, 0, 10, 7], [0, 0, 0, 1.0]])
    assert voxel_mm3(matrix) == pytest.approx(1.5 * 1.25 * 10)
    assert voxel_spacing(matrix) == pytest.approx((1.5, 1.25, 10))
    assert spacing_agrees(matrix, (1.5, 1.25, 10))  # as some programs tell it
    assert spacing_agrees(matrix, (1.5, 1.25, float(np.hypot(10, 5))))  # as others do
    assert not spacing_agrees(matrix, (1.5, 1.25, 8))


def test_affines_that_say_nothing() -> None:
    assert is_unit_spaced(np.diag([-1.0, -1, 1, 1]))
    assert not is_unit_spaced(np.diag([-1.0, -1, 2, 1]))
    assert may_lack_position(np.diag([-1.4, 1.4, 8, 1]))
    assert not may_lack_position(nib.affines.from_matvec(np.diag([-1.4, 1.4, 8]), [0, 3, 0]))


@pytest.mark.parametrize("seed", range(20))
def test_arrays_are_turned_as_nibabel_turns_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(2, 6, 3))
    matrix = nib.affines.from_matvec(rng.normal(size=(3, 3)) + 3 * np.eye(3), rng.normal(size=3) * 50)
    array = rng.integers(0, 99, shape)
    other = nib.Nifti1Image(array, matrix, dtype=np.int64)
    other = other.as_reoriented(np.stack([rng.permutation(3), rng.choice([-1, 1], 3)], axis=1))
    turn = grid_transform(matrix, shape, other.affine, other.shape)
    assert isinstance(turn, AxisTransform)
    assert np.array_equal(turn.apply(np.asarray(other.dataobj)), array)
    assert grid_transform(matrix, shape, matrix, shape) == IDENTITY
    moved = matrix.copy()
    moved[:3, 3] += matrix[:3, 0]
    assert isinstance(grid_transform(matrix, shape, moved, shape), GridMismatch)
