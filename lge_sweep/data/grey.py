"""Intensities to 8 bit: the one place that says which grey level an intensity becomes."""

import numpy as np

from lge_sweep.arrays import Pixels, Pixels8
from lge_sweep.config.data import Intensity


def to_8_bit(image: Pixels, intensity: Intensity) -> Pixels8:
    """Clip intensities at percentiles of the slice and spread what lies between over 0-255.

    Args:
        image: [H, W] finite intensities in any unit, or NaN where there is no anatomy.
        intensity: the two percentiles, of the anatomy.

    Returns:
        [H, W] uint8; 0 where there is no anatomy. A slice whose two percentiles coincide is clipped at its minimum and
        maximum instead; one of a single intensity becomes 0.
    """
    intensities = image.astype(np.float64)
    padding = np.isnan(intensities)
    anatomy = intensities[~padding]
    if not anatomy.size:
        return np.zeros(intensities.shape, dtype=np.uint8)
    low, high = np.percentile(anatomy, intensity.clip_percentiles)
    if low == high:
        low, high = anatomy.min(), anatomy.max()
    if low == high:
        return np.zeros(intensities.shape, dtype=np.uint8)
    scaled = (np.clip(np.where(padding, low, intensities), low, high) - low) * (255.0 / (high - low))
    levels: Pixels8 = np.rint(scaled).astype(np.uint8)
    return levels
