"""Both stages as one thing: slices of an exam in, labels out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lge_sweep.arrays import CaseNumbers, LabelImage, Mask, Pixels, Pixels8
from lge_sweep.config.pipelines import Cleaning
from lge_sweep.config.segmenter import Frame, Options
from lge_sweep.data import (
    CropBox,
    channel_rows,
    crop_image,
    crop_mask,
    find_crop_box,
    network_inputs,
    refine_cavity,
    resize_image,
    resize_labels,
    smooth_cavity,
    to_8_bit,
    uncrop_labels,
)
from lge_sweep.errors import DataError
from lge_sweep.labels import STAGES, Label
from lge_sweep.segmenter.cleaning import clean, confine_scar
from lge_sweep.segmenter.found import Found, Segmentation
from lge_sweep.segmenter.views import Network, Seen, check_probabilities, see, seen_from_all_sides

PixelSize = tuple[float, float]
"""Distance between the centres of neighbouring pixels along a column and along a row, in mm: DICOM's Pixel Spacing."""

BATCH = 8
"""Slices a network is given at once."""


@dataclass(frozen=True)
class TwoStageSegmenter:
    """Two networks and how to use them.

    Attributes:
        stage1: finds the cavity; K = 2.
        stage2: finds myocardium and scar; K = 3.
        frame: what both see of slices; S are its rows and columns.
        options: what is done beyond the paper.
        cleaning: what cleans up an exam's labels, last.

    Source:
        Paper sections III.B.1 and III.K, Fig. 4.
    """

    stage1: Network
    stage2: Network
    frame: Frame
    options: Options = field(default_factory=Options)
    cleaning: Cleaning = field(default_factory=Cleaning)

    def segment(self, pixels: Pixels, pixel_mm: PixelSize | None = None) -> Segmentation:
        """Segment the slices of an exam.

        Each slice becomes 8 bit and is resized to S x S, as for training. Final labels of that frame are the refined
        cavity, else stage 2's class; they are brought back to the exam's size by nearest neighbour (`resize_labels`
        says why that is the inverse).

        Args:
            pixels: [N, H, W] intensities in any unit and of any real number type: finite, or NaN where there is no
                anatomy (padding).
            pixel_mm: their size; needed where `options.crop_margin_mm` is given.

        Returns:
            Labels [N, H, W]; background where there is no anatomy.

        Raises:
            DataError: `pixels` is something else, or their size is needed and not known.
            ModelError: a network gives something else than `Network` says.
        """
        check_pixels(pixels)
        images = [to_8_bit(image, self.frame.intensity) for image in pixels]
        cavity = self.find_cavity(images, np.zeros(len(images), dtype=np.int32))
        found = self.find_all(images, cavity, pixel_mm)
        labels = clean(without_padding(found.labels, np.isnan(pixels)), self.cleaning)
        return Segmentation(labels, found.cavity_found, found)

    def find_all(self, images: Sequence[Pixels8], cavity: Mask, pixel_mm: PixelSize | None) -> Found:
        """Find all classes in the slices of an exam, given the cavity; what members find is in the frame.

        Args:
            images: N slices, 8 bit, all of one size H, W.
            cavity: [N, S, S], as stage 1 finds it, not refined.
            pixel_mm: size of their pixels.
        """
        guidance = refine(cavity)
        edged = _edged(cavity, self.options) if self.options.inner_cavity else guidance
        view, seen = self._see_wall(images, guidance, [pixel_mm] * len(images))
        walls = [seen.mean.argmax(axis=1), *(seen.members if len(seen.members) > 1 else ())]
        whole, *members = [_lay(edged, self._uncropped(wall, view.boxes), self.options) for wall in walls]
        rows, columns = images[0].shape
        return Found(
            labels=np.stack([resize_labels(frame, rows, columns) for frame in whole]),
            seen=view.images,
            labels_seen=whole,
            probabilities=seen.mean,
            members=np.stack(members or [whole]),
            scale=self.frame.size**2 / (rows * columns),
            cavity_found=np.asarray(guidance.any(axis=(1, 2))),
        )

    def find_cavity(self, images: Sequence[Pixels8], cases: CaseNumbers) -> Mask:
        """Run stage 1: N slices -> cavity [N, S, S] as the network finds it, not refined.

        Args:
            images: 8 bit, of any size.
            cases: [N], number of each slice's case; the slices of a case lie together, in their order.
        """
        return find_cavity(lambda batch: self._see(batch, 1).mean, images, cases, self.frame.size)

    def find_wall(self, images: Sequence[Pixels8], cavity: Mask, pixel_mm: Sequence[PixelSize | None]) -> LabelImage:
        """Run stage 2: N slices and their refined cavities [N, S, S] -> myocardium and scar, values of `Label`.

        With a crop margin, slice and cavity are cropped, and the composite is made of the crops.

        Args:
            images: 8 bit, of any size.
            cavity: in the frame.
            pixel_mm: of each slice.

        Returns:
            [N, S, S], in the frame.

        Raises:
            DataError: the margin is in mm and the size of a slice's pixels not known.
        """
        view, seen = self._see_wall(images, cavity, pixel_mm)
        return self._uncropped(seen.mean.argmax(axis=1), view.boxes)

    def _uncropped(self, channels: NDArray[np.integer[Any]], boxes: Sequence[CropBox]) -> LabelImage:
        """Put stage 2's channels [N, S, S] back where they were cropped, as values of `Label`."""
        found = np.array(STAGES[2], dtype=np.uint8)[channels]
        return np.stack([uncrop_labels(labels, box, self.frame.size) for labels, box in zip(found, boxes, strict=True)])

    def _see_wall(
        self, images: Sequence[Pixels8], cavity: Mask, pixel_mm: Sequence[PixelSize | None]
    ) -> "tuple[Stage2View, Seen]":
        """Run stage 2 on what it sees of slices; arguments are those of `find_wall`."""
        view = stage2_view(images, cavity, pixel_mm, self.frame, self.options)
        alone = channel_rows(np.arange(len(images), dtype=np.int32))
        return view, see_all(lambda batch: self._see(batch, 2), network_inputs(view.images, alone, 2, view.guidance))

    def _see(self, inputs: Pixels8, stage: int) -> Seen:
        """Run a network, in four rotations if asked for: [B, 3, S, S] -> [B, K, S, S]."""
        network = self.stage1 if stage == 1 else self.stage2
        if not self.options.rotations:
            return see(network, inputs, partial(check_probabilities, stage=stage))
        return see(seen_from_all_sides(lambda views: check_probabilities(network(views), views, stage), 4), inputs)


