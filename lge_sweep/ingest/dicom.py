"""Read DICOM studies: find the LGE series of each case, order and decode it, and put its masks beside it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from lge_sweep.config.data import DicomFolders
from lge_sweep.ingest.dicom_header import Header, dicom_files, read_header
from lge_sweep.ingest.dicom_masks import read_masks
from lge_sweep.ingest.dicom_pixels import read_pixels
from lge_sweep.ingest.dicom_series import Stack, arrange, choose_series
from lge_sweep.ingest.limits import blank_slices
from lge_sweep.ingest.pseudonym import kept_id, pseudonym, read_salt
from lge_sweep.ingest.volume import Exam, Pixels, SourceFrame, UnusableError, Volume, slice_ids

E = TypeVar("E", bound=Exam)
ONE_EXAM = "keep one exam a patient, or, where the files of all patients carry the same PatientID,"
ONE_FOLDER = "put the files of one exam into one folder, or, where the files of all exams carry the same ids,"
SHARED = "has the PatientID of another case; if they are one patient, keep one exam, or the split leaks"


@dataclass(frozen=True)
class Study:
    """The DICOM files of one case.

    Attributes:
        folder: where they are, and where masks are looked for.
        name: the folder's name, or that of a single file.
        headers: every DICOM file that could be read.
        unreadable: number of files beside them that could not.
    """

    folder: Path
    name: str
    headers: tuple[Header, ...]
    unreadable: int = 0


def read_dicom(source: DicomFolders, root: Path, findings: list[str]) -> list[Volume]:
    """Read every case below the root.

    Each folder in the root is a case. Where all images have one StudyInstanceUID, the root is that study's folder, its
    inner folders are series. Files that lie in the root itself are cases by their study.

    Args:
        source: how the LGE series is found, what its masks are, and how case ids are made.
        root: the folder of case folders.
        findings: everything that is wrong with the folder; appended to.

    Returns:
        One `Volume` a sound case, in the order of case ids. Nothing in it is the patient's name, id or a date.

    Raises:
        DataError: the salt of case ids cannot be had.
    """
    studies = find_studies(root, source.masks, findings)
    if not studies and not findings:
        findings.append("holds no DICOM file; expected a folder a case, with the files of its study")
    findings += unknown_series(source, studies)
    return read_cases(source, studies, lambda *of: _read_case(source, *of), findings)


def unknown_series(source: DicomFolders, studies: Sequence[Study]) -> list[str]:
    """Return a sentence for each series that is named and that no case has."""
    there = {header.series for study in studies for header in study.headers}
    return [f"source.series {uid}: no case has this series" for uid in source.series if uid not in there]


def read_cases(
    source: DicomFolders,
    studies: Sequence[Study],
    read_case: Callable[[Study, str, list[str]], E | None],
    findings: list[str],
    *,
    follow_ups: bool = False,
) -> list[E]:
    """Read studies one by one, each under its case id.

    Two exams of one patient would leak between the parts of a split, so that only one is taken, or, if ids are kept,
    both with a note.

    Args:
        source: how case ids are made.
        studies: the files of each case.
        read_case: takes a study, its case id and the problems it has (appended to); gives None where there are any.
        findings: everything that is wrong, each sentence with the case's name; appended to.
        follow_ups: whether a patient may have several exams, as nothing is split; a hashed id then has two parts, one
            of the patient and one of the study.

    Returns:
        The sound cases, in the order of case ids.

    Raises:
        DataError: the salt of case ids cannot be had.
    """
    salt = read_salt() if source.case_ids == "hash" else b""
    cases: list[E] = []
    owners: dict[str, str] = {}
    for study in studies:
        problems: list[str] = []
        identity = _identity(study, problems)
        case = pseudonym(identity, salt) if source.case_ids == "hash" else kept_id(study.name)
        if follow_ups and source.case_ids == "hash":
            exam_of = "+".join(sorted({header.study for header in study.headers if header.kind == "image"}))
            case = identity = f"{case}_{pseudonym(exam_of, salt)[-6:]}"
        shared = owners.setdefault(identity, study.name) != study.name
        if shared and source.case_ids == "hash":
            same, one = ("PatientID and StudyInstanceUID", ONE_FOLDER) if follow_ups else ("PatientID", ONE_EXAM)
            problems.append(f"has the {same} of {owners[identity]}; {one} set source.case_ids: keep")
        exam = read_case(study, case, problems)
        if exam and shared and not follow_ups:
            exam = replace(exam, notes=(*exam.notes, SHARED))
        cases += [exam] if exam else []
        findings += [f"{study.name}: {problem}" for problem in problems]
    return sorted(cases, key=lambda exam: exam.case)


def find_studies(root: Path, masks: str, findings: list[str], skip: Collection[Path] = ()) -> list[Study]:
    """Read all headers below a folder and sort them into cases.

    Args:
        root: the folder.
        masks: name of the folder of masks inside a case's folder.
        findings: files that cannot be read; appended to.
        skip: folders, resolved, whose files are passed over.
    """
    units: dict[str, list[Header]] = defaultdict(list)
    unreadable: Counter[str] = Counter()
    for path in dicom_files(root, skip):
        relative = path.relative_to(root)
        unit = relative.parts[0] if len(relative.parts) > 1 else ""
        try:
            header = read_header(path)
        except UnusableError as error:
            findings.append(f"{relative}: {error}")
            unreadable[unit] += 1
        else:
            units[unit].append(header)
    everything = [header for headers in units.values() for header in headers]
    # a hand-made SEG or RTSTRUCT may have another
    ids = {header.study for header in everything if header.kind not in ("seg", "rtstruct")}
    whole = not set(unreadable) - set(units)  # a folder of which nothing can be read may be another exam
    if len(ids) == 1 and whole and (len(units) > 1 or (masks != "." and (root / masks).is_dir())):
        return [Study(root, root.resolve().name, tuple(everything), unreadable.total())]
    loose = defaultdict(list)
    for header in units.pop("", []):
        loose[header.study].append(header)
    singles = [
        Study(root, _loose_name(root, files, len(loose)), tuple(files), unreadable[""]) for files in loose.values()
    ]
    return singles + [Study(root / name, name, tuple(files), unreadable[name]) for name, files in sorted(units.items())]


def _loose_name(root: Path, files: Sequence[Header], studies: int) -> str:
    return files[0].path.stem if studies > 1 or len(files) == 1 else root.resolve().name


def read_series(source: DicomFolders, study: Study, findings: list[str]) -> tuple[Stack, Pixels] | None:
    """Find a study's LGE series, order it and decode it.

    Args:
        source: how the series is found, and whether its window is applied.
        study: the files.
        findings: what is wrong; appended to.

    Returns:
        The ordered series and its grey levels [S, H, W], or None where something is wrong.
    """
    images = [header for header in study.headers if header.kind == "image"]
    if not images:
        kinds = ", ".join(sorted({header.name for header in study.headers}))
        findings.append(f"holds no DICOM image, only {kinds}")
        return None
    files = choose_series(source, images, findings)
    stack = arrange(files, findings) if files else None
    if stack is None:
        return None
    decoded = _decode(source, stack, findings)
    if decoded is None:
        return None
    problems = blank_slices(decoded)
    findings += problems
    return None if problems else (stack, decoded)


def _decode(source: DicomFolders, stack: Stack, findings: list[str]) -> Pixels | None:
    slices: dict[tuple[Path, int], Pixels] = {}
    for path in dict.fromkeys(frame.path for frame in stack.frames):
        frames = [frame for frame in stack.frames if frame.path == path]
        try:
            for frame, pixels in zip(frames, read_pixels(path, frames, source.window), strict=True):
                slices[path, frame.number] = pixels
        except UnusableError as error:
            findings.append(f"{path.name}: {error}")
    if len(slices) < len(stack.frames):
        return None
    return np.stack([slices[frame.path, frame.number] for frame in stack.frames])


def _read_case(source: DicomFolders, study: Study, case: str, findings: list[str]) -> Volume | None:
    series = read_series(source, study, findings)
    if series is None:
        return None
    stack, pixels = series
    labels, notes = read_masks(source, study.folder, stack, study.headers, findings)
    if labels is None or findings:
        return None
    exam = as_exam(case, stack, pixels)
    return replace(exam, notes=exam.notes + notes).with_labels(labels, source.mask.tells_mvo)


def as_exam(case: str, stack: Stack, pixels: Pixels) -> Exam:
    """Return an ordered series and its grey levels [S, H, W] as an exam."""
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


def _identity(study: Study, findings: list[str]) -> str:
    """Return what tells the patient: the PatientID, or the folder's name where there is none."""
    patients = _patients(study.headers)
    if len(patients) > 1:
        findings.append(f"holds images of {len(patients)} different patients; expected a folder a patient")
    return patients[0] if patients else study.name


def _patients(headers: Sequence[Header]) -> list[str]:
    return sorted({header.patient for header in headers if header.patient and header.kind != "other"})
