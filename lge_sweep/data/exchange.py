"""Write whole exams as a data set that nnU-Net v2, or readers of the Medical Segmentation Decathlon, take."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from lge_sweep.config.data import NnunetDataset
from lge_sweep.curate import notes_by_case
from lge_sweep.data.curated_dataset import CuratedDataset
from lge_sweep.data.exchange_formats import (
    EXCHANGE_FORMATS,
    ExchangeFormat,
    ExchangeKind,
    Subsets,
    cases_in_subset,
    check_dataset_folder,
    label_classes,
)
from lge_sweep.errors import ConfigError, DataError
from lge_sweep.ingest import (
    DATASET_JSON,
    DataFileHeader,
    Exam,
    Volume,
    grid_notes,
    new_dataset,
    next_command,
    nifti_on_grid,
)
from lge_sweep.progress import ProgressCallback
from lge_sweep.split import SUBSETS, Split, split_cases
from lge_sweep.text import shorten

_MAX_FILE_NAME_BYTES = 255
"""Bytes of a file's name."""
PADDING_FILLED = "pixels that are no part of the image (padding) have its lowest intensity"
_NOT_SPLIT = "{} case(s) cannot be split into train, val and test (at least 3 can): all are in imagesTr"
_NOT_SPLIT_NNUNET = ", without splits_final.json; nnU-Net trains on all of them with fold `all` instead of 0"
EMPTY_SLOTS = "slices that it lacks between others are written empty: its lowest intensity, labelled background"
NO_REFLOW = "no-reflow is label 4, no-reflow, apart from scar; read back it counts as scar again, and is told apart"


def export_dataset(
    dataset: CuratedDataset, output: Path, kind: ExchangeKind, on_progress: ProgressCallback
) -> list[str]:
    """Write images, labels, `dataset.json`, the split, and a data file that reads them back; all of it or nothing.

    Training and validation cases go to imagesTr and labelsTr, test cases to imagesTs and labelsTs; fewer than three
    cases go to imagesTr and labelsTr, unsplit. Images keep the exam's intensities, voxels and place; labels have the
    values of `Label`, and 4 for no-reflow where the truth tells it. Exams are whole: what `curate.slices` would leave
    out is in them, and the data file keeps that setting, so that it gives the same slices and the same split.

    Args:
        dataset: exams and settings.
        output: a folder that is new or empty, and named as the format demands.
        kind: the format.
        on_progress: told of each case before it is written, and at the end.

    Returns:
        What was written, the commands to run next, and notes, a line each.

    Raises:
        ConfigError: the folder's name does not fit, or the split is by slice.
        DataError: cases cannot be split, an id is no file's name, or the folder is not empty or cannot be written.
    """
    number, form = check_dataset_folder(output, kind), EXCHANGE_FORMATS[kind]
    subsets, split = _assign_subsets(dataset)
    _check_ids(subsets, form, output)
    settings = dataset.settings
    source = NnunetDataset(kind="nnunet", case_ids="keep", classes=label_classes(dataset.volumes))
    converted = settings.model_copy(update={"source": source})
    comments = DataFileHeader(
        title=f"{len(dataset.volumes)} case(s), whole exams, as a data set of {form.title}.",
        source=f"kind {settings.source.kind}; intensities, spacing and place as there; thickness of slices is lost",
        expected="the same slices and the same split as the source's data file gives"
        if split
        else "too few cases to be split; to look at (lge-sweep data describe) or to be put to others",
    )
    with new_dataset(output, converted, comments) as folder:
        for index, volume in enumerate(dataset.volumes):
            on_progress(volume.case, index, len(dataset.volumes))
            write_exam(volume, folder, form, "Ts" if subsets.get(volume.case) == "test" else "Tr")
        on_progress("done", len(dataset.volumes), len(dataset.volumes))
        _write_json(folder / DATASET_JSON, form.describe(output.name, dataset.volumes, subsets))
        if kind == "nnunet" and split:
            _write_json(
                folder / "splits_final.json",
                [{subset: cases_in_subset(subsets, subset) for subset in ("train", "val")}],
            )
    counts = {subset: len(cases_in_subset(subsets, subset)) for subset in SUBSETS}
    split_notes = split.notes if split else [_NOT_SPLIT.format(len(subsets)) + _NOT_SPLIT_NNUNET * (kind == "nnunet")]
    made = [
        f"{output.absolute()}: {len(dataset.volumes)} case(s) for {form.title}: {counts['train']} train and "
        f"{counts['val']} val in imagesTr, {counts['test']} test in imagesTs",
        f"next: {next_command(output, *(() if split else ('data', 'describe')))}",
    ]
    if kind == "nnunet":
        raw = shlex.quote(str(output.absolute().parent))
        check = f"nnUNet_raw={raw} nnUNetv2_plan_and_preprocess -d {int(number)} --verify_dataset_integrity"
        made.append(f"  or, with nnU-Net's other folders set: {check}")
    return made + [f"note: {note}" for note in (*dataset.curated.notes, *split_notes, *_notes(dataset, subsets))]


