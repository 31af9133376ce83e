"""Read DICOM studies: find the LGE series of each case, order and decode it, and put its masks beside it."""

import filecmp
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from lge_sweep.arrays import Pixels
from lge_sweep.config.data import DicomFolders
from lge_sweep.ingest.dicom_choice import choose_series, several_frames_of_reference
from lge_sweep.ingest.dicom_header import Header
from lge_sweep.ingest.dicom_pixels import read_pixels
from lge_sweep.ingest.dicom_series import order_series
from lge_sweep.ingest.dicom_stack import Stack
from lge_sweep.ingest.dicom_studies import Study, describe_content, find_studies, paths_without_study
from lge_sweep.ingest.file_kinds import count_by_kind
from lge_sweep.ingest.files import list_files
from lge_sweep.ingest.limits import padding_notes, unusable_slices
from lge_sweep.ingest.nifti import is_nifti
from lge_sweep.ingest.pseudonym import name_cases
from lge_sweep.ingest.volume import Exam, SourceFrame, UnusableError, Volume, slice_ids

_ExamT = TypeVar("_ExamT", bound=Exam)
_ONE_EXAM_ADVICE = "keep one exam a patient, or, where the files of all patients carry the same PatientID,"
_ONE_FOLDER_ADVICE = "put the files of one exam into one folder, or, where the files of all exams carry the same ids,"
_UNPACK_ADVICE = "unpack archives and convert other kinds to DICOM, or move them elsewhere"
DUPLICATE_FILES = "has files that are there twice, with the same content (copies?); read once"
_FOLDER_MASK_KINDS = {"nifti": "a NIfTI file", "index": "grey images", "colour": "colour images"}
"""Kinds of masks that are looked for in the folder `source.masks` of a case, and what they are; others lie anywhere."""
_MASK_KINDS = ("seg", "rtstruct", "cvi42", *_FOLDER_MASK_KINDS)
_SHARED_PATIENT_ID = "has the PatientID of another case; if they are one patient, keep one exam, or the split leaks"


def read_dicom(source: DicomFolders, root: Path, findings: list[str]) -> list[Volume]:
    """Read every case below the root.

    Each folder in the root is a case, or a series of the one case that is the root, see `find_studies`. Files that lie
    in the root itself are cases by their study.

    Args:
        source: how the LGE series is found, what its masks are, and how case ids are made.
        root: the folder of case folders.
        findings: everything that is wrong with the folder; appended to.

    Returns:
        One `Volume` a sound case, in the order of case ids. Nothing in it is the patient's name, id or a date.

    Raises:
        DataError: the salt of case ids cannot be had.
    """
    studies = find_studies(root, source, findings)
    for path in paths_without_study(root, source.masks, studies):
        told = f"holds no DICOM file, {describe_content(path)}" if path.is_dir() else "is not read"
        findings.append(f"{path.name}: {told}; {_UNPACK_ADVICE}")
    if not studies and not findings:
        findings.append("holds no DICOM file; expected a folder a case, with the files of its study")
    if all(study.folder != root for study in studies) and (
        loose := count_by_kind(path for path in list_files(root) if is_nifti(path))
    ):
        findings.append(
            f"files beside the folders of cases are not read: {loose}; put masks into {source.masks}/ of a case"
        )
    findings += unknown_series(source, studies)
    return read_cases(source, studies, lambda *of: _read_case(source, *of), findings)


def unknown_series(source: DicomFolders, studies: Sequence[Study]) -> list[str]:
    """Return a sentence for each series that is named and that no case has."""
    there = {header.series for study in studies for header in study.headers}
    return [
        f"source.series {uid}: no case has this series; correct it, or leave it out"
        for uid in source.series
        if uid not in there
    ]


def read_cases(
    source: DicomFolders,
    studies: Sequence[Study],
    read_case: Callable[[Study, str, list[str]], _ExamT | None],
    findings: list[str],
) -> list[_ExamT]:
    """Read studies one by one, each under its case id.

    Two exams of one patient would leak between the subsets of a split, so that only one is taken, or, if ids are kept,
    both with a note.

    Args:
        source: how case ids are made.
        studies: the files of each case.
        read_case: takes a study, its case id and the problems it has (appended to); gives None where there are any.
        findings: everything that is wrong, each sentence with the case's name; appended to.

    Returns:
        The sound cases, in the order of case ids.

    Raises:
        DataError: the salt of case ids cannot be had.
    """
    cases: list[_ExamT] = []
    for named in name_studies(source, studies):
        exam = read_study(named, read_case, findings)
        cases += [exam] if exam else []
    return sorted(cases, key=lambda exam: exam.case)