def find_cavity(stage1: Network, images: Sequence[Pixels8], cases: CaseNumbers, size: int) -> Mask:
    """Run stage 1: N slices -> cavity [N, S, S] as the network finds it, not refined.

    Args:
        stage1: the network; K = 2.
        images: 8 bit, of any size.
        cases: [N], number of each slice's case; the slices of a case lie together, in their order.
        size: rows and columns S of the frame.
    """
    frames = np.stack([resize_image(image, size, size) for image in images])
    found: Mask = classify(stage1, network_inputs(frames, channel_rows(cases), 1), 1) == Label.CAVITY
    return found


class Stage2View(NamedTuple):
    """What stage 2 sees of N slices, in training as in use."""

    boxes: list[CropBox]
    """The square of the frame that is seen of each."""
    images: Pixels8
    """[N, S, S]."""
    guidance: Mask
    """[N, S, S]; empty where it sees none."""


def stage2_view(
    images: Sequence[Pixels8], cavity: Mask, pixel_mm: Sequence[PixelSize | None], frame: Frame, options: Options
) -> Stage2View:
    """Return what stage 2 sees of N slices; with a crop margin, slice and cavity are cropped.

    Args:
        images: 8 bit, of any size.
        cavity: [N, S, S], refined, in the frame.
        pixel_mm: size of each slice's pixels.
        frame: what networks see of slices.
        options: the margin, and whether there is guidance.

    Raises:
        DataError: the margin is in mm and the size of a slice's pixels not known.
    """
    boxes = [
        seen_box(mask, image.shape, size, options) for image, mask, size in zip(images, cavity, pixel_mm, strict=True)
    ]
    guidance = cavity if options.guided else np.zeros_like(cavity)
    size = frame.size
    return Stage2View(
        boxes,
        np.stack([crop_image(image, box, size, size) for image, box in zip(images, boxes, strict=True)]),
        np.stack([crop_mask(mask, box, size) for mask, box in zip(guidance, boxes, strict=True)]),
    )


