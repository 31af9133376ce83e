"""Exams of random geometry whose truth is known, as files: every class's places in mm and volume, by construction.

Intensities tell the class (1,000 a class, and noise), so that `by_level` is a segmenter without fault.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import EnhancedMRImageStorage, RLELossless, generate_uid
from synthetic_dicom import image, item, segmentation, write

from lge_sweep.labels import Label

Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]
TO_RAS = np.diag([-1.0, -1.0, 1.0])
SEGMENTS = {Label.CAVITY: "LV cavity", Label.MYOCARDIUM: "Myocardium", Label.SCAR: "Scar"}
PADDING = -2000


@dataclass(frozen=True)
class Truth:
    """What is known of an exam.

    Attributes:
        labels: [S, H, W].
        places: [S, H, W, 3] mm of each pixel's centre; right, front, head.
        voxel_mm3: volume of a voxel.
        what: the features it has, in words.
    """

    labels: Labels
    places: Floats
    voxel_mm3: float
    what: tuple[str, ...]

    def of(self, label: Label) -> Floats:
        """Return [N, 3] the places of a class."""
        return np.asarray(self.places[self.labels == label])

    def ml(self, label: Label) -> float:
        """Return the volume of a class."""
        return int((self.labels == label).sum()) * self.voxel_mm3 / 1000


def by_level(pixels: NDArray[np.number]) -> Labels:
    """Segment by intensity; NaN, padding, is background."""
    return np.asarray(np.clip(np.nan_to_num(pixels.astype(float)) // 1000, 0, None), dtype=np.uint8)


def heart(rng: np.random.Generator, slices: int, rows: int, columns: int) -> Labels:
    """Return a ring around a disc, part of it scar, somewhere in each slice."""
    labels = np.zeros((slices, rows, columns), dtype=np.uint8)
    y, x = np.mgrid[:rows, :columns]
    centre = np.array([rows, columns]) / 2 + rng.uniform(-1, 1, 2)
    for image_, shrink in zip(labels, np.linspace(1, 0.6, slices), strict=True):
        distance = np.hypot(y - centre[0], x - centre[1]) / (min(rows, columns) * 0.4 * shrink)
        image_[distance < 1] = Label.MYOCARDIUM
        image_[(distance < 1) & (x > centre[1] + 1) & (y > centre[0])] = Label.SCAR
        image_[distance < 0.55] = Label.CAVITY
    return labels


def rotation(rng: np.random.Generator) -> Floats:
    """Return a random rotation [3, 3]."""
    turn, upper = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.diag(upper))
    turn[:, 2] *= np.sign(np.linalg.det(turn))
    return turn


def write_nifti(seed: int, folder: Path) -> Truth:
    """Write `image.nii(.gz)`, and `mask.nii.gz` with axes of its own, of an exam of random axes, flips and shear."""
    rng = np.random.default_rng(seed)
    labels = heart(rng, int(rng.integers(4, 9)), *(int(n) for n in rng.integers(18, 40, 2)))
    pixel_mm, slice_mm = rng.uniform(0.7, 2, 2), rng.uniform(5, 12)
    steps = rotation(rng) @ np.diag([*pixel_mm, slice_mm])  # of rows, columns, slices
    what = []
    if rng.random() < 0.5:
        steps[:, 2] += steps[:, :2] @ (rng.uniform(-4, 4, 2) / pixel_mm)
        what.append("drift")
    if rng.random() < 0.2:
        steps[:, 1] += 0.1 * steps[:, 0]
        what.append("in-plane shear")
    matrix = nib.affines.from_matvec(steps, rng.uniform(-80, 80, 3))
    grey = _grey(rng, labels)
    slope, kind = (2.0, np.int16) if rng.random() < 0.5 else (1.0, np.float32)
    for name, array in (("image", (grey / slope).astype(kind)), ("mask", labels)):
        axes = rng.permutation(3)
        stored = nib.Nifti1Image(array.transpose(1, 2, 0), matrix)
        stored = stored.as_reoriented(np.stack([axes, rng.choice([-1, 1], 3)], axis=1))
        stored = nib.Nifti1Image(np.asarray(stored.dataobj), stored.affine)
        if name == "image":
            stored.header.set_slope_inter(slope, 0)
            what.append(f"axes {axes.tolist()}, slope {slope}")
        folder.mkdir(parents=True, exist_ok=True)
        nib.save(stored, folder / f"{name}.nii{rng.choice(['', '.gz'])}")
    index = np.moveaxis(np.indices(labels.shape), 0, -1)[..., [1, 2, 0]]
    stated = np.asarray(matrix, dtype=np.float32).astype(float)  # as the file holds it
    return Truth(
        labels, nib.affines.apply_affine(stated, index), abs(float(np.linalg.det(stated[:3, :3]))), tuple(what)
    )


def write_dicom(seed: int, folder: Path, masks: str = "seg") -> Truth:
    """Write a series of random geometry, and its masks; slices may lack, be padded, scaled and compressed."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(4, 9))
    labels = heart(rng, count, *(int(n) for n in rng.integers(18, 40, 2)))
    pixel_mm, slice_mm = [_short(mm) for mm in rng.uniform(0.7, 2, 2)], _short(rng.uniform(5, 12))
    turn = rotation(rng).round(9)
    row, column = turn[:, 0], turn[:, 1]
    normal = np.cross(row, column) / np.linalg.norm(np.cross(row, column))
    aside = row * rng.uniform(-3, 3) + column * rng.uniform(-3, 3) if rng.random() < 0.5 else np.zeros(3)
    slots = np.arange(count)
    if rng.random() < 0.4:
        slots[int(rng.integers(2, count)) :] += int(rng.integers(1, 3))  # a hole
    first = rng.uniform(-80, 80, 3)
    positions = [(first + slot * (normal * slice_mm + aside)).round(6) for slot in slots]
    padded, compressed, multi = (rng.random(3) < (0.4, 0.4, 0.4)).tolist()
    slope = float(rng.choice([1.0, 0.5, 2.0]))
    grey = _grey(rng, labels)
    stored = np.rint(grey / slope).astype(np.int16)
    if padded:
        stored[:, :, 0] = PADDING
    common: dict[str, Any] = {
        "StudyInstanceUID": generate_uid(entropy_srcs=[str(seed), "study"]),
        "PatientID": f"P{seed}",
        "SeriesInstanceUID": generate_uid(entropy_srcs=[str(seed), "series"]),
    }
    geometry: dict[str, Any] = {
        "ImageOrientationPatient": [*row.tolist(), *column.tolist()],
        "PixelSpacing": list(pixel_mm),
    }
    scale: dict[str, Any] = {"RescaleSlope": slope, "RescaleIntercept": 0.0, "RescaleType": "US"}
    order = rng.permutation(count)
    folder.mkdir(parents=True, exist_ok=True)
    if multi:
        sources = [_enhanced(stored[order], [positions[k] for k in order], geometry, scale, common)]
    else:
        sources = [
            image(
                stored[k],
                **common,
                **geometry,
                **scale,
                ImagePositionPatient=positions[k].tolist(),
                SliceThickness=_short(slice_mm * 0.8),
                SpacingBetweenSlices=slice_mm if rng.random() < 0.5 else None,
            )
            for k in order
        ]
    for number, dataset in enumerate(sources):
        if padded:
            dataset.add_new("PixelPaddingValue", "SS", PADDING)
        if compressed:
            dataset.compress(RLELossless, generate_instance_uid=False)
        write(dataset, folder / "LGE" / f"IM{number}.dcm")
    _write_masks(masks, folder, sources, order, labels, positions, geometry)
    y, x = np.mgrid[: labels.shape[1], : labels.shape[2]]
    within = y[..., None] * column * pixel_mm[0] + x[..., None] * row * pixel_mm[1]
    places = np.stack([(position + within) @ TO_RAS for position in positions])
    volume = pixel_mm[0] * pixel_mm[1] * float((positions[-1] - positions[0]) @ normal) / slots[-1]
    said = zip(("drift", "hole", "padded", "RLE", "enhanced"),
               (aside.any(), slots[-1] >= count, padded, compressed, multi), strict=True)  # fmt: skip
    return Truth(labels, places, volume, (*(name for name, there in said if there), f"slope {slope}", masks))


