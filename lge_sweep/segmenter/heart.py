"""A segmenter that finds all classes in a square around the heart: slices of an exam in, labels out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from lge_sweep.arrays import LabelImage, Mask, Pixels, Pixels8, Probabilities
from lge_sweep.config.pipelines import Cleaning, Window
from lge_sweep.config.segmenter import Frame
from lge_sweep.data import NEIGHBOURS, REPEATED, channel_rows, network_inputs, resize_image, resize_labels, to_8_bit
from lge_sweep.errors import DataError
from lge_sweep.labels import SINGLE_STAGE, STAGES, Label
from lge_sweep.segmenter.cleaning import clean
from lge_sweep.segmenter.found import Found, Segmentation
from lge_sweep.segmenter.segment import (
    PixelSize,
    TwoStageSegmenter,
    check_pixels,
    find_cavity,
    refine,
    see_all,
    without_padding,
)
from lge_sweep.segmenter.views import Decide, Network, Seen, check_probabilities, likeliest, see


class Square(NamedTuple):
    """Part of a slice, in its own pixels: its first row and column, rows and columns. It may stick out."""

    top: int
    left: int
    rows: int
    columns: int


@dataclass(frozen=True)
class HeartSegmenter:
    """A network that says where the heart is, and one that finds everything there.

    Attributes:
        stage1: finds the cavity in whole slices; K = 2.
        network: finds all classes in the window; K = 4. Several are one: `Ensemble`; so are two in a `Cascade`.
        frame: what stage 1 sees of slices; S are its rows and columns.
        window: the square around the heart, T x T to the network; None: the whole slice, S x S.
        neighbours: whether the network sees the slices above and below in its first and third channel.
        cleaning: what cleans up.
        decide: says what the probabilities find.
    """

    stage1: Network
    network: Network
    frame: Frame
    window: Window | None = None
    neighbours: bool = False
    cleaning: Cleaning = field(default_factory=Cleaning)
    decide: Decide = likeliest

    def segment(self, pixels: Pixels, pixel_mm: PixelSize | None = None) -> Segmentation:
        """Segment the slices of an exam.

        Args:
            pixels: as for `TwoStageSegmenter.segment`.
            pixel_mm: their size; needed where `window.mm` is given.

        Raises:
            DataError: `pixels` is something else, or their size is needed and not known.
            ModelError: a network gives something else than `Network` says.
        """
        check_pixels(pixels)
        images = [to_8_bit(image, self.frame.intensity) for image in pixels]
        cavity = find_cavity(self._see_cavity, images, np.zeros(len(images), dtype=np.int32), self.frame.size)
        found = self.find_all(images, cavity, pixel_mm)
        labels = clean(without_padding(found.labels, np.isnan(pixels)), self.cleaning)
        return Segmentation(labels, found.cavity_found, found)

    def find_all(self, images: Sequence[Pixels8], cavity: Mask, pixel_mm: PixelSize | None) -> Found:
        """Find all classes in the slices of an exam, in the square around the heart.

        Args:
            images: N slices, 8 bit, all of one size.
            cavity: [N, S, S], as stage 1 finds it, not refined.
            pixel_mm: size of their pixels.
        """
        guidance = refine(cavity)
        square = place_window(guidance, images[0].shape, self.window, pixel_mm)
        size = self.window.rows if self.window else self.frame.size
        view = np.stack([cut_image(image, square, size) for image in images])
        rows = channel_rows(np.zeros(len(images), dtype=np.int32), NEIGHBOURS if self.neighbours else REPEATED)
        seen = see_all(self._see, network_inputs(view, rows, SINGLE_STAGE))
        values = np.array(STAGES[SINGLE_STAGE], dtype=np.uint8)
        return Found(
            labels=np.stack([paste(found, square, images[0].shape, self.decide) for found in seen.mean]),
            seen=view,
            labels_seen=values[self.decide(seen.mean)],
            probabilities=seen.mean,
            members=values[seen.members],
            scale=size**2 / (square.rows * square.columns),
            cavity_found=np.asarray(guidance.any(axis=(1, 2))),
        )

    def see_labels(self, labels: Sequence[LabelImage], cavity: Mask, pixel_mm: PixelSize | None) -> LabelImage:
        """Return labels of an exam in the view that the network has of it.

        Args:
            labels: of N slices, [H, W] each.
            cavity: as of `find_all`.
            pixel_mm: likewise.

        Returns:
            [N, T, T].
        """
        square = place_window(refine(cavity), labels[0].shape, self.window, pixel_mm)
        size = self.window.rows if self.window else self.frame.size
        return np.stack([cut_labels(image, square, size) for image in labels])

    def _see_cavity(self, batch: Pixels8) -> Probabilities:
        return check_probabilities(self.stage1(batch), batch, 1)

    def _see(self, batch: Pixels8) -> Seen:
        return see(self.network, batch, partial(check_probabilities, stage=SINGLE_STAGE), self.decide)


ExamSegmenter = TwoStageSegmenter | HeartSegmenter
"""Slices of an exam in, labels out: `segment`."""


def place_window(cavity: Mask, shape: tuple[int, ...], window: Window | None, pixel_mm: PixelSize | None) -> Square:
    """Return the square around the heart of an exam; the whole slice without a window.

    Its centre is the centre of mass of the cavity in all slices, rounded to whole pixels; that of the slice where no
    cavity was found.

    Args:
        cavity: [N, S, S], in the frame, which covers the whole slice.
        shape: rows and columns H, W of a slice.
        window: its side.
        pixel_mm: size of a slice's pixels; needed where its side is in mm.

    Raises:
        DataError: its side is in mm and the size of the pixels not known.
    """
    rows, columns = shape
    if window is None:
        return Square(0, 0, rows, columns)
    if window.pixels is not None:
        sides = (window.pixels, window.pixels)
    elif pixel_mm is None:
        raise DataError("exam", [f"the window around the heart is {window.mm:g} mm, and the pixels' size unknown"])
    else:
        assert window.mm is not None
        sides = (max(1, round(window.mm / pixel_mm[0])), max(1, round(window.mm / pixel_mm[1])))
    centre = (0.5, 0.5)
    if cavity.any():
        _, found_rows, found_columns = np.nonzero(cavity)
        centre = ((found_rows.mean() + 0.5) / cavity.shape[1], (found_columns.mean() + 0.5) / cavity.shape[2])
    return Square(round(centre[0] * rows - sides[0] / 2), round(centre[1] * columns - sides[1] / 2), sides[0], sides[1])


def cut_image(image: Pixels8, square: Square, size: int) -> Pixels8:
    """Return the intensities of a square; 0 where it sticks out of the image.

    Args:
        image: [H, W].
        square: where it lies.
        size: rows and columns of the result.
    """
    return resize_image(_cut(image, square), size, size)


def cut_labels(labels: LabelImage, square: Square, size: int) -> LabelImage:
    """Return the labels of a square; background where it sticks out of them.

    Args:
        labels: [H, W], values of `Label`.
        square: where it lies.
        size: rows and columns of the result.
    """
    return resize_labels(_cut(labels, square), size, size)


def _cut(image: Pixels8, square: Square) -> Pixels8:
    whole = np.zeros((square.rows, square.columns), dtype=np.uint8)
    inside, there = _overlap(square, image.shape)
    whole[inside] = image[there]
    return whole


def _overlap(square: Square, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return what of a square lies in an image, and where in the image it lies."""
    inside, there = [], []
    for start, side, length in zip(square[:2], square[2:], shape, strict=True):
        first, last = min(max(start, 0), length), min(max(start + side, 0), length)
        inside.append(slice(first - start, last - start))
        there.append(slice(first, last))
    return (inside[0], inside[1]), (there[0], there[1])


def paste(
    probabilities: Probabilities, square: Square, shape: tuple[int, ...], decide: Decide = likeliest
) -> LabelImage:
    """Return the class of each pixel of a slice; background outside of the square.

    Args:
        probabilities: [K, T, T] of all classes, in the square; brought to its own pixels bilinearly.
        square: where it lies.
        shape: rows and columns of the slice.
        decide: says what the probabilities find.

    Returns:
        [H, W], values of `Label`.
    """
    rows, columns = square.rows, square.columns
    if probabilities.shape[1:] != (rows, columns):
        resized = [cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_LINEAR) for plane in probabilities]
        probabilities = np.stack(resized)
    values = np.array(STAGES[SINGLE_STAGE], dtype=np.uint8)[decide(probabilities)]
    labels = np.full(shape, np.uint8(Label.BACKGROUND))
    inside, there = _overlap(square, shape)
    labels[there] = values[inside]
    return labels
