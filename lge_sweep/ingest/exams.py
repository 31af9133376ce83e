"""Find and read exams to segment: images without labels, DICOM or NIfTI. Noun `FoundExam`, verb `find_exams`."""

import os
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydicom.misc import is_dicom

from lge_sweep.config.data import CaseIds, DicomFolders, NiftiFolders
from lge_sweep.config.validation import validate
from lge_sweep.errors import DataError
from lge_sweep.ingest.dicom import NamedStudy, exam_from_stack, name_studies, read_series, read_study, unknown_series
from lge_sweep.ingest.dicom_header import dicom_files, read_header
from lge_sweep.ingest.dicom_studies import Study, describe_content, find_studies, paths_without_study
from lge_sweep.ingest.file_kinds import (
    ARCHIVE_SUFFIXES,
    PICTURE_SUFFIXES,
    RAW_SUFFIXES,
    VOLUME_SUFFIXES,
    count_by_kind,
    is_known_non_image,
    unreadable_advice,
)
from lge_sweep.ingest.files import check_file, is_below, list_files, subfolders, unreadable_reason
from lge_sweep.ingest.found import FoundExam, FoundExams, settings_as_options
from lge_sweep.ingest.hidden_files import find_hidden_exams
from lge_sweep.ingest.nifti import find_only_nifti, is_nifti
from lge_sweep.ingest.nifti_exams import NiftiCandidate, find_nifti_exams, nifti_stem, report_skipped_nifti
from lge_sweep.ingest.volume import Exam, UnusableError
from lge_sweep.text import list_names, natural_key

FolderLayout = Literal["auto", "cases", "series"]
SERIES_PATTERN = str(DicomFolders.model_fields["series_pattern"].default)
_NIFTI_IMAGE_FOLDER = str(NiftiFolders.model_fields["images"].default)
"""The folder with the image in a case's folder of EMIDEC's layout."""
WINDOW_UNAVAILABLE = "the model was trained on intensities of DICOM windows, which a NIfTI file does not hold"
_NO_EXAM = "holds no DICOM file and no NIfTI file, {}; expected an exam, or a folder of exams"
_GIVE_EXAM = "give a DICOM or NIfTI file, or a folder of exams"
_UNPACK_OR_CONVERT = "unpack archives and convert other kinds to DICOM or NIfTI, or move them elsewhere"


def find_exams(
    path: Path,
    case_ids: CaseIds = "hash",
    *,
    series: Sequence[str] = (),
    series_pattern: str = SERIES_PATTERN,
    folders: FolderLayout = "auto",
    window: bool = False,
    skip: Collection[Path] = (),
    notes: list[str] | None = None,
) -> FoundExams:
    """Find what is to be segmented; each exam is read when its turn comes, a bad one keeps no other from being read.

    `path` is one exam or a folder of exams. DICOM: a file, the folder of a study, or a folder of such folders. NIfTI: a
    file, a folder of files, a case's folder with the image in `Images/` (EMIDEC), or a folder of such folders. NIfTI
    files in the folder of a DICOM exam are passed over (see `report_skipped_nifti`); label maps among other NIfTI files
    are left out (see `find_nifti_exams`). A folder in which there is no exam is a finding, too, and so is a file that
    could be an exam and is of a kind that is not read.

    Args:
        path: the exam or exams.
        case_ids: `hash`: a salted hash of the PatientID (of the folder's or file's name if there is none), and for
            DICOM another of the study, as a patient may have several; `keep`: the name of the folder or file, right if
            it tells no patient.
        series: SeriesInstanceUIDs; a DICOM exam that has one of them uses it, whatever the descriptions are.
        series_pattern: regular expression that finds the LGE series of a DICOM exam by its description.
        folders: what the folders in `path` are, see `DicomFolders.folders`.
        window: whether intensities are those of the DICOM file's window, as `DicomFolders.window` in training.
        skip: folders that are passed over, resolved.
        notes: what was left out and is no problem, a sentence each; appended to.

    Returns:
        The exams, and a sentence for everything that is wrong with others. The sentences name settings as options of a
        command line (--series, --series-pattern, --folders, --case-ids).

    Raises:
        ConfigError: `series_pattern` is no regular expression.
        DataError: there is no such file or folder, it cannot be read, no exam has a series that is asked for, or the
            salt of case ids cannot be had.
    """
    path = path.expanduser()
    if not path.exists():
        raise DataError(str(path), ["no such file or folder; give an exam, or a folder of exams"])
    options = {"series_pattern": series_pattern, "series": tuple(series), "folders": folders, "window": window}
    fixed = {"kind": "dicom", "masks": ".", "mask": {"kind": "seg"}}
    source = validate(DicomFolders, {**fixed, **options, "case_ids": case_ids}, "options")
    return _find_all(path, source, skip, [] if notes is None else notes)


