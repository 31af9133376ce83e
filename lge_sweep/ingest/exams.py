"""Read exams to segment: images without labels, from DICOM or NIfTI. Noun `Exam`, verb `read_exams`."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from pydicom.misc import is_dicom

from lge_sweep.config.data import CaseIds, DicomFolders, NiftiFolders
from lge_sweep.config.loader import validate
from lge_sweep.errors import DataError
from lge_sweep.ingest.dicom import Study, as_exam, find_studies, read_cases, read_series, unknown_series
from lge_sweep.ingest.dicom_header import dicom_files, read_header
from lge_sweep.ingest.files import check_file, list_files, subfolders
from lge_sweep.ingest.limits import blank_slices
from lge_sweep.ingest.nifti import as_exam as nifti_exam
from lge_sweep.ingest.nifti import attempt, is_nifti, only_nifti
from lge_sweep.ingest.nifti_grid import read_grid
from lge_sweep.ingest.pseudonym import kept_id, pseudonym, read_salt
from lge_sweep.ingest.volume import Exam, UnusableError

SERIES_PATTERN = str(DicomFolders.model_fields["series_pattern"].default)
IMAGES = str(NiftiFolders.model_fields["images"].default)
"""The folder with the image in a case's folder of EMIDEC's layout."""
NO_WINDOW = "the model was trained on grey levels of DICOM windows, which a NIfTI file does not hold"
NOTHING = "holds no DICOM file and no NIfTI file; expected an exam, or a folder of exams"


def read_exams(
    path: Path,
    case_ids: CaseIds = "hash",
    *,
    series: Sequence[str] = (),
    series_pattern: str = SERIES_PATTERN,
    window: bool = False,
    skip: Collection[Path] = (),
) -> tuple[list[Exam], list[str]]:
    """Read what is to be segmented; one bad exam does not keep the others from being read.

    `path` is one exam or a folder of exams. DICOM: a file, the folder of a study, or a folder of such folders. NIfTI: a
    file, a folder of files, a case's folder with the image in `Images/` (EMIDEC), or a folder of such folders. Other
    NIfTI files are taken for masks and passed over where there are DICOM files. A folder in which there is no exam is
    a finding, too.

    Args:
        path: the exam or exams.
        case_ids: `hash`: a salted hash of the PatientID (of the folder's or file's name if there is none), and for
            DICOM another of the study, as a patient may have several; `keep`: the name of the folder or file, right if
            it tells no patient.
        series: SeriesInstanceUIDs; a DICOM exam that has one of them uses it, whatever the descriptions are.
        series_pattern: regular expression that finds the LGE series of a DICOM exam by its description.
        window: whether grey levels are those of the DICOM file's window, as `DicomFolders.window` in training.
        skip: folders that are passed over, resolved.

    Returns:
        The sound exams in the order of case ids, and a sentence for everything that is wrong with the others. The
        sentences name the settings as options of a command line (--series, --series-pattern, --case-ids).

    Raises:
        ConfigError: `series_pattern` is no regular expression.
        DataError: there is no such file or folder, it cannot be read, no exam has a series that is asked for, or the
            salt of case ids cannot be had.
    """
    path = path.expanduser()
    if not path.exists():
        raise DataError(str(path), ["no such file or folder; give an exam, or a folder of exams"])
    findings: list[str] = []
    asked = {"series_pattern": series_pattern, "series": tuple(series), "window": window, "case_ids": case_ids}
    source = validate(DicomFolders, {"kind": "dicom", "masks": ".", "mask": {"kind": "seg"}, **asked}, "options")
    try:
        named, studies = _look_into(path, source, skip, findings)
    except OSError as error:
        raise DataError(str(path), [f"cannot be read ({error.strerror})"]) from error
    if absent := unknown_series(source, studies):
        raise DataError(str(path), [_as_options(finding) for finding in (*absent, *findings)])
    if not named and not studies and not findings:
        findings.append(NOTHING)
    exams = _read_nifti(named, case_ids, findings)
    if window:
        exams = [replace(exam, notes=(*exam.notes, NO_WINDOW)) for exam in exams]
    exams += read_cases(source, studies, lambda *of: _read_dicom(source, *of), findings, follow_ups=True)
    return sorted(exams, key=lambda exam: exam.case), [_as_options(finding) for finding in findings]


Named = tuple[str, Path]
"""A NIfTI exam's name and file."""


