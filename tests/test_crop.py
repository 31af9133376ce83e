"""Resizing and cropping: where pixels come from and go to."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lge_sweep.data.crop import CropBox, crop_image, crop_labels, find_crop_box, uncrop_labels
from lge_sweep.data.resize import resize_image, resize_labels

SHAPES = [(64, 64), (50, 70), (37, 41), (128, 96), (200, 333), (1, 5)]


def disc(rows: int, columns: int) -> NDArray[np.uint8]:
    """A disc as wide as a third of the slice, in the slice's own proportions, off centre."""
    y, x = np.mgrid[:rows, :columns]
    inside = ((y + 0.5) / rows - 0.4) ** 2 + ((x + 0.5) / columns - 0.6) ** 2 < 0.17**2
    return np.asarray(inside, dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
def test_labels_come_from_the_pixel_their_centre_lies_in(shape: tuple[int, int]) -> None:
    labels = np.random.default_rng(0).integers(0, 4, (64, 64), dtype=np.uint8)
    resized = resize_labels(labels, *shape)
    numerators = [(2 * np.arange(length) + 1) * 64 for length in shape]  # exact: where centres lie, times 2 lengths
    later = [numerator // (2 * length) for numerator, length in zip(numerators, shape, strict=True)]
    # A centre on the edge of two pixels may take either.
    earlier = [(numerator - 1) // (2 * length) for numerator, length in zip(numerators, shape, strict=True)]
    allowed = [labels[np.ix_(rows, columns)] for rows in (later[0], earlier[0]) for columns in (later[1], earlier[1])]
    assert (np.stack(allowed) == resized).any(axis=0).all()
    assert np.array_equal(resized, cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT))


@pytest.mark.parametrize("shape", SHAPES[:-1])
def test_there_and_back_does_not_shift(shape: tuple[int, int]) -> None:
    """An image to the frame, thresholded there, and back: the centre of mass stays within a tenth of a pixel."""
    image = disc(*shape) * 255
    frame = (resize_image(image, 64, 64) > 127).astype(np.uint8)
    back = resize_labels(frame, *shape)
    coarse = max(1.0, max(shape) / 64)  # exam pixels a frame pixel
    for axis in (0, 1):
        centre, centre_back = (np.nonzero(mask)[axis].mean() for mask in (image, back))
        assert centre_back == pytest.approx(centre, abs=0.1 * coarse)
    overlap = 2 * (back & (image > 0)).sum() / (back.sum() + (image > 0).sum())
    assert overlap > 0.9


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_whole_factors_are_undone_exactly(factor: int) -> None:
    labels = np.random.default_rng(1).integers(0, 4, (24, 18), dtype=np.uint8)
    assert np.array_equal(resize_labels(resize_labels(labels, 24 * factor, 18 * factor), 24, 18), labels)


def test_a_size_that_fits_is_left_alone() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert resize_image(image, 3, 4) is image
    assert resize_labels(image, 3, 4) is image


@pytest.mark.parametrize(
    ("rows", "columns", "margin", "box"),
    [
        ((5, 8), (5, 8), 0, CropBox(5, 5, 4)),  # rows and columns of the mask, the last included
        ((5, 8), (5, 8), 2, CropBox(3, 3, 8)),
        ((5, 6), (2, 9), 0, CropBox(2, 2, 8)),  # squared about the centre 6.0
        ((5, 7), (2, 9), 0, CropBox(2, 2, 8)),  # centre 6.5: the odd pixel goes to the top
        ((0, 3), (16, 19), 1, CropBox(0, 14, 6)),  # moved inside, not cut
        ((3, 12), (0, 19), 3, CropBox(0, 0, 20)),  # larger than the slice: all of it
        ((10, 10), (10, 10), 9, CropBox(1, 1, 19)),
    ],
)
def test_boxes_by_hand(rows: tuple[int, int], columns: tuple[int, int], margin: int, box: CropBox) -> None:
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1] = True
    assert find_crop_box(mask, margin) == box


def test_a_box_holds_the_mask_and_its_margin_and_lies_inside() -> None:
    random = np.random.default_rng(2)
    for _ in range(300):
        mask = np.zeros((40, 40), dtype=np.bool_)
        mask[tuple(random.integers(0, 40, (2, 5)))] = True
        margin = int(random.integers(0, 8))
        box = find_crop_box(mask, margin)
        assert min(box.top, box.left) >= 0
        assert max(box.top, box.left) + box.side <= 40
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        assert box.side == min(max(width, height) + 2 * margin, 40)
        near = np.zeros_like(mask)
        near[max(y - margin, 0) : y + height + margin, max(x - margin, 0) : x + width + margin] = True
        assert near[box.region].sum() == near.sum()


def test_without_a_mask_the_box_is_the_slice() -> None:
    assert find_crop_box(np.zeros((9, 9), dtype=np.bool_), 3) == CropBox(0, 0, 9)


def test_a_mask_that_is_not_square_or_a_negative_margin_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"must have the shape \[S, S\]; got \(3, 4\)"):
        find_crop_box(np.zeros((3, 4), dtype=np.bool_), 0)
    with pytest.raises(ValueError, match="at least 0 pixels; got -1"):
        find_crop_box(np.zeros((3, 3), dtype=np.bool_), -1)


