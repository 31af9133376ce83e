"""Write a data set: a folder of exams, with a data file that reads them back. All of it or nothing."""

import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import yaml
from PIL import Image

from lge_sweep.arrays import ClassCodes, Pixels8, Pixels16
from lge_sweep.atomic import atomic_folder
from lge_sweep.config.data import DataFile, ImagePairs
from lge_sweep.config.masks import ColourMask, IndexMask
from lge_sweep.errors import DataError
from lge_sweep.labels import CLASS_CODES, COLOURS, MVO, MVO_COLOUR, Label
from lge_sweep.text import visible

MaskKind = Literal["index", "colour"]
_CLASS_COLOURS = np.array([*(COLOURS[label] for label in Label), MVO_COLOUR], dtype=np.uint8)
"""RGB of each value of `CLASS_CODES`."""


class PairSlice(NamedTuple):
    """One slice to be written as an image pair."""

    name: str
    """Stem of both files, ``<case>_slice<number>``."""
    image: Pixels8 | Pixels16
    """[H, W] intensities."""
    codes: ClassCodes
    """[H, W] values of `CLASS_CODES`."""


class DataFileHeader(NamedTuple):
    """What the header of a data file says, a line each."""

    title: str
    source: str
    expected: str


@contextmanager
def new_dataset(output: Path, settings: DataFile, comments: DataFileHeader) -> Iterator[Path]:
    """Give a folder to write exams into; once they are written, it gets its data file and becomes `output`.

    Args:
        output: a folder that is new or empty; the data file has its name.
        settings: what the data file says.
        comments: what its header says.

    Yields:
        The unfinished folder, beside `output`; it is gone where anything failed.

    Raises:
        DataError: the folder holds something already, or cannot be written.
    """
    output = output.absolute()
    try:
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise DataError(str(output), ["is not an empty folder; nothing is overwritten"])
        with atomic_folder(output) as unfinished:
            yield unfinished
            (unfinished / _data_file_name(output)).write_text(
                _data_file_text(output, settings, comments), encoding="utf-8"
            )
    except OSError as error:
        raise DataError(str(output), [f"cannot be written ({error.strerror}); nothing was"]) from error


def next_command(output: Path, *verb: str) -> str:
    """Return the command that uses what `new_dataset` wrote: `verb`, or phase 1."""
    output = output.absolute()
    return shlex.join(
        ["lge-sweep", *(verb or ("phase1",)), "--data", str(output / _data_file_name(output)), "--root", str(output)]
    )


def write_pairs(folder: Path, slices: Iterable[PairSlice], ending: str, masks: MaskKind) -> None:
    """Write slices as image files in `images/`, and their masks, of the same names, in `labels/`.

    Args:
        folder: where; it exists.
        slices: images of 8 or 16 bit, and masks.
        ending: kind of file, such as ``png``; it must hold the images' bits.
        masks: `index`: intensities are the values of `CLASS_CODES`; `colour`: RGB as in `_CLASS_COLOURS`.

    Raises:
        OSError: a file cannot be written.
    """
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for item in slices:
        mask = _CLASS_COLOURS[item.codes] if masks == "colour" else item.codes
        for name, array in (("images", item.image), ("labels", mask)):
            Image.fromarray(np.ascontiguousarray(array)).save(folder / name / f"{item.name}.{ending}")


def pairs_source(masks: MaskKind, tells_mvo: bool = False) -> ImagePairs:
    """Return the source that reads what `write_pairs` wrote; `tells_mvo`: of masks that tell no-reflow from scar."""
    colours = {name: _CLASS_COLOURS[code].tolist() for name, code in _class_codes(tells_mvo).items()}
    return ImagePairs(
        kind="image_pairs",
        case_ids="keep",  # what it reads has the ids that ingest gave
        case_pattern=r"^(?P<case>.+)_slice(?P<slice>\d+)$",
        mask=index_mask(tells_mvo)
        if masks == "index"
        else ColourMask.model_validate({"kind": "colour", "colours": colours}),
    )


def index_mask(tells_mvo: bool = False) -> IndexMask:
    """Return the mapping of masks whose values are those of `Label`, and `MVO` where they tell it."""
    return IndexMask.model_validate(
        {"kind": "index", "values": {code: name for name, code in _class_codes(tells_mvo).items()}}
    )


def _class_codes(tells_mvo: bool) -> dict[str, int]:
    return {name: code for name, code in CLASS_CODES.items() if code != MVO or tells_mvo}


def _data_file_name(output: Path) -> str:
    return re.sub(r"[^\w.-]+", "_", output.name) + ".yaml"  # it names the folders of sweeps


def _data_file_text(output: Path, settings: DataFile, comments: DataFileHeader) -> str:
    name = visible(output.name)
    header = (
        f"# {comments.title}\n"
        "#\n"
        f"# Source    {comments.source}\n"
        f"# Command   make phase1 data={name}/{_data_file_name(output)} root={name}\n"
        "# Time      see docs/phases.md\n"
        f"# Expected  {comments.expected}\n\n"
    )
    return header + yaml.safe_dump(settings.model_dump(), sort_keys=False, default_flow_style=None, width=120)
