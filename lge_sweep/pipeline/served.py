"""The segmenter as MLflow serves it: this file is the code of `models:/lge-two-stage`, run when that is loaded.

Grey levels float32 [N, H, W] in, labels uint8 [N, H, W] out. It runs on ONNX;
``load_model(..., model_config={"runtime": "torch"})`` takes torch, where that is installed. A model whose margin around
the heart is in mm needs ``model_config={"pixel_mm": [row, column]}``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lge_sweep.pipeline.load import load_segmenter
from lge_sweep.tracking.served import Predict, serve


def load(folder: Path, settings: Mapping[str, Any]) -> Predict:
    """Return what predicts."""
    segmenter = load_segmenter(folder, settings["runtime"])
    pixel_mm = settings["pixel_mm"] and (float(settings["pixel_mm"][0]), float(settings["pixel_mm"][1]))
    return lambda pixels: segmenter.segment(pixels, pixel_mm).labels


serve(load)