def _grey(rng: np.random.Generator, labels: Labels) -> Floats:
    return np.asarray((labels * 1000.0 + rng.integers(100, 800, labels.shape)).round(-1), dtype=np.float64)


def _short(value: float) -> float:
    return round(float(value), 6)


def _enhanced(
    stored: NDArray[np.int16],
    positions: list[Floats],
    geometry: dict[str, Any],
    scale: dict[str, Any],
    common: dict[str, Any],
) -> FileDataset:
    dataset = image(stored, EnhancedMRImageStorage, NumberOfFrames=len(stored), **common)
    shared = Dataset()
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=geometry["ImageOrientationPatient"])]
    shared.PixelMeasuresSequence = [item(PixelSpacing=geometry["PixelSpacing"], SliceThickness=4.0)]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=position.tolist())],
            PixelValueTransformationSequence=[item(**scale)],
        )
        for position in positions
    ]
    return dataset


def _write_masks(
    kind: str,
    folder: Path,
    sources: list[FileDataset],
    order: NDArray[np.intp],
    labels: Labels,
    positions: list[Floats],
    geometry: dict[str, Any],
) -> None:
    """Write the labels as a SEG of the sources, or as a NIfTI of the whole stack, with an empty slice in a hole."""
    if kind == "seg":
        write(segmentation(sources, labels[order], list(SEGMENTS.values())), folder / "SEG" / "seg.dcm")
        return
    row, column = (np.array(geometry["ImageOrientationPatient"][part]) for part in (slice(3), slice(3, 6)))
    normal = np.cross(row, column)
    along = (np.array(positions) - positions[0]) @ normal
    places = np.rint(along / np.diff(along).min()).astype(int)
    whole = np.zeros((places[-1] + 1, *labels.shape[1:]), dtype=np.uint8)
    whole[places] = labels
    rows_mm, columns_mm = geometry["PixelSpacing"]
    step = (positions[-1] - positions[0]) / places[-1]
    steps = np.stack([row * columns_mm, column * rows_mm, step], axis=1)
    mask = nib.Nifti1Image(whole.transpose(2, 1, 0), nib.affines.from_matvec(TO_RAS @ steps, TO_RAS @ positions[0]))
    (folder / "masks").mkdir()
    nib.save(mask.as_reoriented(np.array([[1, -1], [2, 1], [0, -1]])), folder / "masks" / "mask.nii.gz")
