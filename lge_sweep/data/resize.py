"""Resize images and masks; the one place that says where pixels come from."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lge_sweep.arrays import LabelImage, Pixels8

if TYPE_CHECKING:
    import pandas as pd  # takes half a second to import, and who segments an exam has no table

Rectangle = tuple[float, float, float, float]
"""Part of an image: top, left, bottom, right, in its pixels; the image itself is 0, 0, H, W."""


def resize_image(image: Pixels8, rows: int, columns: int, part: Rectangle | None = None) -> Pixels8:
    """Resize intensities, bilinear.

    Shrinking widens the bilinear kernel (no aliasing), as MATLAB's `imresize` and Pillow do.

    Args:
        image: [H, W], 0-255.
        rows: rows of the result, at least 1.
        columns: columns of the result, at least 1.
        part: what of the image is resized; none: all of it.

    Returns:
        [rows, columns]; `image` itself if it has that size.
    """
    return _resize(image, rows, columns, part, Image.Resampling.BILINEAR)


def resize_labels(labels: LabelImage, rows: int, columns: int, part: Rectangle | None = None) -> LabelImage:
    """Resize a mask or label image, nearest neighbour: no value arises that was not there.

    Both images cover the same rectangle. Pixel (i, j) of the result takes the value of the pixel that its centre lies
    in, (floor((i + 1/2) H / rows), floor((j + 1/2) W / columns)). `resize_image` has the same geometry, so resizing
    labels back undoes the resizing of their image, whichever of the two is larger; rows and columns each by their own
    factor. A centre that lies on the edge of two pixels (all do when halving) takes either: labels then move by half a
    pixel of `labels`, which is the most they ever move.

    Args:
        labels: [H, W].
        rows: rows of the result, at least 1.
        columns: columns of the result, at least 1.
        part: what of the labels is resized; none: all of them.

    Returns:
        [rows, columns]; `labels` itself if it has that size.
    """
    return _resize(labels, rows, columns, part, Image.Resampling.NEAREST)


def frame_spacing(manifest: "pd.DataFrame", size: int) -> NDArray[np.float64]:
    """Return the spacing of slices after they were resized to squares.

    Args:
        manifest: a row a slice: height and width in pixels, spacing_row_mm, spacing_column_mm (NaN: not known).
        size: rows and columns S of the squares.

    Returns:
        [N, 2], distance of the rows and of the columns, mm: the native ones times height / S and width / S.
    """
    native = manifest[["spacing_row_mm", "spacing_column_mm"]].to_numpy(dtype=np.float64)
    sides = manifest[["height", "width"]].to_numpy(dtype=np.float64)
    spacing: NDArray[np.float64] = native * sides / size
    return spacing


def _resize(image: Pixels8, rows: int, columns: int, part: Rectangle | None, method: Image.Resampling) -> Pixels8:
    if part is None and image.shape == (rows, columns):
        return image
    top, left, bottom, right = part or (0, 0, *image.shape)
    box = (left, top, right, bottom)
    return np.asarray(Image.fromarray(image).resize((columns, rows), method, box=box))