@dataclass(frozen=True)
class NamedStudy:
    """A study and its case id.

    Attributes:
        study: its files.
        case: the id.
        problems: why it cannot be read; told with what is wrong beyond it.
        notes: what a user should know of how it was named.
        mixed: whether its images are of several patients.
    """

    study: Study
    case: str
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    mixed: bool


def name_studies(source: DicomFolders, studies: Sequence[Study], *, follow_ups: bool = False) -> list[NamedStudy]:
    """Give studies their case ids, in their order.

    Args:
        source: how case ids are made.
        studies: the files of each case.
        follow_ups: whether a patient may have several exams, as nothing is split; a hashed id then has two parts, one
            of the patient and one of the study.

    Raises:
        DataError: the salt of case ids cannot be had.
    """
    naming = name_cases(source.case_ids)
    found = []
    owners: dict[str, str] = {}
    for study in studies:
        problems: list[str] = []
        identity = _patient_identity(study, problems)
        mixed = bool(problems)
        case = naming.case_id(study.name, identity)
        if follow_ups and naming.hides_names:
            exam_of = "+".join(sorted({header.study for header in study.headers if header.kind == "image"}))
            case = identity = f"{case}_{naming.case_id(exam_of)[-6:]}"
        shared = owners.setdefault(identity, study.name) != study.name
        if shared and naming.hides_names:
            same, one = (
                ("PatientID and StudyInstanceUID", _ONE_FOLDER_ADVICE)
                if follow_ups
                else ("PatientID", _ONE_EXAM_ADVICE)
            )
            problems.append(f"has the {same} of {owners[identity]}; {one} set source.case_ids: keep")
        notes = (*study.notes, *(_SHARED_PATIENT_ID,) * (shared and not follow_ups))
        found.append(NamedStudy(study, case, tuple(problems), notes, mixed))
    return found


def read_study(
    named: NamedStudy, read_case: Callable[[Study, str, list[str]], _ExamT | None], findings: list[str]
) -> _ExamT | None:
    """Read a study under its case id, or say what is wrong, each sentence with the study's name.

    Args:
        named: the study.
        read_case: takes its files, its case id and the problems it has (appended to); gives None where there are any.
        findings: what is wrong; appended to.
    """
    problems = list(named.problems)
    exam = None if named.mixed else read_case(named.study, named.case, problems)
    findings += [f"{named.study.name}: {problem}" for problem in problems]
    return replace(exam, notes=(*exam.notes, *named.notes)) if exam and named.notes else exam


def read_series(source: DicomFolders, study: Study, findings: list[str]) -> tuple[Stack, Pixels] | None:
    """Find a study's LGE series, order it and decode it.

    Args:
        source: how the series is found, and whether its window is applied.
        study: the files.
        findings: what is wrong; appended to.

    Returns:
        The ordered series and its intensities [S, H, W], or None where something is wrong.
    """
    images = [header for header in study.headers if header.kind == "image"]
    if not images:
        kinds = ", ".join(sorted({header.name for header in study.headers}))
        findings.append(f"holds no DICOM image, only {kinds}; add its images, or move it elsewhere")
        return None
    files, notes = choose_series(source, images, study.folder, findings)
    files, copies = _drop_duplicate_files(files, study.folder, findings)
    if problem := several_frames_of_reference(files, study.folder):
        findings.append(problem)
        return None
    stack = order_series(files, findings) if files else None
    if stack is None:
        return None
    stack = replace(stack, notes=(*stack.notes, *notes, *copies))
    decoded = _decode(source, stack, findings)
    if decoded is None:
        return None
    pixels, of_pixels = decoded
    problems = unusable_slices(pixels, padded=True)
    findings += problems
    return None if problems else (replace(stack, notes=(*stack.notes, *of_pixels)), pixels)


def _drop_duplicate_files(
    files: Sequence[Header], folder: Path, findings: list[str]
) -> tuple[list[Header], tuple[str, ...]]:
    """Leave out files that are there twice; two that differ under one SOPInstanceUID are a finding."""
    first: dict[str, Header] = {}
    pairs = []
    for header in files:
        other = first.setdefault(header.instance, header)
        if other is not header and not filecmp.cmp(other.path, header.path, shallow=False):
            pairs.append((other.path.relative_to(folder), header.path.relative_to(folder)))
    if pairs:
        findings.append(_describe_uid_conflict(pairs))
        return [], ()
    return list(first.values()), (DUPLICATE_FILES,) if len(first) < len(files) else ()