def _look_into(
    path: Path, source: DicomFolders, skip: Collection[Path], findings: list[str]
) -> tuple[list[Named], list[Study]]:
    """Tell NIfTI exams from DICOM studies; a folder that holds neither is a finding."""
    if not path.is_dir():
        return ([(_stem(path), path)], []) if is_nifti(path) else ([], _one_file(path, findings))
    if _is_nifti_case(path):
        return _only_nifti([path], findings), []
    folders = [folder for folder in subfolders(path) if folder.resolve() not in skip]
    cases = [folder for folder in folders if _is_nifti_case(folder)]
    named = _only_nifti(cases, findings)
    passed = {*skip, *(folder.resolve() for folder in cases)}
    loose = [(_stem(file), file) for file in list_files(path) if is_nifti(file)]
    others = [folder for folder in folders if folder not in cases]
    if (cases or loose) and not any(_looks_dicom(file) for file in dicom_files(path, passed)):
        findings += [f"{folder.name}: holds no {IMAGES}/ with a NIfTI file; expected an exam" for folder in others]
        return named + loose, []
    studies = find_studies(path, source.masks, findings, passed)
    if all(study.folder != path for study in studies):  # else a NIfTI file beside the images is a mask of theirs
        named += loose
        findings += [f"{folder.name}: {NOTHING}" for folder in others if not dicom_files(folder, passed)]
    return named, studies


# -------------------------------------------------------------------------------------------------------------- DICOM


def _looks_dicom(path: Path) -> bool:
    try:
        check_file(path)
        return is_dicom(path)
    except (OSError, UnusableError):  # for the reader to report
        return True


def _one_file(path: Path, findings: list[str]) -> list[Study]:
    try:
        return [Study(path.parent, path.stem, (read_header(path),))]
    except UnusableError as error:
        findings.append(f"{path.name}: {error}")
        return []


def _read_dicom(source: DicomFolders, study: Study, case: str, problems: list[str]) -> Exam | None:
    """Read one study; an exam of which files are unreadable is refused, because slices of it may be missing."""
    if study.unreadable:
        files = f"{study.unreadable} file{'s' * (study.unreadable > 1)}"
        problems.append(
            f"{files} in it cannot be read, so that slices may be missing; restore or remove what is broken"
        )
    series = read_series(source, study, problems)
    return None if series is None or problems else as_exam(case, *series)


# -------------------------------------------------------------------------------------------------------------- NIfTI


def _is_nifti_case(folder: Path) -> bool:
    return (folder / IMAGES).is_dir() and not any(_looks_dicom(file) for file in dicom_files(folder / IMAGES))


def _only_nifti(folders: Sequence[Path], findings: list[str]) -> list[Named]:
    found = [(folder.resolve().name, only_nifti(folder, IMAGES, findings)) for folder in folders]
    return [(name, file) for name, file in found if file]


def _read_nifti(named: Sequence[Named], case_ids: CaseIds, findings: list[str]) -> list[Exam]:
    salt = read_salt() if case_ids == "hash" and named else b""
    exams: dict[str, Exam] = {}
    for name, file in named:
        grid = attempt(read_grid, file, file.name, findings)
        problems = blank_slices(grid.array) if grid else []
        case = pseudonym(name, salt) if case_ids == "hash" else kept_id(name)
        if case in exams:
            problems.append(f"there is another exam of the name {name}; rename one of them")
        findings += [f"{file.name}: {problem}" for problem in problems]
        if grid and not problems:
            exams[case] = nifti_exam(case, grid)
    return list(exams.values())


def _stem(path: Path) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE)


def _as_options(finding: str) -> str:
    """Name settings of a data file as options of the command line: source.case_ids: keep -> --case-ids keep."""
    return re.sub(
        r"source\.(\w+)(?:: (?=\w))?",
        lambda found: "--" + found[1].replace("_", "-") + (" " if found[0].endswith(" ") else ""),
        finding,
    )
