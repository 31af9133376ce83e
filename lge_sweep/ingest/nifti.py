"""Read a folder a case, with the image and the mask as NIfTI files (the layout of the EMIDEC challenge)."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lge_sweep.arrays import ClassCodes, Pixels
from lge_sweep.config.data import NiftiFolders
from lge_sweep.config.masks import IndexMask
from lge_sweep.ingest.file_kinds import count_by_kind, is_known_non_image
from lge_sweep.ingest.files import list_files, subfolders, unreadable_reason
from lge_sweep.ingest.limits import unusable_slices
from lge_sweep.ingest.mask_alignment import align_mask
from lge_sweep.ingest.masks import map_values
from lge_sweep.ingest.nifti_grid import NiftiGrid, orient_for_display, read_nifti_grid, read_nifti_voxels
from lge_sweep.ingest.pseudonym import printable_id, pseudonym, read_salt
from lge_sweep.ingest.volume import Exam, UnusableError, Volume, slice_ids

_T = TypeVar("_T")
_NIFTI_SUFFIXES = (".nii", ".nii.gz")
_CONVERT_ADVICE = "convert them to NIfTI, or move them elsewhere"
_ONE_FOLDER_PER_CASE = "put each exam into a folder of its own, unpack archives, or move them elsewhere"


def read_nifti(source: NiftiFolders, root: Path, findings: list[str]) -> list[Volume]:
    """Read every case folder below the root, or the root itself where it is one.

    Args:
        source: names of folders, the masks' values, and how case ids are made.
        root: the folder of case folders.
        findings: everything that is wrong with the folder; appended to.

    Returns:
        One `Volume` a sound case, in the order of case ids. Intensities are as in the files.

    Raises:
        DataError: the salt of case ids cannot be had.
    """
    folders = [root] if (root / source.images).is_dir() else subfolders(root)
    if not folders:
        findings.append(f"holds no folder; expected one a case, with {source.images}/ in it")
    if folders != [root] and (
        loose := count_by_kind(path for path in list_files(root) if not is_known_non_image(path))
    ):
        findings.append(f"files beside the folders of cases are not read: {loose}; {_ONE_FOLDER_PER_CASE}")
    salt = read_salt() if source.case_ids == "hash" else b""
    volumes = []
    for folder in folders:
        name = folder.resolve().name
        case = pseudonym(name, salt) if source.case_ids == "hash" else printable_id(name)
        volume = _read_case(source, folder, case, findings)
        volumes += [volume] if volume else []
    return sorted(volumes, key=lambda volume: volume.case)


def _read_case(source: NiftiFolders, folder: Path, case: str, findings: list[str]) -> Volume | None:
    path = find_only_nifti(folder, source.images, findings)
    if path is None:
        return None
    mask_path = folder / source.labels / path.name
    where, mask_where = (f"{folder.name}/{p.parent.name}/{p.name}" for p in (path, mask_path))
    if not mask_path.is_file():
        read_or_report(read_nifti_grid, path, where, findings)
        findings.append(f"{where}: has no mask {mask_where}{_present_instead(mask_path.parent)}")
        return None
    volume = read_pair(case, (path, where), (mask_path, mask_where), source, findings)
    if volume is None:
        return None
    blank = unusable_slices(volume.pixels)
    findings += [f"{where}: {text}" for text in blank]
    return None if blank else volume


NamedPath = tuple[Path, str]
"""A file, and what it is called in findings."""


def read_pair(
    case: str, image: NamedPath, mask: NamedPath, settings: NiftiFolders, findings: list[str]
) -> Volume | None:
    """Read an image and its mask; where something is wrong, add findings and return None.

    Slices in which nothing can be seen are for the caller to find.

    Args:
        case: id of the case.
        image: the image.
        mask: its mask.
        settings: the mask's values, and whether its grid is trusted.
        findings: what is wrong; appended to.
    """
    before = len(findings)
    voxels, truth = (read_or_report(read_nifti_voxels, *named, findings) for named in (image, mask))
    grid = read_or_report(lambda _: orient_for_display(voxels), *image, findings) if voxels else None
    if voxels is None or grid is None or truth is None:
        return None
    laid = read_or_report(lambda _: align_mask(truth, voxels, trust=settings.trust_grid), *mask, findings)
    if laid is None:
        return None
    labels = _map_labels(grid.stored.to_display(laid.array), settings.mask, mask[1], findings)
    if labels is None or len(findings) > before:
        return None
    exam = exam_from_grid(case, grid)
    return replace(exam, notes=exam.notes + laid.notes).with_labels(labels, settings.mask.tells_mvo)


def exam_from_grid(case: str, grid: NiftiGrid) -> Exam:
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


def find_only_nifti(folder: Path, name: str, findings: list[str]) -> Path | None:
    """Return the one NIfTI file of a case's inner folder; where there is none or several, add a finding.

    In the case's own folder, `.`, files of other kinds lie beside it; in one for it alone they are a finding.

    Args:
        folder: the case's folder.
        name: that of its inner folder; `.`: its own.
        findings: what is wrong; appended to.
    """
    inner, where = folder / name, f"{folder.name}/{name}"
    if problem := unreadable_reason(folder) or (unreadable_reason(inner) if inner.is_dir() else None):
        findings.append(f"{where}: {problem}")
        return None
    if not inner.is_dir():
        findings.append(f"{where}: is missing; put the case's image there, or say in source.images where it is")
        return None
    there = list_files(inner)
    files = [path for path in there if is_nifti(path)]
    others = (
        ""
        if name == "."
        else count_by_kind(path for path in there if not is_nifti(path) and not is_known_non_image(path))
    )
    if len(files) == 1:
        if others:
            findings.append(f"{where}: files of kinds that are not read: {others}; {_CONVERT_ADVICE}")
        return files[0]
    holds = "holds no NIfTI file" + f", only {others}" * bool(others)
    if files:
        holds = f"holds several NIfTI files ({', '.join(path.name for path in files[:4])})"
    findings.append(f"{where}: {holds}; expected one of {' or '.join(_NIFTI_SUFFIXES)}, and a folder a case")
    return None


def _present_instead(folder: Path) -> str:
    """Say what there is in a folder of masks in place of the one that is looked for."""
    there = [path for path in list_files(folder) if not is_known_non_image(path)] if folder.is_dir() else []
    return f"; there is {count_by_kind(there)}; give a NIfTI mask its image's name" if there else ""


def read_or_report(reader: Callable[[Path], _T], path: Path, where: str, findings: list[str]) -> _T | None:
    """Read a NIfTI file; where it cannot be used, add a finding that begins with `where`, and return None.

    Args:
        reader: takes the file.
        path: the file.
        where: what the file is called in findings.
        findings: what is wrong; appended to.
    """
    try:
        return reader(path)
    except UnusableError as error:
        findings.append(f"{where}: {error}")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        findings.append(f"{where}: broken NIfTI file: its gzip compression is cut off or damaged; get it again")
    except Exception as error:  # nibabel raises whatever broken bytes lead to; its messages may quote them
        findings.append(f"{where}: broken NIfTI file ({type(error).__name__}); get it again")
    return None


def _map_labels(array: Pixels, mask: IndexMask, where: str, findings: list[str]) -> ClassCodes | None:
    try:
        return map_values(array, mask, f"NIfTI ({array.dtype})")
    except ValueError as error:
        findings.append(f"{where}: {error}")
    return None


def is_nifti(path: Path) -> bool:
    """Whether a file is NIfTI by its name."""
    return path.name.lower().endswith(_NIFTI_SUFFIXES)