def _describe_uid_conflict(pairs: Sequence[tuple[Path, Path]]) -> str:
    """Say that pairs of files have the same SOPInstanceUID and different content."""
    one, other = pairs[0]
    more = f" (and {len(pairs) - 1} more pairs)" * (len(pairs) > 1)
    said = f"{one.as_posix()} and {other.as_posix()}{more} differ, but have the same SOPInstanceUID (0008,0018)"
    folders = sorted({path.parts[0] for pair in pairs for path in pair if len(path.parts) > 1})
    if len(folders) == 2 and one.parts[0] != other.parts[0]:
        return (
            f"{said}; if {folders[0]} and {folders[1]} are exams of their own, set source.folders: cases and "
            "source.case_ids: keep; else remove one of each"
        )
    return f"{said}; remove one of them"


def _decode(source: DicomFolders, stack: Stack, findings: list[str]) -> tuple[Pixels, list[str]] | None:
    """Decode the images of a stack; give what a user should know of their pixels, too."""
    slices: dict[tuple[Path, int], Pixels] = {}
    notes: list[str] = []
    for path in dict.fromkeys(frame.path for frame in stack.frames):
        frames = [frame for frame in stack.frames if frame.path == path]
        try:
            decoded = read_pixels(path, frames, source.window)
            notes += decoded.notes
            for frame, pixels in zip(frames, decoded.images, strict=True):
                slices[path, frame.number] = pixels
        except UnusableError as error:
            findings.append(f"{path.name}: {error}")
    if len(slices) < len(stack.frames):
        return None
    pixels = np.stack([slices[frame.path, frame.number] for frame in stack.frames])
    if padded := padding_notes(pixels):
        pixels = pixels.astype(np.float32)  # numpy makes it float64 where a slice without padding has 32 bits
    return pixels, [*dict.fromkeys(notes), *padded]


def _read_case(source: DicomFolders, study: Study, case: str, findings: list[str]) -> Volume | None:
    series = read_series(source, study, findings)
    if series is None:
        return None
    stack, pixels = series
    if problem := _missing_mask_folder(source, study.folder):
        findings.append(problem)
        return None
    from lge_sweep.ingest.dicom_masks import read_masks  # an exam to segment has none, and need not wait for it

    labels, notes = read_masks(source, study.folder, stack, study.headers, findings)
    if labels is None or findings:
        return None
    exam = exam_from_stack(case, stack, pixels)
    return replace(exam, notes=exam.notes + notes).with_labels(labels, source.mask.tells_mvo)


def _missing_mask_folder(source: DicomFolders, folder: Path) -> str | None:
    """Say that a case lacks the folder in which its masks are looked for, or return None."""
    if source.mask.kind not in _FOLDER_MASK_KINDS or (folder / source.masks).is_dir():
        return None
    return (
        f"has no folder {source.masks}/, in which its masks ({_FOLDER_MASK_KINDS[source.mask.kind]}) are looked for; "
        "put them "
        "there, name their folder in source.masks (. is the case's own), or say in source.mask.kind what they are: "
        f"{', '.join(_MASK_KINDS)}"
    )


def exam_from_stack(case: str, stack: Stack, pixels: Pixels) -> Exam:
    """Return an ordered series and its intensities [S, H, W] as an exam.

    Args:
        case: its id.
        stack: the ordered series.
        pixels: [S, H, W] intensities of its images.
    """
    return Exam(
        case,
        slice_ids(case, len(pixels)),
        pixels,
        spacing_mm=stack.spacing_mm,
        thickness_mm=stack.thickness_mm,
        affine=stack.affine(),
        slots=stack.slots,
        notes=stack.notes,
        sources=tuple(SourceFrame(frame.path, frame.number) for frame in stack.frames),
    )


def _patient_identity(study: Study, findings: list[str]) -> str:
    """Return what tells the patient: the PatientID, or the folder's name where there is none."""
    patients = _patients(study.headers)
    if len(patients) > 1:
        where = ", ".join(_first_file_of(study, patient) for patient in patients[:8])
        findings.append(
            f"holds images of {len(patients)} different patients (PatientID (0010,0020) differs: {where}); give each "
            "patient a folder of its own in the root, or take the folder that holds their folders for the root"
        )
    return patients[0] if patients else study.name


def _patients(headers: Sequence[Header]) -> list[str]:
    return sorted({header.patient for header in headers if header.patient and header.kind != "other"})


def _first_file_of(study: Study, patient: str) -> str:
    """Return where the first file of a patient is."""
    path = next(header.path for header in study.headers if header.patient == patient and header.kind != "other")
    return path.relative_to(study.folder).as_posix()
