"""Write simulated exams as files: image pairs, NIfTI or DICOM; and read them back through DICOM."""

import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np

from lge_sweep.config.data import Curate, DataFile, DicomFolders, NiftiFolders, Phantom, Source, SplitConfig
from lge_sweep.config.masks import SegMask
from lge_sweep.config.subset_sizes import fills_every_subset
from lge_sweep.config.validation import validate
from lge_sweep.errors import DataError
from lge_sweep.ingest.export import (
    DataFileHeader,
    PairSlice,
    index_mask,
    new_dataset,
    next_command,
    pairs_source,
    write_pairs,
)
from lge_sweep.ingest.phantom import is_scar_free, simulate_case
from lge_sweep.ingest.volume import Volume
from lge_sweep.paths import user_path

PhantomFormat = Literal["png", "nifti", "dicom"]
DICOM_SOURCE = DicomFolders(kind="dicom", case_ids="keep", mask=SegMask(kind="seg"))
"""Reads what `phantom_dicom` writes."""
_EXPECTED_CONTENT: dict[PhantomFormat, str] = {
    "png": "intensities and masks as simulated, slices from base to apex; image pairs hold no spacing",
    "nifti": "intensities, masks and spacing as simulated, slices from base to apex",
    "dicom": "intensities, masks and spacing as simulated, slices from apex to base, as the planes' normal runs",
}


def write_phantom(output: str | Path, cases: int = 12, seed: int = 0, kind: PhantomFormat = "png") -> list[str]:
    """Write simulated exams and a data file of the folder's name that reads them back; all of it or nothing.

    Args:
        output: a folder that is new or empty.
        cases: number of exams, 1 or more.
        seed: the draw of the exams, 0 or more.
        kind: `png`: image pairs, 16-bit grey, and masks of class values 0-3; `nifti`: the layout of EMIDEC; `dicom`: a
            study a case, its masks a DICOM Segmentation.

    Returns:
        What was written, and the command to run next, a line each.

    Raises:
        ConfigError: there cannot be so many exams.
        DataError: the folder holds something already, or cannot be written.
    """
    output = user_path(output) if isinstance(output, str) else output
    settings = validate(Phantom, {"kind": "phantom", "cases": cases, "seed": seed}, "phantom")
    sources: dict[PhantomFormat, Source] = {
        "png": pairs_source("index"),
        "nifti": NiftiFolders(kind="nifti", case_ids="keep", mask=index_mask()),
        "dicom": DICOM_SOURCE,
    }
    slices = cases * settings.slices
    comments = DataFileHeader(
        title=f"{cases} simulated exam(s), {slices} slices, as {kind}.",
        source=f"lge-sweep phantom --format {kind} --cases {cases} --seed {seed}; no patient is behind them",
        expected=_EXPECTED_CONTENT[kind],
    )
    with new_dataset(output, DataFile(source=sources[kind], curate=Curate(slices="all")), comments) as folder:
        _write(settings, folder, kind)
    made = f"{output.absolute()}: {slices} slices of {cases} simulated exam(s), as {kind}"
    segment = f"segment them with a model: {shlex.join(['lge-sweep', 'predict', str(output.absolute()), 'OUT'])}"
    if cases >= (fewest := fewest_to_train(settings.scar_free)):
        return [made, f"next: {next_command(output)}", *[f"or {segment}"] * (kind != "png")]
    note = f"too few to train on: phase 1 takes {fewest} simulated exams or more (--cases {fewest})"
    return [made, note, f"next: {segment}" if kind != "png" else f"next: {next_command(output, 'data', 'describe')}"]


def fewest_to_train(scar_free: float) -> int:
    """Return the fewest simulated exams that a split as data files have it divides into training, validation and test.

    Args:
        scar_free: share of exams without scar, 0-1.
    """
    shares = SplitConfig().fractions
    free = 0
    for case in count():
        free += is_scar_free(case, scar_free)
        if fills_every_subset((free, case + 1 - free), shares):
            break
    return case + 1


def simulate_through_dicom(settings: Phantom, findings: list[str]) -> list[Volume]:
    """Write simulated exams as DICOM into a temporary folder and read them back, as exams of patients are read.

    Args:
        settings: as for `simulate`.
        findings: what is wrong; appended to.

    Returns:
        What `simulate` returns, read from files. The reader's slices begin at the apex (see
        `phantom_geometry.APEX_DIRECTION`); they are turned to begin at the base, so that ids and content are those of
        `simulate`.

    Raises:
        DataError: the temporary folder cannot be written.
    """
    from lge_sweep.ingest.dicom import read_dicom  # takes a second to import

    try:
        with tempfile.TemporaryDirectory(prefix="lge_sweep-phantom-") as name:
            _write(settings, Path(name), "dicom")
            volumes = read_dicom(DICOM_SOURCE, Path(name), findings)
    except OSError as error:
        raise DataError(tempfile.gettempdir(), [f"cannot be written ({error.strerror}); set TMPDIR"]) from error
    return [_from_base(volume) for volume in volumes]


def _from_base(volume: Volume) -> Volume:
    """Reverse the order of slices, and where they are with it."""
    reverse = np.diag([1.0, 1.0, -1.0, 1.0])
    reverse[2, 3] = len(volume.pixels) - 1
    return replace(
        volume,
        pixels=np.flip(volume.pixels, axis=0),
        labels=np.flip(volume.labels, axis=0),
        affine=None if volume.affine is None else volume.affine @ reverse,
        sources=volume.sources[::-1],
    )


def _write(settings: Phantom, folder: Path, kind: PhantomFormat) -> None:
    exams = (simulate_case(settings, case) for case in range(settings.cases))
    if kind == "png":
        write_pairs(folder, (item for exam in exams for item in _pair_slices(exam)), "png", "index")
        return
    if kind == "nifti":  # these libraries are imported where they are needed: they take a second
        from lge_sweep.ingest.phantom_nifti import write_nifti_case as write
    else:
        from lge_sweep.ingest.phantom_dicom import write_dicom_study as write
    for exam in exams:
        write(exam, folder)


def _pair_slices(exam: Volume) -> Iterator[PairSlice]:
    for name, pixels, labels in zip(exam.slices, exam.pixels, exam.labels, strict=True):
        yield PairSlice(name, np.asarray(pixels, dtype=np.uint16), labels)