@pytest.mark.parametrize("box", [CropBox(0, 0, 64), CropBox(10, 20, 16), CropBox(33, 0, 31), CropBox(1, 2, 61)])
def test_what_is_cropped_can_be_put_back(box: CropBox) -> None:
    """Enlarging by nearest neighbour loses nothing: putting back gives the labels of the square, and 0 elsewhere."""
    labels = np.random.default_rng(3).integers(1, 4, (64, 64), dtype=np.uint8)
    expected = np.zeros_like(labels)
    expected[box.region] = labels[box.region]
    assert np.array_equal(uncrop_labels(crop_labels(labels, box, 64, 64), box, 64), expected)


def test_image_and_labels_are_cropped_alike() -> None:
    """A bright disc and its mask, cropped: the same disc, to within a pixel's width along the edge."""
    mask = disc(64, 64)
    box = find_crop_box(mask.view(np.bool_), 6)
    image, labels = crop_image(mask * 200, box, 64, 64), crop_labels(mask, box, 64, 64)
    assert image.shape == labels.shape == (64, 64)
    assert ((image > 100) == (labels > 0)).mean() > 0.97
    for axis in (0, 1):
        assert np.nonzero(image > 100)[axis].mean() == pytest.approx(np.nonzero(labels)[axis].mean(), abs=0.25)


@pytest.mark.parametrize("shape", [(128, 128), (90, 128), (64, 200), (33, 47)])
@pytest.mark.parametrize("box", [CropBox(0, 0, 64), CropBox(10, 20, 16), CropBox(33, 0, 31)])
def test_crops_of_slices_of_any_shape(shape: tuple[int, int], box: CropBox) -> None:
    """Each pixel of a crop has the label of the slice's pixel that its centre lies in."""
    labels = np.random.default_rng(4).integers(0, 4, shape, dtype=np.uint8)
    places = (np.arange(48) + 0.5) / 48 * box.side
    rows, columns = (((start + places) * length / 64) for start, length in zip((box.top, box.left), shape, strict=True))
    edges = [(a, b) for a in (-1e-9, 1e-9) for b in (-1e-9, 1e-9)]  # a centre on the edge of two pixels may take either
    allowed = [labels[np.ix_((rows + a).astype(int), (columns + b).astype(int))] for a, b in edges]
    assert (np.stack(allowed) == crop_labels(labels, box, 64, 48)).any(axis=0).all()
    ramp = np.add.outer(np.arange(shape[0]), np.zeros(shape[1])) * (200 / shape[0])
    image = crop_image(ramp.astype(np.uint8), box, 64, 48)
    inner = np.s_[8:-8]  # away from the slice's edge, where the kernel is cut
    np.testing.assert_allclose(image[inner, 20], ((rows - 0.5) * (200 / shape[0]))[inner], atol=4)


def test_the_crop_of_the_whole_frame_is_the_frame() -> None:
    image = np.random.default_rng(5).integers(0, 256, (90, 128), dtype=np.uint8)
    assert np.array_equal(crop_image(image, CropBox(0, 0, 64), 64, 64), resize_image(image, 64, 64))
    assert np.array_equal(crop_labels(image, CropBox(0, 0, 64), 64, 64), resize_labels(image, 64, 64))
