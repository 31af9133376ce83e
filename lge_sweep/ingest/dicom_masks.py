"""Labels for a DICOM series: mask images by file name, a NIfTI on its grid, a DICOM Segmentation, or contours."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lge_sweep.arrays import ClassCodes, Pixels
from lge_sweep.config.data import DicomFolders
from lge_sweep.config.masks import ColourMask, Cvi42Mask, IndexMask, NiftiMask, RtstructMask, SegMask
from lge_sweep.ingest.cvi42 import read_cvi42
from lge_sweep.ingest.dicom_header import Header
from lge_sweep.ingest.dicom_seg import read_seg
from lge_sweep.ingest.dicom_stack import Stack
from lge_sweep.ingest.files import list_files
from lge_sweep.ingest.geometry import AxisTransform, GridMismatch, grid_transform, is_unit_spaced, may_lack_position
from lge_sweep.ingest.image_files import IMAGE_SUFFIXES
from lge_sweep.ingest.mask_alignment import GRID_TRUSTED
from lge_sweep.ingest.masks import map_values, read_mask_file
from lge_sweep.ingest.nifti import find_only_nifti, read_or_report
from lge_sweep.ingest.nifti_grid import NiftiVoxels, read_nifti_voxels
from lge_sweep.ingest.rtstruct import read_rtstruct
from lge_sweep.ingest.volume import UnusableError

_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
_UNPLACED_MASK = (
    "its NIfTI mask holds no position; read as [columns, rows, slices] in the order of the slices' positions"
)


def read_masks(
    source: DicomFolders, folder: Path, stack: Stack, headers: Sequence[Header], findings: list[str]
) -> tuple[ClassCodes | None, tuple[str, ...]]:
    """Read the labels of a series.

    Args:
        source: the kind of masks and where they are.
        folder: the case's folder.
        stack: the series, in order.
        headers: every DICOM file of the case.
        findings: what is wrong; appended to.

    Returns:
        [S, H, W] values of `CLASS_CODES`, or None where something is wrong; and what a user should know.
    """
    if isinstance(source.mask, SegMask):
        return read_seg(source.mask, stack, headers, findings)
    if isinstance(source.mask, NiftiMask):
        return _from_nifti(source.mask, folder, source.masks, stack, findings)
    if isinstance(source.mask, RtstructMask):
        return read_rtstruct(source.mask, stack, headers, findings)
    if isinstance(source.mask, Cvi42Mask):
        return read_cvi42(source.mask, folder, stack, headers, findings)
    return _from_images(source.mask, folder / source.masks, stack, findings), ()


# -------------------------------------------------------------------------------------------------------- mask images


def _from_images(mask: IndexMask | ColourMask, folder: Path, stack: Stack, findings: list[str]) -> ClassCodes | None:
    before = len(findings)
    if any(frame.number for frame in stack.frames):
        findings.append("a multi-frame file cannot have mask images by file name; give a NIfTI or DICOM SEG mask")
        return None
    there = list_files(folder, deep=True) if folder.is_dir() else []
    files = [path for path in there if path.suffix.lower() in IMAGE_SUFFIXES]
    masks = {path.stem: path for path in files}
    stems = [_stem(frame.path) for frame in stack.frames]
    for kind, names in (("masks", [path.stem for path in files]), ("images", stems)):
        findings += [
            f"{count} {kind} are called {name}, but masks are found by the names of images; rename them, or give a "
            "NIfTI or DICOM SEG mask"
            for name, count in Counter(names).items()
            if count > 1
        ]
    findings += [
        f"{frame.path.name}: has no mask {folder.name}/{stem}{IMAGE_SUFFIXES[0]} (or {', '.join(IMAGE_SUFFIXES[1:])})"
        for frame, stem in zip(stack.frames, stems, strict=True)
        if stem not in masks
    ]
    findings += [
        f"{masks[stem].name}: is the mask of no image of the LGE series" for stem in sorted(masks.keys() - stems)
    ]
    if len(findings) > before:
        return None
    labels = [_open_mask(masks[stem], mask, stack.frames[0].size, findings) for stem in stems]
    whole = [array for array in labels if array is not None]
    return np.stack(whole) if len(whole) == len(labels) else None


def _open_mask(
    path: Path, mask: IndexMask | ColourMask, size: tuple[int, int], findings: list[str]
) -> ClassCodes | None:
    try:
        labels = read_mask_file(path, mask)
    except ValueError as error:
        findings.append(f"{path.name}: {error}")
    else:
        if labels.shape == size:
            return labels
        findings.append(f"{path.name}: {_wrong_size(labels.shape, size)}")
    return None


def _stem(path: Path) -> str:
    return path.stem if path.suffix.lower() in _DICOM_SUFFIXES else path.name


def _wrong_size(mask: Sequence[int], image: Sequence[int]) -> str:
    return f"mask is {'x'.join(map(str, mask))}, its image {'x'.join(map(str, image))}; they must be equal"


# -------------------------------------------------------------------------------------------------------------- NIfTI


def _from_nifti(
    mask: NiftiMask, folder: Path, name: str, stack: Stack, findings: list[str]
) -> tuple[ClassCodes | None, tuple[str, ...]]:
    path = find_only_nifti(folder, name, findings)
    if path is None:
        return None, ()
    voxels = read_or_report(read_nifti_voxels, path, path.name, findings)
    if voxels is None:
        return None, ()
    try:
        array, notes = align_to_stack(voxels, stack, trust=mask.trust_grid)
        return map_values(array, mask, f"NIfTI ({array.dtype})"), notes
    except ValueError as error:
        findings.append(f"{path.name}: {error}")
    return None, ()


def align_to_stack(voxels: NiftiVoxels, stack: Stack, *, trust: bool = False) -> tuple[Pixels, tuple[str, ...]]:
    """Turn a NIfTI array onto the grid of a DICOM series by the positions of both.

    Args:
        voxels: the array and where it lies. Where it is centred on the origin, as programs that lost the position
            write it, it is taken in the order [columns, rows, slices].
        stack: the series.
        trust: take it in that order in any case.

    Returns:
        [S, H, W] values, and what a user should know.

    Raises:
        UnusableError: it has another shape, or lies elsewhere.
    """
    height, width = stack.frames[0].size
    slots = list(stack.slots)
    in_order = (width, height, len(slots))
    shape = (height, width, slots[-1] + 1)  # with an empty slice where the series lacks one
    if sorted(voxels.array.shape) not in (sorted(shape), sorted(in_order)):
        raise UnusableError(_wrong_size(voxels.array.shape, (width, height, shape[2])) + " (columns, rows, slices)")
    steps = np.linalg.norm(voxels.matrix[:3, :3], axis=0)
    placed = stack.affine(alone_mm=float(steps[np.argmin(voxels.array.shape)]))
    turn: AxisTransform | GridMismatch = GridMismatch("one of them has no position")
    if placed is not None and voxels.placed and not trust:
        turn = grid_transform(placed, shape, voxels.matrix, voxels.array.shape)
    if isinstance(turn, AxisTransform):
        return turn.apply(voxels.array).transpose(2, 0, 1)[slots], ()
    as_stored = voxels.array.shape == in_order and not _spacing_differs(voxels, stack)
    if as_stored and (placed is None or not voxels.placed or may_lack_position(voxels.matrix)):
        return voxels.array.transpose(2, 1, 0), (_UNPLACED_MASK,)
    if trust and voxels.array.shape == in_order:
        return voxels.array.transpose(2, 1, 0), (GRID_TRUSTED,)
    raise UnusableError(
        f"mask lies elsewhere than its series ({turn.why}); resample it onto the series, or, if it is stored as "
        "columns, rows, slices in the order of the series' positions, set source.mask.trust_grid: true"
    )


def _spacing_differs(voxels: NiftiVoxels, stack: Stack) -> bool:
    """Whether a NIfTI file tells distances, and they are not those of the series."""
    if voxels.blank or is_unit_spaced(voxels.matrix) or stack.spacing_mm is None:
        return False
    rows_mm, columns_mm, slices_mm = stack.spacing_mm
    told = np.linalg.norm(voxels.matrix[:3, :3], axis=0)
    expected = np.array([columns_mm, rows_mm, slices_mm])
    return bool((np.abs(told - expected) > 0.01 * expected).any())  # a distance that is not known differs from none
