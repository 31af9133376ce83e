"""The two formats in which whole exams are exchanged: names of folders and files, and what `dataset.json` says."""

import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lge_sweep import __version__
from lge_sweep.config.data import Subset
from lge_sweep.config.masks import CLASS_NAMES, ClassName
from lge_sweep.errors import ConfigError
from lge_sweep.ingest import Volume, is_sheared
from lge_sweep.labels import CLASS_CODES
from lge_sweep.text import shorten

ExchangeKind = Literal["nnunet", "msd"]
Subsets = Mapping[str, Subset]
"""Case -> its subset; cases that explicit counts leave out are missing."""


class ExchangeFormat(NamedTuple):
    """How one of the two formats names things."""

    title: str
    folder: re.Pattern[str]
    """What the data set's folder is called, with a group `number`."""
    example: str
    """A folder of that form, to be followed by a name of letters and digits."""
    image: str
    """What follows the case in the name of an image."""
    describe: Callable[[str, Sequence[Volume], Subsets], dict[str, Any]]
    """Return the content of `dataset.json` for a folder's name, exams and their subsets."""


def cases_in_subset(subsets: Subsets, subset: str) -> list[str]:
    """Return the cases of a subset, sorted."""
    return sorted(case for case, of in subsets.items() if of == subset)


def label_classes(volumes: Sequence[Volume]) -> dict[str, ClassName]:
    """Return what the labels of exams are called -> class; no-reflow is among them where a truth tells it."""
    tells_mvo = any(volume.mvo is not None for volume in volumes)
    return {name: label for name, label in CLASS_NAMES.items() if label != "mvo" or tells_mvo}


def _label_values(volumes: Sequence[Volume]) -> dict[str, int]:
    """Return what the labels of exams are called -> their value in the files; values are consecutive."""
    return {name: CLASS_CODES[label] for name, label in label_classes(volumes).items()}


def _nnunet(name: str, volumes: Sequence[Volume], subsets: Subsets) -> dict[str, Any]:
    """Describe the data set as nnU-Net reads it; a channel called LGE is normalised by its mean and deviation."""
    reader = (
        {"overwrite_image_reader_writer": "NibabelIO"}
        if any(volume.affine is not None and is_sheared(volume.affine) for volume in volumes)
        else {}
    )
    training = [volume for volume in volumes if subsets.get(volume.case) != "test"]
    return {
        "name": name,
        "description": f"LGE cardiac MRI, short axis; written by lge_sweep {__version__}",
        "channel_names": {"0": "LGE"},
        "labels": _label_values(volumes),
        "numTraining": len(training),
        "file_ending": ".nii.gz",
        **reader,
        "lge_sweep": _own_section(volumes),
    }


def _decathlon(name: str, volumes: Sequence[Volume], subsets: Subsets) -> dict[str, Any]:
    """Describe the data set as the Decathlon does; `fold` 0 marks the validation subset, as MONAI reads it."""
    tests = cases_in_subset(subsets, "test")
    training = [
        {"image": f"./imagesTr/{volume.case}.nii.gz", "label": f"./labelsTr/{volume.case}.nii.gz"}
        | ({"fold": 0} if subsets.get(volume.case) == "val" else {})
        for volume in volumes
        if volume.case not in tests
    ]
    return {
        "name": name.partition("_")[2],
        "description": f"LGE cardiac MRI, short axis; written by lge_sweep {__version__}",
        "reference": "",
        "licence": "that of the images",
        "release": "",
        "tensorImageSize": "3D",
        "modality": {"0": "MRI"},
        "labels": {str(value): label for label, value in _label_values(volumes).items()},
        "numTraining": len(training),
        "numTest": len(tests),
        "training": training,
        "test": [f"./imagesTs/{case}.nii.gz" for case in tests],
        "lge_sweep": _own_section(volumes),
    }


def _own_section(volumes: Sequence[Volume]) -> dict[str, Any]:
    """Return what reading back needs: an affine has to be written, also where none is known."""
    unknown = {volume.case: volume.spacing_mm or (math.nan,) * 3 for volume in volumes if volume.affine is None}
    return {"unplaced": {case: [None if math.isnan(mm) else mm for mm in of] for case, of in unknown.items()}}


EXCHANGE_FORMATS: dict[ExchangeKind, ExchangeFormat] = {
    "nnunet": ExchangeFormat(
        "nnU-Net v2",
        re.compile(r"Dataset(?P<number>\d{3})_[A-Za-z0-9_-]+", re.ASCII),
        "Dataset501",
        "_0000.nii.gz",
        _nnunet,
    ),
    "msd": ExchangeFormat(
        "the Medical Segmentation Decathlon",
        re.compile(r"Task(?P<number>\d{2})_[A-Za-z0-9]+", re.ASCII),
        "Task11",
        ".nii.gz",
        _decathlon,
    ),
}


def check_dataset_folder(output: Path, kind: ExchangeKind) -> str:
    """Return the number of a data set, which its folder's name has.

    Raises:
        ConfigError: the name is not of the format's form.
    """
    form = EXCHANGE_FORMATS[kind]
    output = output.absolute()
    if found := form.folder.fullmatch(output.name):
        return found["number"]
    name = re.sub(r"[^A-Za-z0-9]+", "", output.name) or "LGE"
    proposed = shlex.quote(str(output.parent / f"{form.example}_{name[:40]}"))
    raise ConfigError(
        f"{shorten(output.name)}: {form.title} finds a data set by its folder's name, {form.example}_Name with a "
        f"number and a name of your own (letters and digits); give such a folder, as {proposed}"
    )
