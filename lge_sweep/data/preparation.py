"""Turn curated slices into arrays of one size, once, and keep them on disk under a key of content and settings."""

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lge_sweep.arrays import CaseNumbers, LabelImage, Mask, Pixels, Pixels8
from lge_sweep.atomic import atomic_folder, read_json
from lge_sweep.config.data import Intensity
from lge_sweep.data.grey import to_8_bit
from lge_sweep.data.refine import refine_cavity
from lge_sweep.data.resize import resize_image, resize_labels
from lge_sweep.errors import DamagedError
from lge_sweep.hashing import file_digest
from lge_sweep.labels import Label
from lge_sweep.text import error_text

if TYPE_CHECKING:
    from lge_sweep.curate import Curated  # a registered model carries this module, and none that reads exams

ARRAYS = ("images", "labels", "refined", "cases")
DIGESTS = "digests.json"
"""SHA-256 of each array's file."""
_FORMAT = 2
"""Raise when the same slices and settings would give other arrays than before."""


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrays:
    """All slices of a data set, ready for a network; N slices in the order of the manifest.

    Attributes:
        images: [N, S, S] uint8 intensities.
        labels: [N, S, S] uint8 class values.
        refined: [N, S, S] bool, the true cavity after Fig. 4's refinement.
        cases: [N] int32, number of each slice's case; the slices of a case lie together, in their order.
    """

    images: Pixels8
    labels: LabelImage
    refined: Mask
    cases: CaseNumbers


def content_digest(manifest: pd.DataFrame) -> str:
    """Return a SHA-256 of the slices' ids, cases, intensities, labels and, where it is known, spacing, in order."""
    content = manifest[["slice", "case", "content_hash"]].astype(str).to_numpy().tolist()
    spacing = manifest[["spacing_row_mm", "spacing_column_mm", "spacing_slice_mm"]].astype(float)
    if spacing.notna().any(axis=None):
        content += spacing.round(4).astype(str).to_numpy().tolist()
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def prepare(curated: "Curated", size: int, intensity: Intensity, cache: Path) -> Path:
    """Write the arrays of a data set, unless they are there already.

    Args:
        curated: the slices.
        size: rows and columns S of the arrays.
        intensity: how intensities become 8 bit.
        cache: folder of all prepared data sets.

    Returns:
        The folder of this one; read it with `load_arrays`.
    """
    key = json.dumps([_FORMAT, content_digest(curated.manifest), size, intensity.model_dump(mode="json")])
    folder = cache / hashlib.sha256(key.encode()).hexdigest()[:16]
    if not _is_intact(folder):
        _log.info("preparing %d slices at %d x %d pixels: %s", len(curated.images), size, size, folder)
        _write_arrays(
            folder, to_arrays(curated.images, curated.labels, size, intensity, curated.manifest["case"].tolist())
        )
    return folder


def _is_intact(folder: Path) -> bool:
    """Whether arrays are there as they were written; what is damaged is removed, as it is made again."""
    if not folder.exists():
        return False
    try:
        digests = read_json(folder / DIGESTS)
        if all(file_digest(folder / f"{name}.npy") == digests[name] for name in ARRAYS):
            return True
        why = "its content is not what was written"
    except (DamagedError, OSError, KeyError, TypeError) as error:
        why = str(error)
    _log.warning("prepared arrays %s are damaged, and made again: %s", folder, why)
    shutil.rmtree(folder)
    return False


def _write_arrays(folder: Path, arrays: Arrays) -> None:
    """Write arrays whole or not at all."""
    # of a driver that was killed here; one driver at a time comes this way
    for left_over in folder.parent.glob(".*-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    with atomic_folder(folder) as unfinished:
        for name in ARRAYS:
            np.save(unfinished / f"{name}.npy", getattr(arrays, name), allow_pickle=False)
        digests = {name: file_digest(unfinished / f"{name}.npy") for name in ARRAYS}
        (unfinished / DIGESTS).write_text(json.dumps(digests), encoding="utf-8")


def store_arrays(arrays: Arrays, cache: Path) -> Path:
    """Write arrays under a name made of their content, unless they are there already.

    Args:
        arrays: a variant of prepared arrays, such as one with other guidance.
        cache: folder of all prepared data sets.

    Returns:
        Their folder; read it with `load_arrays`.
    """
    digest = hashlib.sha256()
    for name in ARRAYS:
        array = np.ascontiguousarray(getattr(arrays, name))
        digest.update(f"{name}{array.shape}{array.dtype.str}".encode() + array.tobytes())
    folder = cache / digest.hexdigest()[:16]
    if not _is_intact(folder):
        _write_arrays(folder, arrays)
    return folder


@lru_cache(maxsize=2)
def load_arrays(folder: Path) -> Arrays:
    """Read prepared arrays into memory, once per process.

    Raises:
        DamagedError: they are gone, or cannot be read; `prepare` makes them again.
    """
    try:
        return Arrays(**{name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ARRAYS})
    except (OSError, ValueError, EOFError) as error:
        raise DamagedError(
            folder, error_text(error), "Run the command of the sweep again: it makes them again"
        ) from error


def to_arrays(
    images: Sequence[Pixels],
    labels: Sequence[LabelImage],
    size: int,
    intensity: Intensity,
    cases: Sequence[str] = (),
) -> Arrays:
    """Prepare slices: intensities to 8 bit, then resize, image bilinear and mask nearest.

    Args:
        images: N images [H, W].
        labels: N label images [H, W], class values.
        size: rows and columns S of the result.
        intensity: clipping percentiles.
        cases: the case of each slice; if none is given, all are of one.

    Source:
        Paper section III.B.1.
    """
    small = np.stack([resize_image(to_8_bit(image, intensity), size, size) for image in images])
    masks = np.stack([resize_labels(label, size, size) for label in labels])
    refined = np.stack([refine_cavity(mask == Label.CAVITY) for mask in masks])
    numbers, _ = pd.factorize(np.asarray(cases or [""] * len(small)))
    return Arrays(small, masks, refined, numbers.astype(np.int32))
