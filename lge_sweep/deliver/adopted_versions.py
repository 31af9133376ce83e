"""Versions of a data set of corrected labels: a folder each, whole or not at all, and never changed again.

A version holds all cases of the one before and those that were adopted since, so that each can be trained on by itself.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lge_sweep import __version__
from lge_sweep.atomic import folders_with, read_json, write_json, write_text
from lge_sweep.config.data import Curate, DataFile, NnunetDataset
from lge_sweep.csv_files import csv_text
from lge_sweep.curate import curate
from lge_sweep.data import EXCHANGE_FORMATS, label_classes, write_exam
from lge_sweep.deliver.correction import Kind
from lge_sweep.deliver.result import RESEARCH_USE
from lge_sweep.errors import DamagedError, DataError
from lge_sweep.ingest import (
    DATASET_JSON,
    DataFileHeader,
    Volume,
    list_files,
    new_dataset,
    next_command,
    read,
    subfolders,
)
from lge_sweep.labels import STRUCTURES
from lge_sweep.split import can_be_split

VERSION_FILE = "version.json"
"""In the folder of a version: what it holds, and from where."""
TABLE_FILE = "versions.csv"
"""Beside the folders of versions: a row a case that was adopted, of all versions; made again each time."""
_FORM = EXCHANGE_FORMATS["nnunet"]
_OTHER_THINGS = "holds other things than versions of corrected labels; nothing is overwritten: name a new folder"
_SET_ASIDE = "Move its folder elsewhere, or name a new folder with --out"


class _Record(BaseModel):
    """Base of what is kept of a version; what a later version of the program adds is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class AdoptedFrom(_Record):
    """The model whose labels were corrected."""

    name: str
    version: str
    digest: str


class AdoptedCase(_Record):
    """A case of a version, and how its labels came about."""

    case: str
    adopted_in: int = Field(ge=1)
    """The version in which these labels came."""
    by: str
    """Who corrected them."""
    saved: str
    """When the file was written last, UTC; empty where the prediction was taken as it is."""
    kind: Kind
    """What the file was."""
    model: AdoptedFrom
    images: str
    """Digest of the exam's images."""
    labels: str
    """Digest of the labels."""
    slices: int
    changed_slices: tuple[int, ...]
    """Numbered from 0, in the exam's order."""
    changed_pixels: int
    dice: dict[str, float | None]
    """Structure -> Dice of the corrected labels with the predicted ones."""


class VersionRecord(_Record):
    """A version of a data set of corrected labels."""

    format: Literal[1] = 1
    version: int = Field(ge=1)
    adopted: str
    """When, UTC."""
    lge_sweep: str = __version__
    cases: tuple[AdoptedCase, ...]
    """All of them, by their names."""


def version_folder(output: Path, version: int) -> Path:
    """Return the folder of a version; its data file has its name, which becomes part of those of sweeps."""
    return output / f"{output.absolute().name}-v{version}"


def read_versions(output: Path) -> list[VersionRecord]:
    """Read what versions there are, the newest last.

    Args:
        output: the folder of the data set, which need not be there.

    Raises:
        DataError: the folder holds other things.
        DamagedError: a version's record is not what was written.
    """
    found = [folder / VERSION_FILE for folder in folders_with(VERSION_FILE, output)]
    if not found and output.exists() and (not output.is_dir() or list_files(output) or subfolders(output)):
        raise DataError(str(output), [_OTHER_THINGS])
    records = []
    for path in found:
        try:
            record = VersionRecord.model_validate(read_json(path))
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise DamagedError(path, f"{where or 'it'} is not what this program writes", _SET_ASIDE) from error
        except DamagedError as error:
            raise DamagedError(path, error.reason, _SET_ASIDE) from error
        if path.parent != version_folder(output, record.version):
            raise DataError(str(output), [f"{path.parent.name} holds version {record.version}; give it its name back"])
        records.append(record)
    return sorted(records, key=lambda record: record.version)


def write_version(
    output: Path, record: VersionRecord, corrected: Mapping[str, Volume], before: Sequence[VersionRecord]
) -> str:
    """Write a version: cases that were corrected, and those of the version before that were not.

    Args:
        output: the folder of the data set.
        record: what the version is.
        corrected: case -> its images and corrected labels.
        before: the versions there are.

    Returns:
        The command to run next.

    Raises:
        DataError: it cannot be written, or the version before cannot be read any more.
    """
    folder = version_folder(output, record.version)
    kept = {case.case for case in record.cases} - corrected.keys()
    volumes = dict(corrected)
    if kept:
        older = version_folder(output, before[-1].version)
        volumes |= {volume.case: volume for volume in read(_source(()), older) if volume.case in kept}
        if lost := sorted(kept - volumes.keys()):
            raise DataError(str(older), [f"case {case} is not in it any more; put it back" for case in lost])
    in_order = [volumes[case] for case in sorted(volumes)]
    settings = DataFile(source=_source(in_order), curate=Curate(slices="all"))
    comments = DataFileHeader(
        title=f"Version {record.version} of labels that persons corrected: {len(in_order)} case(s), whole exams.",
        source=f"lge-sweep data adopt; who, when and what was changed: ../{TABLE_FILE} and {VERSION_FILE}",
        expected=f"the corrected labels on their exams; all slices. {RESEARCH_USE}",
    )
    with new_dataset(folder, settings, comments) as unfinished:
        for volume in in_order:
            if volume.case in kept:
                _copy_case(older, unfinished, volume.case)
            else:
                write_exam(volume, unfinished, _FORM, "Tr")
        write_json(unfinished / DATASET_JSON, _FORM.describe(folder.name, in_order, {}))
        write_json(unfinished / VERSION_FILE, record.model_dump(mode="json"))
    write_table(output, [*before, record])
    trains = can_be_split(curate(in_order, settings.curate).manifest, settings.split)
    return next_command(folder, *(() if trains else ("data", "describe")))


def _source(volumes: Sequence[Volume]) -> NnunetDataset:
    classes = label_classes(volumes) if volumes else NnunetDataset(kind="nnunet").classes
    return NnunetDataset(kind="nnunet", case_ids="keep", classes=classes)


def _copy_case(older: Path, newer: Path, case: str) -> None:
    """Copy a case's files; not as links, so that who saves over one does not change two versions."""
    for name in (f"imagesTr/{case}{_FORM.image}", f"labelsTr/{case}.nii.gz"):
        (newer / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(older / name, newer / name)


def write_table(output: Path, versions: Sequence[VersionRecord]) -> None:
    """Write the table of all that was adopted.

    Raises:
        DataError: it cannot be written.
    """
    header = ["version", "adopted", "case", "by", "saved", "file", "slices", "changed_slices", "changed_pixels",
              *(f"dice_{name}" for name in STRUCTURES), "model", "model_version", "model_digest", "images"]  # fmt: skip
    rows = [
        [
            record.version, record.adopted, case.case, case.by, case.saved, case.kind, case.slices,
            " ".join(map(str, case.changed_slices)), case.changed_pixels, *(case.dice.get(name) for name in STRUCTURES),
            case.model.name, case.model.version, case.model.digest, case.images,
        ]
        for record in versions
        for case in record.cases
        if case.adopted_in == record.version
    ]  # fmt: skip
    try:
        write_text(output / TABLE_FILE, csv_text(header, rows))
    except OSError as error:
        raise DataError(os.fspath(output), [f"{TABLE_FILE} cannot be written ({error.strerror})"]) from error