def read_exams(path: Path, case_ids: CaseIds = "hash", **options: Any) -> tuple[list[Exam], list[str]]:
    """Read all that `find_exams` finds, at once.

    Args:
        path: the exam or exams.
        case_ids: as for `find_exams`.
        options: the others of `find_exams`.

    Returns:
        The sound exams in the natural order of case ids, and a sentence for everything that is wrong with the others.

    Raises:
        ConfigError: as `find_exams` raises it.
        DataError: likewise.
    """
    found = find_exams(path, case_ids, **options)
    read = [exam.read() for exam in found.exams]
    return [exam for exam, _ in read if exam], found.problems([problems for _, problems in read])


def _find_all(path: Path, source: DicomFolders, skip: Collection[Path], notes: list[str]) -> FoundExams:
    """Find the exams below a path; what is wrong names settings of `source` until it is returned."""
    findings: list[str] = []
    try:
        candidates, studies = _find_exams(path, source, skip, findings, notes)
    except OSError as error:
        raise DataError(str(path), [f"cannot be read ({error.strerror})"]) from error
    if absent := unknown_series(source, studies):
        raise DataError(str(path), [settings_as_options(finding) for finding in (*absent, *findings)])
    if not candidates and not studies and not findings:
        findings.append(_NO_EXAM.format(describe_content(path)))
    root = path if path.is_dir() else path.parent
    said = (WINDOW_UNAVAILABLE,) * source.window
    readers = find_nifti_exams(candidates, root, source.case_ids, findings, notes, given=not path.is_dir(), said=said)
    named = name_studies(source, studies, follow_ups=True)
    readers += [(study.case, partial(_read_study, source, study)) for study in named]
    after: list[str] = []
    if path.is_dir():
        report_skipped_nifti(_nifti_beside(studies, candidates, skip), root, after, notes)
        after += find_hidden_exams(path, [path], skip=skip)
    if not readers and not findings and not after:
        findings.append(f"holds no image: {'; '.join(notes)}")
    exams = [FoundExam(case, number, reader) for number, (case, reader) in enumerate(readers)]
    return FoundExams(
        tuple(sorted(exams, key=lambda exam: (natural_key(exam.case), exam.case))),
        tuple(settings_as_options(finding) for finding in findings),
        tuple(settings_as_options(finding) for finding in after),
    )


def _find_exams(
    path: Path, source: DicomFolders, skip: Collection[Path], findings: list[str], notes: list[str]
) -> tuple[list[NiftiCandidate], list[Study]]:
    """Tell NIfTI exams from DICOM studies; what holds neither is a finding."""
    if not path.is_dir():
        return (
            ([NiftiCandidate(nifti_stem(path), path)], [])
            if is_nifti(path)
            else ([], _single_file_study(path, findings))
        )
    if _is_nifti_case(path):
        return _nifti_candidates([path], findings), []
    folders = [folder for folder in subfolders(path) if folder.resolve() not in skip]
    cases = [folder for folder in folders if _is_nifti_case(folder)]
    candidates = _nifti_candidates(cases, findings)
    passed = {*skip, *(folder.resolve() for folder in cases)}
    loose = [NiftiCandidate(nifti_stem(file), file) for file in list_files(path) if is_nifti(file)]
    if not any(_looks_dicom(file) for file in dicom_files(path, passed)):
        _report_unread(path, "", findings, notes)
        others = [folder for folder in folders if folder not in cases]
        return candidates + loose + _exams_in_folders(others, findings, notes), []
    studies = find_studies(path, source, findings, passed)
    if all(study.folder != path for study in studies):  # else a NIfTI file beside the images is a mask of theirs
        candidates += loose
    without = paths_without_study(path, source.masks, studies, passed)
    findings += [f"{file.name}: is not read; {_UNPACK_OR_CONVERT}" for file in without if not file.is_dir()]
    if pictures := count_by_kind(
        file for file in list_files(path) if file.suffix.lower() in PICTURE_SUFFIXES and studies
    ):
        notes.append(f"files of kinds that are not read: {pictures}")
    candidates += _exams_in_folders(
        [folder for folder in without if folder.is_dir() and folder not in cases], findings, notes
    )
    return candidates, studies


