"""Whether class probabilities mean what they say: Brier score, reliability, expected calibration error.

Two readings of a table of probabilities, both given:

- of a class: among the pixels to which the class is given with a probability near p, a share p should be of the class;
- of the label (`TOP`): among the pixels whose likeliest class has a probability near p, a share p should be right.

Most pixels of a slice are background far from the heart, which every network knows: calibration over all of them says
little about the scar. `where` restricts it, to the wall, for instance.

Source: Brier, Mon Weather Rev 78, 1950; Guo et al., ICML 2017 (expected calibration error, equal-width bins); Nixon et
al., CVPR workshops 2019 (calibration of each class).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.arrays import LabelImage, Mask

TOP = "label"
"""In place of a class: the likeliest one of each pixel."""
BINS = 10
"""Bins of equal width that reliability is read in."""


@dataclass(frozen=True)
class Calibration:
    """How well class probabilities are calibrated.

    Attributes:
        pixels: how many were looked at.
        brier: mean over pixels of the sum over classes of (p - t)^2, 0 to 2, with t = 1 for the true class, else 0.
        table: a row a class, and `TOP`, and bin that is not empty: class, low, high (the bin's bounds), pixels,
            confidence (mean probability), frequency (share of pixels that are of the class, or right).
        scores: a row a class, and `TOP`: class, brier (mean (p - t)^2, 0 to 1), ece (sum over bins of the share of
            pixels times |frequency - confidence|) and mce (the largest of these differences).
    """

    pixels: int
    brier: float
    table: pd.DataFrame
    scores: pd.DataFrame


def measure_calibration(
    probabilities: NDArray[np.floating[Any]],
    labels: LabelImage,
    classes: Sequence[str],
    where: Mask | None = None,
    bins: int = BINS,
) -> Calibration:
    """Compare class probabilities with the truth.

    Bins are of equal width, closed above: (0, 0.1], (0.1, 0.2], ..., with 0 in the first.

    Args:
        probabilities: [N, K, H, W], each 0 to 1, those of a pixel with the sum 1 (to 1e-3).
        labels: [N, H, W], indices into `classes`.
        classes: K names.
        where: [N, H, W], the pixels that count; None: all.
        bins: how many, >= 1.

    Raises:
        ValueError: the arrays do not fit each other, no pixel counts, or the numbers are no probabilities.
    """
    p, truth = _flat(probabilities, labels, classes, where)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    hits = truth[:, None] == np.arange(len(classes))
    top = p.argmax(axis=1)
    columns = [(name, p[:, channel], hits[:, channel]) for channel, name in enumerate(classes)]
    columns.append((TOP, p[np.arange(len(p)), top], top == truth))
    tables = [_reliability(name, confidence, hit, bins) for name, confidence, hit in columns]
    scores = []
    for (name, confidence, hit), table in zip(columns, tables, strict=True):
        gaps = (table["frequency"] - table["confidence"]).abs()
        ece = float((gaps * table["pixels"]).sum() / len(p))
        scores.append((name, float(((confidence - hit) ** 2).mean()), ece, float(gaps.max())))
    return Calibration(
        pixels=len(p),
        brier=float(((p - hits) ** 2).sum(axis=1).mean()),
        table=pd.concat(tables, ignore_index=True),
        scores=pd.DataFrame(scores, columns=["class", "brier", "ece", "mce"]),
    )


def _flat(
    probabilities: NDArray[np.floating[Any]], labels: LabelImage, classes: Sequence[str], where: Mask | None
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Probabilities [P, K] and true classes [P] of the pixels that count, checked."""
    if probabilities.ndim != 4 or probabilities.shape[1] != len(classes):
        raise ValueError(f"probabilities must be [N, {len(classes)}, H, W], got {probabilities.shape}")
    shape = (len(probabilities), *probabilities.shape[2:])
    for name, array in (("labels", labels), ("where", where)):
        if array is not None and array.shape != shape:
            raise ValueError(f"{name} must be {shape}, as the probabilities are, got {array.shape}")
    counted = np.ones(shape, dtype=bool) if where is None else where.astype(bool)
    if not counted.any():
        raise ValueError("there is no pixel that counts")
    p = np.moveaxis(probabilities, 1, -1)[counted].astype(np.float64)
    truth = labels[counted].astype(np.intp)
    if not (np.isfinite(p).all() and (p >= 0).all() and (np.abs(p.sum(axis=1) - 1) <= 1e-3).all()):
        raise ValueError("probabilities must be 0 to 1, and those of a pixel sum to 1")
    if truth.min() < 0 or truth.max() >= len(classes):
        raise ValueError(f"labels must be 0 to {len(classes) - 1}, got {int(truth.min())} to {int(truth.max())}")
    return p, truth


def _reliability(name: str, confidence: NDArray[np.float64], hit: NDArray[np.bool_], bins: int) -> pd.DataFrame:
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    pixels = np.bincount(place, minlength=bins)
    filled = pixels > 0
    return pd.DataFrame(
        {
            "class": name,
            "low": edges[:-1][filled],
            "high": edges[1:][filled],
            "pixels": pixels[filled],
            "confidence": np.bincount(place, confidence, bins)[filled] / pixels[filled],
            "frequency": np.bincount(place, hit.astype(np.float64), bins)[filled] / pixels[filled],
        }
    )