def _assign_subsets(dataset: CuratedDataset) -> tuple[Subsets, Split | None]:
    """Return case -> subset, and the split; cases that explicit counts leave out are missing.

    Where there are too few cases for any split, all of them are for training, and there is no split.
    """
    if dataset.settings.split.unit == "slice":
        raise ConfigError(
            "split.unit is slice, which puts slices of one exam into several subsets; whole exams cannot be split so: "
            "set split.unit: case in the data file"
        )
    manifest = dataset.curated.manifest
    ids = list(dict.fromkeys(manifest["case"].astype(str)))
    if len(ids) < len(SUBSETS):
        return dict.fromkeys(ids, "train"), None
    split = split_cases(manifest, dataset.settings.split)
    cases = dict(zip(manifest["slice"].astype(str), manifest["case"].astype(str), strict=True))
    return {cases[name]: subset for name, subset in split.subsets.items()}, split


def _check_ids(subsets: Subsets, form: ExchangeFormat, output: Path) -> None:
    wrong = [
        case
        for case in subsets
        if case.startswith(".") or len(os.fsencode(f"{case}{form.image}")) > _MAX_FILE_NAME_BYTES
    ]
    if wrong:
        raise DataError(
            str(output),
            [
                f"case {shorten(case)}: its id cannot be a file's name (at most "
                f"{_MAX_FILE_NAME_BYTES - len(form.image)} "
                "bytes, no dot before it); set source.case_ids: hash"
                for case in wrong
            ],
        )


# ------------------------------------------------------------------------------------------------------------- files


def write_exam(volume: Volume, folder: Path, form: ExchangeFormat, suffix: str) -> None:
    """Write the image and the labels of an exam into `images` and `labels` of a data set; padding is filled.

    Args:
        volume: the exam.
        folder: the data set's.
        form: how the format names files.
        suffix: "Tr" or "Ts", for training or tests.

    Raises:
        OSError: a file cannot be written.
    """
    pixels = volume.pixels
    lowest = np.nanmin(pixels)
    if _is_padded(volume):
        pixels = np.where(np.isnan(pixels), lowest, pixels)
    for kind, ending, array, empty in (("images", form.image, pixels, lowest), ("labels", ".nii.gz", volume.codes, 0)):
        inner = folder / f"{kind}{suffix}"
        inner.mkdir(exist_ok=True)
        nib.save(nifti_on_grid(volume, array, float(empty)), inner / f"{volume.case}{ending}")


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------- notes


def _is_padded(exam: Exam) -> bool:
    return exam.pixels.dtype.kind == "f" and bool(np.isnan(exam.pixels).any())


def exam_notes(volume: Volume) -> list[str]:
    """Return what a user should know of the files that `write_exam` writes."""
    texts = grid_notes(volume)
    texts += [PADDING_FILLED] * _is_padded(volume)
    texts += [NO_REFLOW] * (volume.mvo is not None and bool(volume.mvo.any()))
    texts += [EMPTY_SLOTS] * bool(volume.slots and volume.slots[-1] + 1 > len(volume.slices))
    return texts


def _notes(dataset: CuratedDataset, subsets: Subsets) -> list[str]:
    noted: list[tuple[str, str]] = []
    used = dataset.curated.manifest["case"].value_counts()
    for volume in dataset.volumes:
        texts = exam_notes(volume)
        if len(volume.slices) > used[volume.case]:
            texts.append(f"all slices are written; curate.slices: {dataset.settings.curate.slices} is kept for reading")
        if volume.case not in subsets:
            texts.append("in no subset (split.counts, split.cases): written to imagesTr, named by no fold")
        noted += [(volume.case, text) for text in texts]
    return notes_by_case(noted)
