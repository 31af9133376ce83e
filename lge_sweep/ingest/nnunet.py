"""Read a data set of nnU-Net v2, or of the Medical Segmentation Decathlon."""

import math
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from lge_sweep.config.data import NiftiFolders, NnunetDataset
from lge_sweep.ingest.dataset_json import label_names, read_description
from lge_sweep.ingest.limits import unusable_slices
from lge_sweep.ingest.nifti import read_pair
from lge_sweep.ingest.nnunet_files import CaseFiles, list_case_files
from lge_sweep.ingest.pseudonym import name_cases
from lge_sweep.ingest.volume import UnusableError, Volume, slice_ids

POSITION_NOT_STORED = "its dataset.json says that where the slices lie in the patient is not known"


def read_nnunet(source: NnunetDataset, root: Path, findings: list[str]) -> list[Volume]:
    """Read every case that has labels, of imagesTr and, where there is a labelsTs, of imagesTs.

    Slices of one intensity without any label stand for slices that the exam lacks: they are left out, with a note.

    Args:
        source: which channel, what labels mean, and how case ids are made.
        root: the folder of the data set, with `dataset.json`.
        findings: everything that is wrong with the data set; appended to.

    Returns:
        One `Volume` a sound case, in the order of case ids. Intensities are as in the files.

    Raises:
        DataError: the salt of case ids cannot be had.
    """
    try:
        description = read_description(root)
        mask = source.mask or label_names(description).mask(source.classes)
        notes: list[str] = []
        settings = NiftiFolders(kind="nifti", mask=mask, trust_grid=source.trust_grid)
        entries = list_case_files(description, source.channel, root, findings, notes)
    except UnusableError as error:
        findings.append(str(error))
        return []
    naming = name_cases(source.case_ids)
    volumes: dict[str, Volume] = {}
    for entry in entries:
        case = naming.case_id(entry.name)
        if case in volumes:
            findings.append(f"{entry.image}: there is another case of this name; rename one of them")
        elif volume := _read_case(entry, case, root, settings, findings):
            volume = _without_position(volume, description.lge_sweep.unplaced.get(entry.name))
            volumes[case] = replace(volume, notes=(*volume.notes, *notes))
    return [volumes[case] for case in sorted(volumes)]


def _read_case(entry: CaseFiles, case: str, root: Path, settings: NiftiFolders, findings: list[str]) -> Volume | None:
    image, label = (PurePosixPath(path).as_posix() for path in (entry.image, entry.label))
    volume = read_pair(case, (root / image, image), (root / label, label), settings, findings)
    if volume is None:
        return None
    volume = _drop_empty_slices(volume)
    blank = unusable_slices(volume.pixels)
    findings += [f"{image}: {text}" for text in blank]
    return None if blank else volume


def _drop_empty_slices(volume: Volume) -> Volume:
    """Leave out slices of one intensity in which nothing is labelled; a volume of nothing else stays as it is."""
    flat = np.array([image.min() == image.max() for image in volume.pixels]) & ~volume.labels.any(axis=(1, 2))
    kept = np.flatnonzero(~flat)
    if not flat.any() or not len(kept):
        return volume
    return replace(
        volume,
        slices=slice_ids(volume.case, len(kept)),
        pixels=volume.pixels[kept],
        labels=volume.labels[kept],
        mvo=None if volume.mvo is None else volume.mvo[kept],
        slots=tuple(kept.tolist()),
        stored=None,  # a file's grid has no place for what is left out
        notes=(*volume.notes, f"{int(flat.sum())} empty slices (one intensity, no label) are left out"),
    )


def _without_position(volume: Volume, distances: tuple[float | None, float | None, float | None] | None) -> Volume:
    """Take distances and place for unknown where the data set says that its files hold substitutes."""
    if distances is None:
        return volume
    rows, columns, slices = (math.nan if mm is None else mm for mm in distances)
    known = not math.isnan(rows + columns)
    return replace(
        volume,
        spacing_mm=(rows, columns, slices) if known else None,
        affine=None,
        stored=None,
        notes=(*volume.notes, POSITION_NOT_STORED),
    )
