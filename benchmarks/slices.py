"""Slices to measure on: the truth of simulated exams, and predictions of it with the errors that networks make."""

import cv2
import numpy as np

from lge_sweep.arrays import LabelImage, Pixels8
from lge_sweep.config.data import Intensity, Phantom
from lge_sweep.data import resize_image, resize_labels, to_8_bit
from lge_sweep.ingest import Volume, read
from lge_sweep.labels import Label

PER_EXAM = 10


def simulate(slices: int, size: int = 256) -> Volume:
    """Return one simulated exam."""
    return read(Phantom(kind="phantom", cases=1, slices=slices, size=size))[0]


def simulate_slices(count: int, size: int) -> tuple[Pixels8, LabelImage, float]:
    """Return so many slices of simulated exams: intensities and labels [N, S, S], and the size of a pixel in mm."""
    settings = Phantom(kind="phantom", cases=-(-count // PER_EXAM), slices=min(count, PER_EXAM))
    exams = read(settings)
    images = [to_8_bit(image, Intensity()) for exam in exams for image in exam.pixels][:count]
    labels = [one for exam in exams if exam.labels is not None for one in exam.labels][:count]
    return (
        np.stack([resize_image(image, size, size) for image in images]),
        np.stack([resize_labels(one, size, size) for one in labels]),
        settings.pixel_mm * settings.size / size,
    )


def make_errors(truth: LabelImage, seed: int = 0) -> LabelImage:
    """Return labels [N, S, S] as a network might find them: shifted, grown, shrunk, relabelled, missed, with specks."""
    random = np.random.default_rng(seed)
    return np.stack([_spoil(labels, random) for labels in truth])


def _spoil(labels: LabelImage, random: np.random.Generator) -> LabelImage:
    reach = max(2, len(labels) // 48)
    spoilt = np.roll(labels, random.integers(-reach, reach + 1, size=2), axis=(0, 1))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * (reach // 2) + 1,) * 2)
    for label in (Label.MYOCARDIUM, Label.SCAR, Label.CAVITY):  # later ones win
        mask = (spoilt == label).astype(np.uint8)
        grown = cv2.dilate(mask, kernel) if random.random() < 0.5 else cv2.erode(mask, kernel)
        spoilt = np.where(grown > 0, np.uint8(label), np.where(mask > 0, np.uint8(Label.MYOCARDIUM), spoilt))
    if random.random() < 0.15:  # scar that is not seen
        spoilt = np.where(spoilt == Label.SCAR, np.uint8(Label.MYOCARDIUM), spoilt)
    for label in (Label.SCAR, Label.CAVITY):
        row, column = random.integers(0, len(labels) - reach, size=2)
        spoilt[row : row + reach, column : column + reach] = label
    rim = np.argwhere(spoilt == Label.CAVITY)
    holes = rim[random.integers(0, len(rim), size=len(rim) // 50)]
    spoilt[holes[:, 0], holes[:, 1]] = Label.BACKGROUND
    found: LabelImage = spoilt.astype(np.uint8)
    return found
