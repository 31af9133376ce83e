"""Write a data set: a folder of exams, with a data file that reads them back. All of it or nothing."""

import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from lge_sweep.atomic import atomic_folder
from lge_sweep.config.data import DataFile, ImagePairs
from lge_sweep.config.masks import ColourMask, IndexMask
from lge_sweep.errors import DataError
from lge_sweep.labels import CLASS_CODES, COLOURS, MVO, MVO_COLOUR, Label
from lge_sweep.text import visible

Masks = Literal["index", "colour"]
PALETTE = np.array([*(COLOURS[label] for label in Label), MVO_COLOUR], dtype=np.uint8)
"""RGB of each value of `CLASS_CODES`."""


class Slice(NamedTuple):
    """One slice to be written as an image pair."""

    name: str
    """Stem of both files, ``<case>_slice<number>``."""
    image: NDArray[np.uint8] | NDArray[np.uint16]
    """[H, W] intensities."""
    codes: NDArray[np.uint8]
    """[H, W] values of `CLASS_CODES`."""


class Comments(NamedTuple):
    """What the header of a data file says, a line each."""

    title: str
    source: str
    expected: str


@contextmanager
def new_data_set(output: Path, settings: DataFile, comments: Comments) -> Iterator[Path]:
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
            (unfinished / _name(output)).write_text(_data_file(output, settings, comments), encoding="utf-8")
    except OSError as error:
        raise DataError(str(output), [f"cannot be written ({error.strerror}); nothing was"]) from error


def next_command(output: Path, *verb: str) -> str:
    """Return the command that uses what `new_data_set` wrote: `verb`, or phase 1."""
    output = output.absolute()
    return shlex.join(
        ["lge-sweep", *(verb or ("phase1",)), "--data", str(output / _name(output)), "--root", str(output)]
    )


def write_pairs(folder: Path, slices: Iterable[Slice], ending: str, masks: Masks) -> None:
    """Write slices as image files in `images/`, and their masks, of the same names, in `labels/`.

    Args:
        folder: where; it exists.
        slices: images of 8 or 16 bit, and masks.
        ending: kind of file, such as ``png``; it must hold the images' bits.
        masks: `index`: intensities are the values of `CLASS_CODES`; `colour`: RGB as in `PALETTE`.

    Raises:
        OSError: a file cannot be written.
    """
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for item in slices:
        mask = PALETTE[item.codes] if masks == "colour" else item.codes
        for name, array in (("images", item.image), ("labels", mask)):
            Image.fromarray(np.ascontiguousarray(array)).save(folder / name / f"{item.name}.{ending}")


def pairs_source(masks: Masks, tells_mvo: bool = False) -> ImagePairs:
    """Return the source that reads what `write_pairs` wrote; `tells_mvo`: of masks that tell no-reflow from scar."""
    colours = {name: PALETTE[code].tolist() for name, code in _listed(tells_mvo).items()}
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
        {"kind": "index", "values": {code: name for name, code in _listed(tells_mvo).items()}}
    )


def _listed(tells_mvo: bool) -> dict[str, int]:
    return {name: code for name, code in CLASS_CODES.items() if code != MVO or tells_mvo}


def _name(output: Path) -> str:
    return re.sub(r"[^\w.-]+", "_", output.name) + ".yaml"  # it names the folders of sweeps


def _data_file(output: Path, settings: DataFile, comments: Comments) -> str:
    name = visible(output.name)
    header = (
        f"# {comments.title}\n"
        "#\n"
        f"# Source    {comments.source}\n"
        f"# Command   make phase1 data={name}/{_name(output)} root={name}\n"
        "# Time      see README\n"
        f"# Expected  {comments.expected}\n\n"
    )
    return header + yaml.safe_dump(settings.model_dump(), sort_keys=False, default_flow_style=None, width=120)
