"""The segmenter as MLflow serves it: this file is the code of `models:/lge-two-stage`, run when that is loaded.

Intensities float32 [N, H, W] in, finite or NaN where there is no anatomy; labels uint8 [N, H, W] out, background there.
It runs on ONNX; ``load_model(..., model_config={"runtime": "torch"})`` takes torch, where that is installed. A model
whose margin around the heart is in mm needs ``model_config={"pixel_mm": [row, column]}``, the size of the pixels of all
that it is given.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lge_sweep.errors import ModelError
from lge_sweep.segmenter.folder import find_loader, load_folder, read_settings
from lge_sweep.tracking import Predict, set_served


def load(folder: Path, settings: Mapping[str, Any]) -> Predict:
    """Return what predicts."""
    # any runtime will do: who loads this model has MLflow run this very file, which came with it
    segmenter, size = load_folder(folder, find_loader(settings["runtime"])), settings["pixel_mm"]
    if read_settings(folder).needs_spacing and not size:
        raise ModelError(
            "this model keeps a margin in mm around the heart and must be told the size of the pixels: "
            'load_model(..., model_config={"pixel_mm": [ROW, COLUMN]}), or lge-sweep predict, which reads it'
        )
    pixel_mm = (float(size[0]), float(size[1])) if size else None
    return lambda pixels: segmenter.segment(pixels, pixel_mm).labels


set_served(load)
