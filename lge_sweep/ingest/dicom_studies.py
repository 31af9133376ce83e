"""Sort the DICOM files below a folder into exams, and name what is not read of them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lge_sweep.config.data import DicomFolders
from lge_sweep.ingest.dicom_choice import looks_like_lge
from lge_sweep.ingest.dicom_header import Header, dicom_files, read_header
from lge_sweep.ingest.file_kinds import (
    ARCHIVE_SUFFIXES,
    PICTURE_SUFFIXES,
    VOLUME_SUFFIXES,
    count_by_kind,
    is_known_non_image,
)
from lge_sweep.ingest.files import is_below, list_files, subfolders, unreadable_reason
from lge_sweep.ingest.volume import UnusableError
from lge_sweep.text import natural_key

SAME_STUDY = "has the StudyInstanceUID of another patient's exam (an anonymiser's?); taken for an exam of its own"
_UNREAD_SUFFIXES = (*ARCHIVE_SUFFIXES, *PICTURE_SUFFIXES, *VOLUME_SUFFIXES)
"""Endings of files beside DICOM files that could hold what is missing among them."""


@dataclass(frozen=True)
class Study:
    """The DICOM files of one case.

    Attributes:
        folder: where they are, and where masks are looked for.
        name: the folder's name, or that of a single file.
        headers: every DICOM file that could be read.
        unreadable: number of files beside them that could not.
        notes: what a user should know of how the files were sorted; nothing in them tells who the patient is.
    """

    folder: Path
    name: str
    headers: tuple[Header, ...]
    unreadable: int = 0
    notes: tuple[str, ...] = ()


def find_studies(root: Path, source: DicomFolders, findings: list[str], skip: Collection[Path] = ()) -> list[Study]:
    """Read all headers below a folder and sort them into cases.

    Each folder in the root is a case. Where all images have one StudyInstanceUID, the root is that study's folder and
    its inner folders are series; but they are cases where their images are of different patients, and where it cannot
    be told, that is a finding. `source.folders` says it instead.

    Args:
        root: the folder.
        source: what LGE series are called, where masks are, and what the folders are.
        findings: files that cannot be read, folders that contradict each other; appended to.
        skip: folders, resolved, whose files are passed over.
    """
    units: dict[str, list[Header]] = defaultdict(list)
    unreadable: Counter[str] = Counter()
    for path in dicom_files(root, skip):
        relative = path.relative_to(root)
        unit = relative.parts[0] if len(relative.parts) > 1 or path.is_dir() else ""
        try:
            header = read_header(path)
        except UnusableError as error:
            findings.append(f"{relative}: {error}")
            unreadable[unit] += 1
        else:
            units[unit].append(header)
    notes: tuple[str, ...] = ()
    if _is_one_study(root, source, units, unreadable):
        if not _are_different_patients(units) or source.folders == "series":
            if problem := _one_study_problem(root, source, units):
                findings.append(problem)
                return []
            everything = tuple(header for headers in units.values() for header in headers)
            return [Study(root, root.resolve().name, everything, unreadable.total(), _unread_note(root, skip))]
        notes = (SAME_STUDY,)
    loose = defaultdict(list)
    for header in units.pop("", []):
        loose[header.study].append(header)
    singles = [
        Study(root, _loose_study_name(root, files, len(loose)), tuple(files), unreadable[""])
        for files in loose.values()
    ]
    return singles + [
        Study(root / name, name, tuple(files), unreadable[name], notes + _unread_note(root / name, skip))
        for name, files in sorted(units.items())
    ]


def paths_without_study(root: Path, masks: str, studies: Sequence[Study], skip: Collection[Path] = ()) -> list[Path]:
    """Return the folders in the root, and the files in it that could hold exams, of which no study was read.

    Args:
        root: the folder.
        masks: name of the folders with masks, which are no exams.
        studies: what was read of it.
        skip: folders, resolved, that are left out.
    """
    if any(study.folder == root and study.name == root.resolve().name for study in studies):
        return []  # the root is the exam's own folder
    folders = [folder for folder in subfolders(root) if folder.resolve() not in skip and folder.name != masks]
    return [folder for folder in folders if unreadable_reason(folder) is None and not dicom_files(folder, skip)] + [
        path for path in list_files(root) if _has_suffix(path, (*ARCHIVE_SUFFIXES, *VOLUME_SUFFIXES))
    ]


def describe_content(folder: Path) -> str:
    """Return what a folder holds, as the end of a sentence: "only 1 .zip (P1.zip)"."""
    there = list_files(folder, deep=True)
    if files := [path for path in there if not is_known_non_image(path)]:
        return f"only {count_by_kind(files)}"
    return f"only files that are no images: {count_by_kind(there)}" if there else "it is empty"


def _unread_note(folder: Path, skip: Collection[Path]) -> tuple[str, ...]:
    """Return a note on the files in an exam's folder that are not read and could hold images."""
    passed = [
        path
        for path in list_files(folder, deep=True)
        if _has_suffix(path, _UNREAD_SUFFIXES) and not is_below(path, skip)
    ]
    return (f"files in its folder were not read: {count_by_kind(passed, examples=False)}",) if passed else ()


