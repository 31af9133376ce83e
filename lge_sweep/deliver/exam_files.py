"""Write the files of a result: a folder an exam, whole or not at all."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lge_sweep import __version__
from lge_sweep.arrays import LabelImage
from lge_sweep.atomic import atomic_folder, read_json, write_json
from lge_sweep.choices import look_up
from lge_sweep.deliver.prediction import pack_labels
from lge_sweep.deliver.result import RESEARCH_USE, ExamDoubt, FormatError, ModelFacts, Result
from lge_sweep.errors import DamagedError, DataError
from lge_sweep.hashing import file_digest
from lge_sweep.ingest import Exam
from lge_sweep.quantify import unchecked_note
from lge_sweep.text import list_names, safe_file_name, shorten


@dataclass(frozen=True)
class Delivery:
    """What was written for an exam.

    Attributes:
        folder: where it is, named by the case where a disk takes its name (`safe_file_name`).
        files: the files, in the order in which their formats were asked for.
        notes: what a user should know; those of the exam and those on how it was written.
        findings: what no left ventricle has, a sentence each; see `lge_sweep.quantify.find_implausible`.
        warnings: why the labels are to be doubted, a sentence each; see `ExamDoubt`.
        saved_over: the files of labels that were written before and that somebody has saved others over since.
    """

    folder: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    findings: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    saved_over: tuple[Path, ...] = ()


SEG_FILE, REPORT_FILE, NIFTI_FILE = "labels.dcm", "report.dcm", "labels.nii.gz"
"""In the folder of an exam: the first two are what an archive is given, the first and the last what viewers open."""
_SEG_ADDED = f"{SEG_FILE} was written too: {REPORT_FILE} refers to it"
BURDEN_FILE = "burden.csv"
"""In the folder of an exam, and of all exams beside their folders."""
ABOUT_FILE = "about.json"
"""In the folder of an exam: by which model, in which formats and with which files it was made, and the labels."""

_MADE = ("files", "notes", "findings", "warnings", "doubt", "labels", "digests")
"""What is said there beside that."""
_UNKNOWN = "unknown"


def read_delivery(output: Path, exam: Exam, formats: Sequence[str], model: ModelFacts) -> Delivery | None:
    """Return what `deliver` has written for an exam before, if it was of the same images, model and formats.

    Args:
        output: the folder in which the exam's folder is.
        exam: the images.
        formats: names in `FORMATS`; none: all that the exam allows.
        model: what would make the labels.

    Raises:
        DataError: a file of labels cannot be read.
    """
    folder = _exam_folder(output, exam)
    try:
        about = read_json(folder / ABOUT_FILE)
        files = tuple(folder / name for name in about["files"])
        notes, findings, warnings = (tuple(about.get(name, ())) for name in ("notes", "findings", "warnings"))
        made = {name: about[name] for name in _MADE if name in about}
        same = about == {**_provenance(exam, formats, model), **made}
        there = same and all(file.is_file() for file in files)
        digests = about.get("digests", {})  # earlier versions kept none
        written = {file: digests[file.name] for file in files if there and file.name in digests}
    except (DamagedError, ValueError, KeyError, TypeError):
        return None  # `deliver` says what is wrong with the folder, or with the exam's files
    over = tuple(file for file, digest in written.items() if _digest(file) != digest)
    return Delivery(folder, files, notes, findings, warnings, over) if there else None


def _digest(file: Path) -> str:
    try:
        return file_digest(file)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise DataError(str(file.parent), [f"{file.name} cannot be read ({why})"]) from error


def deliver(
    exam: Exam,
    labels: LabelImage,
    output: Path,
    formats: Sequence[str],
    model: ModelFacts,
    *,
    doubt: ExamDoubt | None = None,
) -> Delivery:
    """Write the labels predicted for an exam in the formats asked for.

    `seg`: labels.dcm, a DICOM Segmentation (`write_seg`). `sr`: report.dcm, its numbers as a DICOM Structured Report
    (`write_sr`), and the SEG, which it refers to; these two alone tell who the patient is. `nifti`: labels.nii.gz.
    `png`: overlays/, a picture a slice. `csv`: burden.csv, a row for the exam, and slices.csv. `html`: report.html, all
    of it on one page. The folder appears when all its files are written.

    Args:
        exam: the images.
        labels: [S, H, W] uint8, values of `Label`, on the exam's pixels.
        output: the folder in which the exam's folder is made; it is created if needed.
        formats: names in `FORMATS`; none: all that the exam allows, with a note where there can be no DICOM SEG or SR.
        model: what made the labels.
        doubt: how far they are to be doubted, where that is known.

    Raises:
        ConfigError: a format is unknown.
        DataError: a format that is asked for cannot be had of this exam, its folder is there already, or it cannot be
            written.
    """
    for name in formats:
        look_up("format", name, FORMATS)
    writers = list(dict.fromkeys(one for name in formats or FORMATS for one in (*_PREREQUISITES.get(name, ()), name)))
    result = Result(exam, labels, model, doubt or ExamDoubt())
    folder = _exam_folder(output, exam)
    notes = [*unchecked_note(exam), *([_SEG_ADDED] if set(writers) - set(formats or writers) else [])]
    try:
        if folder.exists():
            raise DataError(str(folder), [_folder_exists(folder, _provenance(exam, formats, model))])
        with atomic_folder(folder) as unfinished:
            written = [path for name in writers for path in _write_format(name, result, unfinished, notes, formats)]
            files = [path.relative_to(unfinished) for path in written]
            notes = [*exam.notes, *notes, *_no_cavity_note(result), *_renamed_note(folder, exam)]
            names, numbers = [path.as_posix() for path in files], dict(result.doubt.numbers)
            kept = {name: file_digest(unfinished / name) for name in (SEG_FILE, NIFTI_FILE) if name in names}
            told = (names, notes, result.finding_texts, list(result.doubt.warnings), numbers)
            made = (*told, pack_labels(labels), kept)
            about = {**_provenance(exam, formats, model), **dict(zip(_MADE, made, strict=True))}
            write_json(unfinished / ABOUT_FILE, about)
    except OSError as error:
        raise DataError(str(folder), [f"cannot be written ({error.strerror or type(error).__name__})"]) from error
    paths, findings = tuple(folder / path for path in files), tuple(result.finding_texts)
    return Delivery(folder, paths, tuple(notes), findings, result.doubt.warnings)


def _exam_folder(output: Path, exam: Exam) -> Path:
    """Return the folder of an exam; beside it is the table of all exams, whose name no case may have."""
    name = safe_file_name(exam.case)
    return output.expanduser() / (f"{name}-exam" if name.casefold() == BURDEN_FILE else name)


def _folder_exists(folder: Path, wanted: dict[str, Any]) -> str:
    """Say that an exam's folder is there already, and in what it is other than what would be written.

    Args:
        folder: the folder.
        wanted: the `_provenance` of what would be written.
    """
    try:
        about = read_json(folder / ABOUT_FILE)
        differing = [name for name, value in wanted.items() if about.get(name) != value]
        lost = [name for name in about["files"] if not (folder / name).is_file()]
        was = ", ".join(about["formats"]) or "all"
    except (DamagedError, AttributeError, KeyError, TypeError, ValueError):
        differing, lost, was = [_UNKNOWN], [], ""
    words = {
        _UNKNOWN: f"without an {ABOUT_FILE} that tells of what it is",
        "case": "of another case",
        "images": "of other images",
        "formats": f"in other formats ({shorten(was)}; now {', '.join(wanted['formats']) or 'all'})",
        "model": "by another model",
        "lge_sweep": f"by another version of this program (now {__version__})",
    }
    told = [words[name] for name in differing if name in words]
    told += [f"without its {shorten(list_names(lost))}"] * bool(lost)
    return (
        f"folder {folder} is there already, {' and '.join(told) or 'as another run wrote it meanwhile'}; nothing is "
        "overwritten: move it, or write to another folder"
    )


def _renamed_note(folder: Path, exam: Exam) -> list[str]:
    said = f"its folder is called {folder.name}: not every disk takes {shorten(exam.case)!r} as a name"
    return [] if folder.name == exam.case else [said]


def _write_format(name: str, result: Result, folder: Path, notes: list[str], formats: Sequence[str]) -> list[Path]:
    """Write one format; one that the exam does not allow is an error where it was asked for, else a note."""
    try:
        return FORMATS[name](result, folder, notes)
    except FormatError as error:
        if asked := [other for other in formats if name in (other, *_PREREQUISITES.get(other, ()))]:
            raise DataError(result.exam.case, [f"{error}; ask for other formats than {', '.join(asked)}"]) from error
        notes.append(f"no {name}: {error}")
        return []


def _no_cavity_note(result: Result) -> list[str]:
    names = result.without_cavity
    return [f"no cavity was found in {len(names)} of {len(result.exam.slices)} slices: {', '.join(names)}"] * bool(
        names
    )


def images_digest(exam: Exam) -> str:
    """Return a SHA-256 of an exam's pixels, of where they lie, and of its DICOM files, hexadecimal.

    Raises:
        OSError: a file cannot be read any more.
    """
    place = None if exam.affine is None else exam.affine.tolist()
    shown = json.dumps([exam.slices, exam.spacing_mm, exam.thickness_mm, place, [f.number for f in exam.sources]])
    images = hashlib.sha256(shown.encode() + np.ascontiguousarray(exam.pixels).tobytes())
    for path in dict.fromkeys(source.path for source in exam.sources):
        images.update(path.read_bytes())  # the SEG refers to these files by what they say of themselves
    return images.hexdigest()


def _provenance(exam: Exam, formats: Sequence[str], model: ModelFacts) -> dict[str, Any]:
    return {
        "use": RESEARCH_USE,
        "case": exam.case,
        "images": images_digest(exam),
        "formats": list(formats),
        "model": asdict(model),
        "lge_sweep": __version__,
    }


# Each takes the result, the folder to write to, and the notes to add to, and returns its files. DICOM, NIfTI and
# drawing are imported where they are needed: each takes a second.


def _write_seg_file(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    from lge_sweep.deliver.seg import write_seg

    write_seg(result, folder / SEG_FILE)
    return [folder / SEG_FILE]


def _write_sr_file(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    if not (folder / SEG_FILE).exists():
        raise FormatError("there is no seg, to which it refers")
    from lge_sweep.deliver.sr import write_sr

    write_sr(result, folder / SEG_FILE, folder / REPORT_FILE)
    return [folder / REPORT_FILE]


def _write_nifti_file(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    from lge_sweep.deliver.nifti import write_nifti

    notes += write_nifti(result, folder / NIFTI_FILE)
    return [folder / NIFTI_FILE]


def _write_png_files(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    from lge_sweep.deliver.pictures import slice_pngs

    (folder / "overlays").mkdir()
    files = [folder / "overlays" / f"{safe_file_name(name)}.png" for name in result.exam.slices]
    for file, picture in zip(files, slice_pngs(result), strict=True):
        file.write_bytes(picture)
    return files


def _write_csv_files(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    from lge_sweep.deliver.tables import exam_row, slice_rows, write_csv

    write_csv([exam_row(result)], folder / BURDEN_FILE)
    write_csv(slice_rows(result), folder / "slices.csv")
    return [folder / BURDEN_FILE, folder / "slices.csv"]


def _write_html_file(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    from lge_sweep.deliver.page import render_page

    (folder / "report.html").write_text(render_page(result, notes), encoding="utf-8")
    return [folder / "report.html"]


FORMATS: dict[str, Callable[[Result, Path, list[str]], list[Path]]] = {
    "seg": _write_seg_file,
    "sr": _write_sr_file,
    "nifti": _write_nifti_file,
    "png": _write_png_files,
    "csv": _write_csv_files,
    "html": _write_html_file,
}
"""Name of a format -> what writes it."""
_PREREQUISITES = {"sr": ("seg",)}
"""Name of a format -> those that are written before it, asked for or not."""
