"""Clean up the labels of an exam: what is no heart, and scar that is too little to be told from noise."""

import cv2
import numpy as np

from lge_sweep.arrays import LabelImage, Mask
from lge_sweep.config.pipelines import Cleaning
from lge_sweep.labels import WALL, Label


def clean(labels: LabelImage, cleaning: Cleaning) -> LabelImage:
    """Clean up the labels of an exam, in the order of the settings.

    Args:
        labels: [N, H, W], values of `Label`; all slices of one exam, in their order.
        cleaning: what is done.

    Returns:
        [N, H, W]; `labels` itself where nothing is asked for.
    """
    if cleaning.largest_heart:
        labels = np.where(largest_piece(labels != Label.BACKGROUND), labels, np.uint8(Label.BACKGROUND))
    if cleaning.confine_scar:
        labels = np.stack([confine_scar(image) for image in labels])
    if cleaning.least_scar_pixels:
        labels = np.stack([without_specks(image, cleaning.least_scar_pixels) for image in labels])
    if cleaning.least_scar_share and scar_share(labels) < cleaning.least_scar_share:
        labels = np.where(labels == Label.SCAR, np.uint8(Label.MYOCARDIUM), labels)
    return labels


def scar_share(labels: LabelImage) -> float:
    """Return which share of the wall is scar, by pixels; 0 where there is no wall.

    Args:
        labels: any shape, values of `Label`.

    >>> scar_share(np.array([0, 1, 2, 2, 2, 3], dtype=np.uint8))
    0.25
    """
    wall = int(np.isin(labels, WALL).sum())
    return int((labels == Label.SCAR).sum()) / wall if wall else 0.0


def largest_piece(mask: Mask) -> Mask:
    """Return the largest piece of a mask [N, H, W] whose voxels touch by a face, an edge or a corner; of equals one."""
    from scipy.ndimage import label  # takes .1 s to load, and few segmenters need it

    pieces, count = label(mask, structure=np.ones((3, 3, 3)))
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())
    largest: Mask = pieces == 1 + sizes[1:].argmax()
    return largest


def without_specks(labels: LabelImage, least: int) -> LabelImage:
    """Make myocardium of scar in 8-connected pieces of fewer pixels.

    Args:
        labels: [H, W], values of `Label`.
        least: pixels of the smallest piece that stays.

    Returns:
        [H, W], a new array.
    """
    _, pieces, stats, _ = cv2.connectedComponentsWithStats((labels == Label.SCAR).astype(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < least
    small[0] = False
    cleaned: LabelImage = np.where(small[pieces], np.uint8(Label.MYOCARDIUM), labels)
    return cleaned


def confine_scar(labels: LabelImage) -> LabelImage:
    """Remove scar that is not part of the wall.

    Scar lies in the wall of the ventricle. An 8-connected component of scar none of whose pixels has a pixel of
    myocardium or cavity among its eight neighbours becomes background: nothing that was found says that there is wall
    (right ventricle, valves, pericardial fat, where the intensities alone look like scar). It does not become
    myocardium, for the same reason. A component that touches either stays whole, so a transmural scar stays, also where
    it borders on background outside, and also in a slice without a cavity.

    Args:
        labels: [H, W], values of `Label`.

    Returns:
        [H, W], a new array.
    """
    wall = np.isin(labels, (Label.CAVITY, Label.MYOCARDIUM)).astype(np.uint8)
    count, components = cv2.connectedComponents((labels == Label.SCAR).astype(np.uint8), connectivity=8)
    touching = np.unique(components[cv2.dilate(wall, np.ones((3, 3), dtype=np.uint8)) > 0])
    stray = np.setdiff1d(np.arange(1, count), touching)
    confined: LabelImage = np.where(np.isin(components, stray), np.uint8(Label.BACKGROUND), labels)
    return confined
