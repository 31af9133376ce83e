"""How good an image is for the task: the contrast between blood and wall, against what each varies by itself."""

import math

import numpy as np

from lge_sweep.arrays import LabelImage, Pixels
from lge_sweep.labels import Label

_TISSUES = (Label.CAVITY, Label.MYOCARDIUM)


def contrast_to_noise(image: Pixels, labels: LabelImage) -> float | None:
    """Return the contrast-to-noise ratio of blood and normal myocardium on a slice.

    That is (mean of the cavity - mean of the myocardium without scar) / sqrt((variance of the one + variance of the
    other) / 2): by how many of their own standard deviations the two tissues are apart. What varies within a tissue is
    noise, coils, papillary muscles and pixels that are half one, half the other; no air is needed, whose noise parallel
    imaging and a processed image do not show. The number does not change with the intensities' scale and offset.

    Args:
        image: [H, W] intensities of the exam itself; NaN is no anatomy.
        labels: [H, W] values of `Label`, the reference's.

    Returns:
        Positive where blood is the brighter; None where either has fewer than two pixels, or neither varies.

    Source: ours; the form is Cohen's d.

    >>> image = np.array([[10.0, 12.0, 20.0, 22.0]])
    >>> contrast_to_noise(image, np.array([[2, 2, 1, 1]], dtype=np.uint8))
    10.0
    """
    tissues = [image[(labels == label) & np.isfinite(image)].astype(np.float64) for label in _TISSUES]
    if min(map(len, tissues)) < 2:
        return None
    blood, muscle = tissues
    noise = math.sqrt((blood.var() + muscle.var()) / 2)
    return float((blood.mean() - muscle.mean()) / noise) if noise > 0 else None
