"""Read a folder a case, with the image and the mask as NIfTI files (the layout of the EMIDEC challenge)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from lge_sweep.config.data import IndexMask, NiftiFolders
from lge_sweep.ingest.files import list_files, subfolders
from lge_sweep.ingest.limits import PIXEL_MM, POSITION_MM, SLICE_MM, blank_slices
from lge_sweep.ingest.masks import from_values
from lge_sweep.ingest.nifti_file import read_image
from lge_sweep.ingest.pseudonym import kept_id, pseudonym, read_salt
from lge_sweep.ingest.volume import Exam, Pixels, StoredGrid, UnusableError, Volume, slice_ids

T = TypeVar("T")
SUFFIXES = (".nii", ".nii.gz")
UNITS = {"meter": 1000.0, "micron": 0.001}
"""mm in the header's unit of length; mm where the header names none."""
DISAGREES = "spacing is taken from the header's zooms, its affine says otherwise"
UNORIENTED = "its NIfTI header holds no orientation; slices may be mirrored"
FLAT = "its NIfTI header holds no slice distance: no volume is valid"
GEOMETRY = (
    "xyzt_units", "pixdim", "qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
    "sform_code", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
"""Fields of a header that tell where its voxels lie; others may tell who the patient is."""


@dataclass(frozen=True)
class Grid:
    """A NIfTI file's array in the order of display.

    Attributes:
        array: [S, H, W] values.
        affine: [4, 4] voxel -> world, mm, as stored.
        placed: [4, 4] index (row, column, slice) of `array` -> world, mm; right, front, head are positive. None where
            the header holds no orientation, or one whose distances are not its zooms.
        spacing_mm: (row, column, slice) from the header's zooms; slice is NaN in a file of two dimensions.
        stored: how the file stores it.
        notes: what a user should know.
    """

    array: Pixels
    affine: NDArray[np.float64]
    placed: NDArray[np.float64] | None
    spacing_mm: tuple[float, float, float]
    stored: StoredGrid
    notes: tuple[str, ...]


def read_nifti(source: NiftiFolders, root: Path, findings: list[str]) -> list[Volume]:
    """Read every case folder below the root, or the root itself where it is one.

    Args:
        source: names of folders, the masks' values, and how case ids are made.
        root: the folder of case folders.
        findings: everything that is wrong with the folder; appended to.

    Returns:
        One `Volume` a sound case, in the order of case ids. Grey levels are as in the files.

    Raises:
        DataError: the salt of case ids cannot be had.
    """
    folders = [root] if (root / source.images).is_dir() else subfolders(root)
    if not folders:
        findings.append(f"holds no folder; expected one a case, with {source.images}/ in it")
    salt = read_salt() if source.case_ids == "hash" else b""
    volumes = []
    for folder in folders:
        name = folder.resolve().name
        case = pseudonym(name, salt) if source.case_ids == "hash" else kept_id(name)
        volume = _read_case(source, folder, case, findings)
        volumes += [volume] if volume else []
    return sorted(volumes, key=lambda volume: volume.case)


def read_grid(path: Path) -> Grid:
    """Read a NIfTI file of one volume and turn its slices the way they are looked at.

    Slices lie along the third axis. Within a slice, the axis that is nearer to head-foot (else front-back) becomes the
    rows, downwards to the feet (the back); the other becomes the columns, rightwards to the patient's left (the back).

    Raises:
        UnusableError: it holds more than one volume, or its affine or zooms are broken.
        Whatever nibabel raises for broken files.
    """
    array, affine, zooms, header, notes = read_voxels(path)
    stored = StoredGrid(header, *display(affine))
    rows = stored.rows
    spacing = (zooms[rows], zooms[1 - rows], zooms[2])
    unplaced = {UNORIENTED, DISAGREES, FLAT} & set(notes)
    placed = None if unplaced else affine @ stored.turning(array.shape)
    return Grid(np.ascontiguousarray(stored.to_display(array)), affine, placed, spacing, stored, notes)


class Voxels(NamedTuple):
    """A NIfTI file as it is stored."""

    array: Pixels
    """[I, J, K] values, of at most 4 bytes each."""
    affine: NDArray[np.float64]
    """[4, 4] voxel -> world, mm."""
    zooms: tuple[float, float, float]
    """Distances along I, J and K, mm; K is NaN in a file of two dimensions."""
    header: nib.Nifti1Header
    """The file's `GEOMETRY`."""
    notes: tuple[str, ...]
    """What a user should know."""


def read_voxels(path: Path) -> Voxels:
    """Read a NIfTI file of one volume as it is stored.

    Raises:
        UnusableError: it holds more than one volume, or its affine or zooms are broken.
        Whatever nibabel raises for broken files.
    """
    image, raw = read_image(path)
    affine = _affine(image)
    zooms = _zooms(raw)
    array = np.asarray(image.dataobj).reshape((*image.shape, 1)[:3])
    if array.dtype.itemsize > 4:
        with np.errstate(over="ignore"):  # what becomes infinite is found with what is
            array = array.astype(np.float32)
    return Voxels(array, affine, zooms, _geometry(image.header), tuple(_notes(image, affine, zooms)))


def display(affine: NDArray[np.float64]) -> tuple[int, tuple[int, ...]]:
    """Tell how a voxel array must be turned to be looked at.

    Args:
        affine: [4, 4] voxel -> world (right, front, head are positive).

    Returns:
        Which of the axes 0 and 1 becomes the rows, and the axes to reverse before.
    """
    orientation = nib.io_orientation(affine)
    rows = 0 if orientation[0, 0] > orientation[1, 0] else 1
    return rows, tuple(axis for axis in (0, 1) if orientation[axis, 1] > 0)


def _affine(image: nib.Nifti1Image) -> NDArray[np.float64]:
    """Return voxel -> world, mm."""
    affine = np.array(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all():
        raise UnusableError("its affine holds numbers that are not finite; write it again with a valid orientation")
    affine[:3] *= _unit_mm(image.header)
    POSITION_MM.check("its affine", [float(affine.flat[np.abs(affine).argmax()])])
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UnusableError("its affine is singular (two axes point the same way, or one has no length)")
    return affine


def _zooms(raw: nib.Nifti1Header) -> tuple[float, float, float]:
    columns, rows, *others = (float(zoom) * _unit_mm(raw) for zoom in raw.get_zooms()[:3])
    PIXEL_MM.check("its header's zooms: distance of pixels", (columns, rows))
    SLICE_MM.check("its header's zooms: distance of slices", others)
    return columns, rows, (*others, float("nan"))[0]


def _geometry(header: nib.Nifti1Header) -> nib.Nifti1Header:
    geometry = nib.Nifti1Header()
    for field in GEOMETRY:
        geometry[field] = header[field]
    return geometry


def _notes(image: nib.Nifti1Image, affine: NDArray[np.float64], zooms: tuple[float, float, float]) -> list[str]:
    if not int(image.header["sform_code"]) and not int(image.header["qform_code"]):
        return [UNORIENTED]
    known = np.isfinite(zooms)
    norms = np.linalg.norm(affine[:3, :3], axis=0)
    agrees = np.allclose(norms[known], np.array(zooms)[known], rtol=0.01)
    return ([] if agrees else [DISAGREES]) + ([] if known.all() else [FLAT])


def _unit_mm(header: nib.Nifti1Header) -> float:
    return UNITS.get(header.get_xyzt_units()[0], 1.0)


def _read_case(source: NiftiFolders, folder: Path, case: str, findings: list[str]) -> Volume | None:
    path = only_nifti(folder, source.images, findings)
    if path is None:
        return None
    mask_path = folder / source.labels / path.name
    where, mask_where = (f"{folder.name}/{p.parent.name}/{p.name}" for p in (path, mask_path))
    image = attempt(read_grid, path, where, findings)
    if not mask_path.is_file():
        findings.append(f"{where}: has no mask {mask_where}")
        return None
    mask = attempt(read_grid, mask_path, mask_where, findings)
    if image is None or mask is None:
        return None
    before = len(findings)
    findings += [f"{where}: {text}" for text in blank_slices(image.array)]
    findings += [f"{mask_where}: {text}" for text in _mismatch(image, mask)]
    labels = _labels(mask.array, source.mask, mask_where, findings)
    if labels is None or len(findings) > before:
        return None
    return as_exam(case, image).with_labels(labels, source.mask.tells_mvo)


def as_exam(case: str, grid: Grid) -> Exam:
    """Return a NIfTI image as an exam."""
    ids = slice_ids(case, len(grid.array))
    return Exam(
        case,
        ids,
        grid.array,
        spacing_mm=grid.spacing_mm,
        affine=grid.placed,
        stored=grid.stored,
        notes=grid.notes,
    )


def only_nifti(folder: Path, name: str, findings: list[str]) -> Path | None:
    """Return the one NIfTI file of a case's inner folder; where there is none or several, add a finding."""
    inner = folder / name
    files = [p for p in list_files(inner) if is_nifti(p)] if inner.is_dir() else []
    if len(files) == 1:
        return files[0]
    holds = "holds several NIfTI files" if files else "holds no NIfTI file" if inner.is_dir() else "is missing"
    findings.append(f"{folder.name}/{name}: {holds}; expected one of {' or '.join(SUFFIXES)}, and a folder a case")
    return None


def attempt(reader: Callable[[Path], T], path: Path, where: str, findings: list[str]) -> T | None:
    """Read a NIfTI file; where it cannot be used, add a finding that begins with `where`, and return None."""
    try:
        return reader(path)
    except UnusableError as error:
        findings.append(f"{where}: {error}")
    except Exception as error:  # nibabel raises whatever broken bytes lead to; its messages may quote them
        findings.append(f"{where}: broken NIfTI file ({type(error).__name__})")
    return None


def _mismatch(image: Grid, mask: Grid) -> list[str]:
    if image.array.shape != mask.array.shape:
        sizes = [f"{s} slices of {h}x{w}" for s, h, w in (mask.array.shape, image.array.shape)]
        return [f"mask is {sizes[0]}, its image {sizes[1]}; they must be equal"]
    if not np.allclose(image.affine, mask.affine, atol=1e-3) or not np.allclose(
        image.spacing_mm, mask.spacing_mm, rtol=1e-3, equal_nan=True
    ):
        return ["mask lies elsewhere than its image (their affines or zooms differ); resample it onto the image"]
    return []


def _labels(array: Pixels, mask: IndexMask, where: str, findings: list[str]) -> NDArray[np.uint8] | None:
    try:
        return from_values(array, mask, f"NIfTI ({array.dtype})")
    except ValueError as error:
        findings.append(f"{where}: {error}")
    return None


def is_nifti(path: Path) -> bool:
    """Whether a file is NIfTI by its name."""
    return path.name.lower().endswith(SUFFIXES)