def seen_box(cavity: Mask, shape: tuple[int, ...], pixel_mm: PixelSize | None, options: Options) -> CropBox:
    """Return the square of the frame that stage 2 sees.

    Args:
        cavity: [S, S], refined, in the frame.
        shape: rows and columns of the slice.
        pixel_mm: size of its pixels.
        options: the margin around the cavity. One in mm becomes whole pixels of the frame, rounded up; where these are
            not square, by their shorter side.

    Raises:
        DataError: the margin is in mm and the size of the pixels not known.
    """
    size, margin = len(cavity), options.crop_margin
    if options.crop_margin_mm is not None and cavity.any():
        if pixel_mm is None:
            margin_mm = f"the margin around the heart is {options.crop_margin_mm:g} mm"
            raise DataError("exam", [f"{margin_mm}, and the size of the pixels is not known"])
        frame_mm = min(mm * length / size for mm, length in zip(pixel_mm, shape, strict=True))
        margin = math.ceil(round(options.crop_margin_mm / frame_mm, 4))  # NIfTI has the same spacing as a float32
    return CropBox(0, 0, size) if margin is None else find_crop_box(cavity, margin)


def refine(found: Mask) -> Mask:
    """Refine the cavity of each slice: [N, S, S] -> [N, S, S], what guides stage 2."""
    return np.stack([refine_cavity(mask) for mask in found])


def join(found: Mask, wall: LabelImage, options: Options) -> LabelImage:
    """Return final labels [N, S, S]: the refined cavity, else stage 2's class; the other way round with `wall_first`.

    Args:
        found: [N, S, S], the cavity as stage 1 (or the truth) has it.
        wall: [N, S, S], values of `Label`, as `find_wall` returns it.
        options: what is done beyond the paper.
    """
    return _lay(_edged(found, options), wall, options)


def _edged(found: Mask, options: Options) -> Mask:
    """Return the final cavity; without the edge that the refinement adds, if asked for."""
    return np.stack([smooth_cavity(mask) for mask in found]) if options.inner_cavity else refine(found)


def _lay(cavity: Mask, wall: LabelImage, options: Options) -> LabelImage:
    """Lay the final cavity over the wall, or the other way round."""
    labels = np.where(cavity, np.uint8(Label.CAVITY), wall)
    if options.wall_first:
        labels = np.where(wall == Label.BACKGROUND, labels, wall)
    return np.stack([confine_scar(slice_) for slice_ in labels]) if options.confine_scar else labels


def see_all(run: Callable[[Pixels8], Seen], inputs: Pixels8) -> Seen:
    """Run what sees a batch on all inputs [N, 3, S, S]."""
    found = [run(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)]
    return Seen(np.concatenate([one.mean for one in found]), np.concatenate([one.members for one in found], axis=1))


def classify(network: Network, inputs: Pixels8, stage: int) -> LabelImage:
    """Return the most probable class of each pixel, as values of `Label`.

    Args:
        network: of the stage.
        inputs: [N, 3, S, S], what it sees.
        stage: a key of `STAGES`.

    Returns:
        [N, S, S].
    """
    values = np.array(STAGES[stage], dtype=np.uint8)
    batches = [inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH)]
    return np.concatenate([values[network(batch).argmax(axis=1)] for batch in batches])


def check_pixels(pixels: Pixels) -> None:
    """Raise a DataError unless `pixels` are intensities [N, H, W], finite or NaN."""
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise DataError("exam", [f"must be slices, rows and columns [N, H, W], none of them 0; got {pixels.shape}"])
    if not (np.issubdtype(pixels.dtype, np.integer) or np.issubdtype(pixels.dtype, np.floating)):
        raise DataError("exam", [f"intensities must be integers or real numbers; got {pixels.dtype}"])
    if np.isinf(pixels).any():
        bad = [index for index, image in enumerate(pixels) if np.isinf(image).any()]
        rule = "intensities must be finite, or nan where there is no anatomy"
        raise DataError("exam", [f"{rule}; replace inf in slices {bad} (counted from 0)"])


def without_padding(labels: LabelImage, padding: Mask) -> LabelImage:
    """Return labels that are background wherever the image has no anatomy; both of one shape."""
    return np.where(padding, np.uint8(Label.BACKGROUND), labels)
