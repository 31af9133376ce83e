"""Write simulated exams as a folder of image pairs."""

from pathlib import Path

import numpy as np
from PIL import Image

from lge_sweep.config.data import Phantom
from lge_sweep.errors import DataError
from lge_sweep.ingest.phantom import simulate


def write_phantom(output: Path, cases: int, seed: int) -> str:
    """Write `images/` and `labels/` of the phantom as PNG: 16-bit grey, and masks of class values 0-3.

    Args:
        output: a folder that is new or empty.
        cases: number of exams.
        seed: the draw of the exams.

    Returns:
        A sentence on what was written.

    Raises:
        DataError: the folder holds something already, or cannot be written.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(str(output), ["is not an empty folder; nothing is overwritten"])
    volumes = simulate(Phantom(kind="phantom", cases=cases, seed=seed))
    try:
        for name in ("images", "labels"):
            (output / name).mkdir(parents=True, exist_ok=True)
        for volume in volumes:
            for index, name in enumerate(volume.slices):
                Image.fromarray(volume.pixels[index].astype(np.uint16)).save(output / "images" / f"{name}.png")
                Image.fromarray(volume.labels[index]).save(output / "labels" / f"{name}.png")
    except OSError as error:
        raise DataError(str(output), [f"cannot be written ({error.strerror})"]) from error
    slices = sum(len(volume.slices) for volume in volumes)
    return f"{output}: {slices} image pairs of {len(volumes)} simulated exams"
