"""Write the files of a result: a folder an exam, whole or not at all."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lge_sweep import __version__
from lge_sweep.atomic import atomic_folder, read_json, write_json
from lge_sweep.choices import look_up
from lge_sweep.deliver.result import RESEARCH, FormatError, ModelFacts, Result
from lge_sweep.errors import DamagedError, DataError
from lge_sweep.ingest import Exam
from lge_sweep.quantify import unchecked_note
from lge_sweep.text import file_name, shorten


@dataclass(frozen=True)
class Delivery:
    """What was written for an exam.

    Attributes:
        folder: where it is, named by the case where a disk takes its name (`file_name`).
        files: the files, in the order in which their formats were asked for.
        notes: what a user should know; those of the exam and those on how it was written.
        findings: what no left ventricle has, a sentence each; see `lge_sweep.quantify.implausible`.
    """

    folder: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    findings: tuple[str, ...]


SEG, REPORT = "labels.dcm", "report.dcm"
"""In the folder of an exam: what an archive is given."""
SEG_TOO = f"{SEG} was written too: {REPORT} refers to it"
IN_THE_WAY = (
    "is there already, of other images, another model or other formats; nothing is overwritten: move it, or write to "
    "another folder"
)
BURDEN = "burden.csv"
"""In the folder of an exam, and of all exams beside their folders."""
ABOUT = "about.json"
"""In the folder of an exam: by which model, in which formats and with which files it was made."""


def read_delivery(output: Path, exam: Exam, formats: Sequence[str], model: ModelFacts) -> Delivery | None:
    """Return what `deliver` has written for an exam before, if it was of the same images, model and formats.

    Args:
        output: the folder in which the exam's folder is.
        exam: the images.
        formats: names in `FORMATS`; none: all that the exam allows.
        model: what would make the labels.
    """
    folder = _folder(output, exam)
    try:
        about = read_json(folder / ABOUT)
        files = tuple(folder / name for name in about["files"])
        notes, findings = tuple(about["notes"]), tuple(about["findings"])
        made = {name: about[name] for name in ("files", "notes", "findings")}
        same = about == {**_about(exam, formats, model), **made}
    except (DamagedError, ValueError, KeyError, TypeError):
        return None  # `deliver` says what is wrong with the folder, or with the exam's files
    return Delivery(folder, files, notes, findings) if same and all(file.is_file() for file in files) else None


def deliver(exam: Exam, labels: NDArray[np.uint8], output: Path, formats: Sequence[str], model: ModelFacts) -> Delivery:
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

    Raises:
        ConfigError: a format is unknown.
        DataError: a format that is asked for cannot be had of this exam, its folder is there already, or it cannot be
            written.
    """
    for name in formats:
        look_up("format", name, FORMATS)
    writers = list(dict.fromkeys(one for name in formats or FORMATS for one in (*NEEDS.get(name, ()), name)))
    result = Result(exam, labels, model)
    folder = _folder(output, exam)
    if folder.exists():
        raise DataError(str(folder), [f"folder {folder} {IN_THE_WAY}"])
    notes = [*unchecked_note(exam), *([SEG_TOO] if set(writers) - set(formats or writers) else [])]
    try:
        with atomic_folder(folder) as unfinished:
            written = [path for name in writers for path in _write(name, result, unfinished, notes, formats)]
            files = [path.relative_to(unfinished) for path in written]
            notes = [*exam.notes, *notes, *_without_cavity(result), *_renamed(folder, exam)]
            made = {"files": [path.as_posix() for path in files], "notes": notes, "findings": result.finding_texts}
            write_json(unfinished / ABOUT, {**_about(exam, formats, model), **made})
    except OSError as error:
        raise DataError(str(folder), [f"cannot be written ({error.strerror or type(error).__name__})"]) from error
    return Delivery(folder, tuple(folder / path for path in files), tuple(notes), tuple(result.finding_texts))


