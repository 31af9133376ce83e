"""Write the curated slices as pairs of 8-bit images and masks, with a data file that reads them back."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from PIL import Image

from lge_sweep.config.data import DataFile
from lge_sweep.curate import Curated
from lge_sweep.data.prepare import to_8_bit
from lge_sweep.errors import DataError
from lge_sweep.labels import COLOURS, Label

Format = Literal["bmp", "png"]
Masks = Literal["index", "colour"]
LOST = "spacing is in manifest.csv only: image pairs hold none"
PALETTE = np.array([COLOURS[label] for label in Label], dtype=np.uint8)


def write_pairs(curated: Curated, settings: DataFile, output: Path, kind: Format, masks: Masks) -> str:
    """Write `images/`, `labels/`, the manifest and a data file of the folder's name; all of it or nothing.

    Grey levels become 8 bit by the data file's own percentiles, slice by slice; the new data file clips nothing more,
    so that it gives the same 8-bit slices as the old one. Files are called ``<case>_slice<position>``.

    Args:
        curated: the slices.
        settings: the data file they came from; its split is kept.
        output: a folder that is new or empty.
        kind: format of images and masks.
        masks: `index`: grey levels 0-3 are the classes of `Label`; `colour`: RGB as in `COLOURS`.

    Returns:
        A sentence on what was written.

    Raises:
        DataError: the folder holds something already, or cannot be written.

    Source:
        Paper section III.A.
    """
    output = output.absolute()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(str(output), ["is not an empty folder; nothing is overwritten"])
    names = [f"{case}_slice{position:03d}" for case, position in zip(*_columns(curated.manifest), strict=True)]
    data_file = re.sub(r"[^\w.-]+", "_", output.name) + ".yaml"  # it names the folders of sweeps
    unfinished = output.with_name(f".{output.name}-{os.getpid()}")
    try:
        for folder in ("images", "labels"):
            (unfinished / folder).mkdir(parents=True)
        for name, image, labels in zip(names, curated.images, curated.labels, strict=True):
            _save(to_8_bit(image, settings.intensity), unfinished / "images" / f"{name}.{kind}")
            _save(PALETTE[labels] if masks == "colour" else labels, unfinished / "labels" / f"{name}.{kind}")
        curated.manifest.assign(file=names).to_csv(unfinished / "manifest.csv", index=False)
        (unfinished / data_file).write_text(_data_file(curated, settings, masks, output, data_file), encoding="utf-8")
        unfinished.rename(output)
    except OSError as error:
        raise DataError(str(output), [f"cannot be written ({error.strerror}); nothing was"]) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    cases = curated.manifest["case"].nunique()
    options = shlex.join(["--data", str(output / data_file), "--root", str(output)])
    return f"{output}: {len(names)} pairs of {cases} case(s); use them with {options}"


def _columns(manifest: pd.DataFrame) -> tuple[list[str], list[int]]:
    return manifest["case"].astype(str).tolist(), manifest["position"].astype(int).tolist()


def _save(array: NDArray[np.uint8], path: Path) -> None:
    Image.fromarray(np.ascontiguousarray(array)).save(path)


def _data_file(curated: Curated, settings: DataFile, masks: Masks, output: Path, name: str) -> str:
    content: Mapping[str, Any] = {
        "source": {
            "kind": "image_pairs",
            "images": "images",
            "labels": "labels",
            "case_pattern": r"^(?P<case>.+)_slice(?P<slice>\d+)$",
            "mask": {"kind": "index", "values": {int(label): label.title for label in Label}}
            if masks == "index"
            else {"kind": "colour", "colours": {label.title: list(COLOURS[label]) for label in Label}},
        },
        "curate": {"slices": "all"},
        "split": settings.split.model_dump(mode="json"),
        "intensity": {"clip_percentiles": [0, 100]},
    }
    low, high = settings.intensity.clip_percentiles
    cases, slices = curated.manifest["case"].nunique(), len(curated.manifest)
    header = (
        f"# {cases} case(s), {slices} slices, converted to 8-bit image pairs.\n"
        "#\n"
        f"# Source    kind {settings.source.kind}; grey levels clipped at percentiles {low:g} and {high:g} of a slice\n"
        f"# Command   make phase1 data={output.name}/{name} root={output.name}\n"
        "# Time      see README\n"
        f"# Expected  the same slices as the source's data file gives; {LOST}\n\n"
    )
    return header + yaml.safe_dump(dict(content), sort_keys=False, default_flow_style=None)
