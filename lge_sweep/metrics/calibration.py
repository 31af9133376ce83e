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
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.arrays import LabelImage, Mask

TOP = "label"
"""In place of a class: the likeliest one of each pixel."""
BINS = 10
"""Bins of equal width that reliability is read in."""


class BinSums(NamedTuple):
    """What calibration is made of, for each of C classes and `TOP`, G groups of pixels (cases) and B bins."""

    pixels: NDArray[np.float64]
    """[C, G, B], how many fall into the bin."""
    confidence: NDArray[np.float64]
    """[C, G, B], the sum of their probabilities."""
    hits: NDArray[np.float64]
    """[C, G, B], how many are of the class, or right."""
    squares: NDArray[np.float64]
    """[C, G], the sum of (p - t)^2."""


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
        sums: of which all of it is made, group by group.
    """

    pixels: int
    brier: float
    table: pd.DataFrame
    scores: pd.DataFrame
    sums: BinSums


def measure_calibration(
    probabilities: NDArray[np.floating[Any]],
    labels: LabelImage,
    classes: Sequence[str],
    where: Mask | None = None,
    *,
    bins: int = BINS,
    groups: NDArray[np.intp] | None = None,
) -> Calibration:
    """Compare class probabilities with the truth.

    Bins are of equal width, closed above: (0, 0.1], (0.1, 0.2], ..., with 0 in the first.

    Args:
        probabilities: [N, K, H, W], each 0 to 1, those of a pixel with the sum 1 (to 1e-3).
        labels: [N, H, W], indices into `classes`.
        classes: K names.
        where: [N, H, W], the pixels that count; None: all.
        bins: how many, >= 1.
        groups: [N, H, W], the number of each pixel's case, from 0; all are of one if not given.

    Raises:
        ValueError: the arrays do not fit each other, no pixel counts, or the numbers are no probabilities.
    """
    counted = _counted(probabilities, labels, classes, where)
    p, truth = _flat(probabilities, labels, counted)
    group = np.zeros(len(p), dtype=np.intp) if groups is None else groups[counted]
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    hits = truth[:, None] == np.arange(len(classes))
    top = p.argmax(axis=1)
    columns = [(name, p[:, channel], hits[:, channel]) for channel, name in enumerate(classes)]
    columns.append((TOP, p[np.arange(len(p)), top], top == truth))
    sums = BinSums(*map(np.stack, zip(*(_sum_up(said, hit, group, bins) for _, said, hit in columns), strict=True)))
    tables, scores = [], []
    for place, (name, *_) in enumerate(columns):
        table = _reliability(name, sums, place)
        gaps = (table["frequency"] - table["confidence"]).abs()
        ece = float((gaps * table["pixels"]).sum() / len(p))
        scores.append((name, float(sums.squares[place].sum() / len(p)), ece, float(gaps.max())))
        tables.append(table)
    return Calibration(
        pixels=len(p),
        brier=float(((p - hits) ** 2).sum(axis=1).mean()),
        table=pd.concat(tables, ignore_index=True),
        scores=pd.DataFrame(scores, columns=["class", "brier", "ece", "mce"]),
        sums=sums,
    )


def _counted(
    probabilities: NDArray[np.floating[Any]], labels: LabelImage, classes: Sequence[str], where: Mask | None
) -> Mask:
    """The pixels that count, [N, H, W]; the arrays are checked."""
    if probabilities.ndim != 4 or probabilities.shape[1] != len(classes):
        raise ValueError(f"probabilities must be [N, {len(classes)}, H, W], got {probabilities.shape}")
    shape = (len(probabilities), *probabilities.shape[2:])
    for name, array in (("labels", labels), ("where", where)):
        if array is not None and array.shape != shape:
            raise ValueError(f"{name} must be {shape}, as the probabilities are, got {array.shape}")
    counted = np.ones(shape, dtype=bool) if where is None else where.astype(bool)
    if not counted.any():
        raise ValueError("there is no pixel that counts")
    if labels[counted].max() >= len(classes):
        low, high = int(labels[counted].min()), int(labels[counted].max())
        raise ValueError(f"labels must be 0 to {len(classes) - 1}, got {low} to {high}")
    return counted


def _flat(
    probabilities: NDArray[np.floating[Any]], labels: LabelImage, counted: Mask
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Probabilities [P, K] and true classes [P] of the pixels that count, checked."""
    p = np.moveaxis(probabilities, 1, -1)[counted].astype(np.float64)
    truth = labels[counted].astype(np.intp)
    if not (np.isfinite(p).all() and (p >= 0).all() and (np.abs(p.sum(axis=1) - 1) <= 1e-3).all()):
        raise ValueError("probabilities must be 0 to 1, and those of a pixel sum to 1")
    return p, truth


def _sum_up(
    said: NDArray[np.float64], hit: NDArray[np.bool_], group: NDArray[np.intp], bins: int
) -> tuple[NDArray[np.float64], ...]:
    """Return pixels, probabilities and hits [G, B], and squared differences [G], of one class."""
    place = np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), said, side="left") - 1, 0, bins - 1)
    groups, flat = int(group.max()) + 1, group * bins + place
    summed = (np.bincount(flat, weights, groups * bins) for weights in (None, said, hit))
    by_bin = (numbers.astype(np.float64).reshape(groups, bins) for numbers in summed)
    return (*by_bin, np.bincount(group, (said - hit) ** 2, groups).astype(np.float64))


def _reliability(name: str, sums: BinSums, place: int) -> pd.DataFrame:
    pixels = sums.pixels[place].sum(axis=0).astype(np.intp)
    edges, filled = np.linspace(0, 1, len(pixels) + 1), pixels > 0
    return pd.DataFrame(
        {
            "class": name,
            "low": edges[:-1][filled],
            "high": edges[1:][filled],
            "pixels": pixels[filled],
            "confidence": sums.confidence[place].sum(axis=0)[filled] / pixels[filled],
            "frequency": sums.hits[place].sum(axis=0)[filled] / pixels[filled],
        }
    )