def _has_suffix(path: Path, endings: Collection[str]) -> bool:
    """Whether a file has one of some endings, and is no packed NIfTI, which is read."""
    return path.suffix.lower() in endings and not path.name.lower().endswith(".nii.gz")


def _is_one_study(
    root: Path, source: DicomFolders, units: Mapping[str, Sequence[Header]], unreadable: Mapping[str, int]
) -> bool:
    """Whether the root is one study's folder."""
    parted = len(units) > 1 or (source.masks != "." and (root / source.masks).is_dir())
    if source.folders != "auto":
        return source.folders == "series" and bool(units)
    # A hand-made SEG may have another study; a folder of which nothing can be read may be another exam.
    ids = {header.study for headers in units.values() for header in headers if header.kind not in ("seg", "rtstruct")}
    return parted and len(ids) == 1 and not set(unreadable) - set(units)


def _are_different_patients(units: Mapping[str, Sequence[Header]]) -> bool:
    """Whether the images of each folder are of other patients than those of the others."""
    patients = [{h.patient for h in headers if h.kind == "image"} for headers in units.values()]
    patients = [ids for ids in patients if ids]
    return len(patients) > 1 and sum(map(len, patients)) == len(set().union(*patients))


def _one_study_problem(root: Path, source: DicomFolders, units: Mapping[str, Sequence[Header]]) -> str | None:
    """Say that folders look like exams although their files have one StudyInstanceUID, or return None."""
    if source.folders != "auto":
        return None
    lge = {
        name: {h.frame_of_reference for h in headers if h.kind == "image" and looks_like_lge(source, h)}
        for name, headers in units.items()
        if name
    }
    lge = {name: references for name, references in lge.items() if references}
    apart = len(lge) > 1 and sum(map(len, lge.values())) == len(set().union(*lge.values()))
    masked = [name for name in lge if source.masks != "." and (root / name / source.masks).is_dir()]
    if not apart and len(masked) < 2:
        return None
    names = sorted(lge, key=natural_key)
    listed_names = ", ".join(names[:-1][:8]) + f" and {names[-1] if len(names) < 10 else f'{len(names) - 8} more'}"
    patient = next((h.patient for name in lge for h in units[name] if h.patient), "")
    same = "StudyInstanceUID (0020,000D)" + " and PatientID (0010,0020)" * bool(patient)
    but = ["each an LGE series with a FrameOfReferenceUID (0020,0052) of its own"] * apart
    but += [f"a folder {source.masks}/ each"] * (len(masked) > 1)
    keep = " and source.case_ids: keep" * bool(patient and source.case_ids == "hash")
    return (
        f"folders {listed_names}: their files have the same {same}, as those of one exam, but {', and '.join(but)}, as "
        f"those of several; if each folder is an exam, set source.folders: cases{keep}; if they are series of one "
        "exam, set source.folders: series"
    )


def _loose_study_name(root: Path, files: Sequence[Header], studies: int) -> str:
    return files[0].path.stem if studies > 1 or len(files) == 1 else root.resolve().name
