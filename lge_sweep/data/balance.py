"""How rare each class is in the training subset."""

import numpy as np

from lge_sweep.arrays import LabelImage
from lge_sweep.labels import STAGES, stage_target


def class_weights(labels: LabelImage, stage: int) -> tuple[float, ...]:
    """Weigh classes by median-frequency balancing: weight = median of the frequencies / frequency of the class.

    The frequency of a class is its share of the pixels of those slices that have it.

    Args:
        labels: [N, H, W], values of `Label`; the training slices and no others.
        stage: 1 or 2.

    Returns:
        One weight a channel of the stage. A class without a pixel gets weight 0: there is nothing to balance.

    Source: Eigen and Fergus, ICCV 2015, section 4.3.3; MATLAB's examples for pixelClassificationLayer do the same.

    >>> labels = np.array([[[0, 0, 0, 1]], [[0, 0, 0, 0]]], dtype=np.uint8)
    >>> class_weights(labels, 1)
    (0.6428571428571429, 2.25)
    """
    targets = stage_target(labels, stage)
    pixels = np.stack([(targets == channel).sum(axis=(1, 2)) for channel in range(len(STAGES[stage]))], axis=1)
    seen = (pixels > 0).sum(axis=0) * targets[0].size
    frequency = np.divide(pixels.sum(axis=0), seen, out=np.zeros(pixels.shape[1]), where=seen > 0)
    present = frequency[frequency > 0]
    weights = np.divide(np.median(present), frequency, out=np.zeros_like(frequency), where=frequency > 0)
    return tuple(float(weight) for weight in weights)