def _folder(output: Path, exam: Exam) -> Path:
    """Return the folder of an exam; beside it is the table of all exams, whose name no case may have."""
    name = file_name(exam.case)
    return output.expanduser() / (f"{name}-exam" if name.casefold() == BURDEN else name)


def _renamed(folder: Path, exam: Exam) -> list[str]:
    said = f"its folder is called {folder.name}: not every disk takes {shorten(exam.case)!r} as a name"
    return [] if folder.name == exam.case else [said]


def _write(name: str, result: Result, folder: Path, notes: list[str], formats: Sequence[str]) -> list[Path]:
    """Write one format; one that the exam does not allow is an error where it was asked for, else a note."""
    try:
        return FORMATS[name](result, folder, notes)
    except FormatError as error:
        if asked := [other for other in formats if name in (other, *NEEDS.get(other, ()))]:
            raise DataError(result.exam.case, [f"{error}; ask for other formats than {', '.join(asked)}"]) from error
        notes.append(f"no {name}: {error}")
        return []


def _without_cavity(result: Result) -> list[str]:
    names = result.without_cavity
    return [f"no cavity was found in {len(names)} of {len(result.exam.slices)} slices: {', '.join(names)}"] * bool(
        names
    )


def _about(exam: Exam, formats: Sequence[str], model: ModelFacts) -> dict[str, Any]:
    place = None if exam.affine is None else exam.affine.tolist()
    shown = json.dumps([exam.slices, exam.spacing_mm, exam.thickness_mm, place, [f.number for f in exam.sources]])
    images = hashlib.sha256(shown.encode() + np.ascontiguousarray(exam.pixels).tobytes())
    for path in dict.fromkeys(source.path for source in exam.sources):
        images.update(path.read_bytes())  # the SEG refers to these files by what they say of themselves
    return {
        "use": RESEARCH,
        "case": exam.case,
        "images": images.hexdigest(),
        "formats": list(formats),
        "model": asdict(model),
        "lge_sweep": __version__,
    }


# Each takes the result, the folder to write to, and the notes to add to, and returns its files. DICOM, NIfTI and
# drawing are imported where they are needed: each takes a second.


def _seg(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    from lge_sweep.deliver.seg import write_seg

    write_seg(result, folder / SEG)
    return [folder / SEG]


def _sr(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    if not (folder / SEG).exists():
        raise FormatError("there is no seg, to which it refers")
    from lge_sweep.deliver.sr import write_sr

    write_sr(result, folder / SEG, folder / REPORT)
    return [folder / REPORT]


def _nifti(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    from lge_sweep.deliver.nifti import write_nifti

    notes += write_nifti(result, folder / "labels.nii.gz")
    return [folder / "labels.nii.gz"]


def _png(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    from lge_sweep.deliver.pictures import slice_png

    (folder / "overlays").mkdir()
    files = [folder / "overlays" / f"{file_name(name)}.png" for name in result.exam.slices]
    for index, file in enumerate(files):
        file.write_bytes(slice_png(result, index))
    return files


def _csv(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    from lge_sweep.deliver.tables import exam_row, slice_rows, write_csv

    write_csv([exam_row(result)], folder / BURDEN)
    write_csv(slice_rows(result), folder / "slices.csv")
    return [folder / BURDEN, folder / "slices.csv"]


def _html(result: Result, folder: Path, notes: list[str]) -> list[Path]:
    from lge_sweep.deliver.page import render_page

    (folder / "report.html").write_text(render_page(result, notes), encoding="utf-8")
    return [folder / "report.html"]


FORMATS: dict[str, Callable[[Result, Path, list[str]], list[Path]]] = {
    "seg": _seg,
    "sr": _sr,
    "nifti": _nifti,
    "png": _png,
    "csv": _csv,
    "html": _html,
}
"""Name of a format -> what writes it."""
NEEDS = {"sr": ("seg",)}
"""Name of a format -> those that are written before it, asked for or not."""