def _exams_in_folders(folders: Sequence[Path], findings: list[str], notes: list[str]) -> list[NiftiCandidate]:
    """Return the NIfTI files in folders without DICOM files; a folder without an exam is a finding."""
    found = []
    for folder in folders:
        if problem := unreadable_reason(folder):
            findings.append(f"{folder.name}: {problem}")
            continue
        deep = [file for file in list_files(folder, deep=True) if is_nifti(file)]
        found += [NiftiCandidate("", file) for file in deep if file.parent == folder]
        if deep and not any(file.parent == folder for file in deep):
            findings.append(f"{folder.name}: {_nested_files_problem(folder, deep)}")
        elif deep:
            _report_unread(folder, f"{folder.name}: ", findings, notes)
        else:
            findings.append(f"{folder.name}: {_NO_EXAM.format(describe_content(folder))}")
    return found


def _nested_files_problem(folder: Path, files: Sequence[Path]) -> str:
    """Say that a folder's NIfTI files lie deeper in it, and which folder to give instead, as the user must type it."""
    cases = {file.parent.parent for file in files if file.parent.name == _NIFTI_IMAGE_FOLDER}
    cases = {case for case in cases if case != folder and _is_nifti_case(case)}
    images = [file for file in files if file.parent.name == _NIFTI_IMAGE_FOLDER and file.parent.parent in cases]
    images += [file for file in files if not cases.intersection(file.parents)]
    places = dict.fromkeys(
        file.parent.parent.parent if file.parent.parent in cases else file.parent.parent for file in images
    )
    return (
        f"holds no NIfTI file and no {_NIFTI_IMAGE_FOLDER}/ itself, but {images[0].relative_to(folder)}; give "
        f"{list_names([str(place) for place in places])} to segment what is in it"
    )


def _report_unread(path: Path, where: str, findings: list[str], notes: list[str]) -> None:
    """Name the files beside NIfTI files: those that could be exams are a finding, others a note."""
    files = [file for file in list_files(path) if not is_nifti(file) and not is_known_non_image(file)]
    exams = [
        file
        for file in files
        if file.suffix.lower() in (*ARCHIVE_SUFFIXES, *VOLUME_SUFFIXES, *RAW_SUFFIXES) or ".nii" in file.name.lower()
    ]
    if exams and any(is_nifti(file) for file in list_files(path)):
        findings.append(f"{where}files of kinds that are not read: {count_by_kind(exams)}; {_UNPACK_OR_CONVERT}")
    if others := count_by_kind(file for file in files if file not in exams):
        notes.append(f"{where}files of kinds that are not read: {others}")


# -------------------------------------------------------------------------------------------------------------- DICOM


def _looks_dicom(path: Path) -> bool:
    try:
        check_file(path)
        return is_dicom(path)
    except (OSError, UnusableError):  # for the reader to report
        return True


def _single_file_study(path: Path, findings: list[str]) -> list[Study]:
    try:
        return [Study(path.parent, path.stem, (read_header(path),))]
    except UnusableError as error:
        known = None if _looks_dicom(path) else unreadable_advice(path)
        findings.append(f"{path.name}: {known or f'{error}; {_GIVE_EXAM}'}")
        return []


def _nifti_beside(studies: Sequence[Study], candidates: Sequence[NiftiCandidate], skip: Collection[Path]) -> list[Path]:
    """Return the NIfTI files in the folders of DICOM exams, each once."""
    folders = dict.fromkeys(study.folder for study in studies)
    files = {file: None for folder in folders for file in list_files(folder, deep=True) if is_nifti(file)}
    read = {candidate.path for candidate in candidates}
    return [file for file in files if file not in read and not is_below(file, skip)]


def _read_study(source: DicomFolders, named: NamedStudy, problems: list[str]) -> Exam | None:
    return read_study(named, partial(_read_dicom_exam, source), problems)


def _read_dicom_exam(source: DicomFolders, study: Study, case: str, problems: list[str]) -> Exam | None:
    """Read one study; an exam of which files are unreadable is refused, because slices of it may be missing."""
    if study.unreadable:
        files = f"{study.unreadable} file{'s' * (study.unreadable > 1)}"
        problems.append(
            f"{files} in it cannot be read, so that slices may be missing; restore or remove what is broken"
        )
    series = read_series(source, study, problems)
    if series is None or problems:
        return None
    return exam_from_stack(case, *series)


# -------------------------------------------------------------------------------------------------------------- NIfTI


def _is_nifti_case(folder: Path) -> bool:
    images = folder / _NIFTI_IMAGE_FOLDER
    if not os.path.isdir(images):  # Path.is_dir raises an error where the folder may not be entered
        return False
    return unreadable_reason(images) is not None or not any(_looks_dicom(file) for file in dicom_files(images))


def _nifti_candidates(folders: Sequence[Path], findings: list[str]) -> list[NiftiCandidate]:
    found = [(folder.resolve().name, find_only_nifti(folder, _NIFTI_IMAGE_FOLDER, findings)) for folder in folders]
    return [NiftiCandidate(name, file) for name, file in found if file]
