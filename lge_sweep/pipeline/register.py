"""A segmenter as a model others can load: `models:/lge-two-stage@champion`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

import lge_sweep.segmenter
from lge_sweep.hashing import file_digest
from lge_sweep.segmenter import NAME, SETTINGS, read_settings
from lge_sweep.tracking import PackageEntry, Tracker, Version, find_version, register_package


def register_segmenter(
    tracker: Tracker, folder: Path, run_key: str, origin: str, *, facts: Mapping[str, str], about: str
) -> Version:
    """Register a segmenter, once; `promote` makes it the champion.

    Its key is the origin and the first 16 digits of the SHA-256 of its settings, which have the digests of the
    networks.

    Args:
        tracker: MLflow.
        folder: what `write_segmenter` wrote.
        run_key: key of the run that the model is shown with.
        origin: what the segmenter was made by, such as the folder of phase 4.
        facts: tags of the version, `collapsed` among them ("no", or the classes that are never predicted).
        about: what it is, one sentence.

    Returns:
        The version, new or found.

    Raises:
        ModelError: the folder is none of a segmenter's.
        RunsError: the run is not there, or the model cannot be saved.
    """
    settings = read_settings(folder)
    key = f"{origin}/{file_digest(folder / SETTINGS)[:16]}"
    there = find_version(tracker, NAME, key)
    if there is not None:
        return there
    exams = "slices of any exams"
    if settings.needs_spacing:
        exams = 'with pixels of the size that `model_config={"pixel_mm": [row, column]}` says'
    description = (
        f"{about}. Input: intensities float32 [N, H, W] of any unit and size, {exams}; each is "
        f"clipped, made 8 bit and resized inside, whole to {settings.size} x {settings.size}. Output: labels uint8 "
        "[N, H, W], 0 background, 1 cavity, 2 myocardium, 3 scar. It runs on ONNX; "
        '`model_config={"runtime": "torch"}` takes torch. Research use only.'
    )
    package = PackageEntry(
        name=NAME,
        key=key,
        run_key=run_key,
        example=np.zeros((2, 32, 32), dtype=np.float32),  # no patient's: it is saved with the model
        facts={**facts, **settings.facts},
        description=description,
        folder=folder,
        code=Path(lge_sweep.segmenter.__file__).with_name("served.py"),
        settings={"runtime": "onnx", "pixel_mm": None},
    )
    return register_package(tracker, package)
