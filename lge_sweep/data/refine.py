"""Clean a cavity mask and combine it with its image into the three-channel input of stage 2.

Source: paper, section III.K and Fig. 4. The paper's code is MATLAB, so every choice that Fig. 4 leaves open is MATLAB's
default; `tests/fixtures/refine` holds masks with what GNU Octave makes of them, and the result here is the same in
every pixel.
"""

from collections.abc import Callable

import cv2
import numpy as np

from lge_sweep.arrays import Mask, Pixels8

# MATLAB's strel("disk", r) for r < 3 is {(x, y): x^2 + y^2 <= r^2}, whatever its argument n.
_DISK_1: Pixels8 = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=np.uint8)
_DISK_2: Pixels8 = np.array(
    [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]], dtype=np.uint8
)

_REACH = 4
"""How far from the mask a pixel can matter to the result: the closing grows by 2 and then looks 2 further."""


def refine_cavity(mask: Mask | Pixels8) -> Mask:
    """Clean a cavity mask: one solid, smooth blob, one pixel larger than the smoothed mask on all sides.

    The steps, each on the result of the one before:

    1. fill holes: background that no 4-connected path of background joins to the image border;
    2. keep the largest 8-connected component; of equal ones, the first in column-major order (the leftmost column of a
       component decides, then the topmost pixel in it);
    3. open, then close with disk(2), the 13-pixel diamond. The outside of the image is 1 for every erosion and 0 for
       every dilation, so opening does not eat a cavity that touches the image border, and closing fills a gap between a
       cavity and the border where the dilated mask covers it;
    4. ``M_r = M or dilate(perimeter(M), disk(1))``, with the 4-connected perimeter and disk(1) the 5-pixel cross.

    An empty mask stays empty. One whose largest component is too small or too thin for disk(2) to fit in becomes empty:
    step 3 removes it (away from the image border every square below 5x5 and every strip below 5 pixels goes). That is
    Fig. 4 as published: no second component is tried and nothing is put in its place. A caller that must report it
    compares ``mask.any()`` with ``refined.any()``. Equally, step 3 may cut a component in two or close a bay into a
    hole, and Fig. 4 does not repeat steps 1 and 2; nor does this. Refining twice grows the mask twice.

    Args:
        mask: [H, W] bool, or uint8 with the values {0, 1} or {0, 255}; nonzero is cavity. H and W at least 1.

    Returns:
        [H, W] bool, a new array; True is cavity.

    Raises:
        TypeError: `mask` is not a numpy array of bool or uint8.
        ValueError: `mask` is not two-dimensional, has no pixels, or has other values (a label image, for example).

    Source: paper, Fig. 4, lines 2 to 5.
    """
    return _near(mask, lambda pixels: _reinforce_edge(_smooth(_largest_component(_fill_holes(pixels)))))


def smooth_cavity(mask: Mask | Pixels8) -> Mask:
    """Clean a cavity mask as `refine_cavity` does, without its step 4: the cavity itself, not one pixel more.

    Args:
        mask: as for `refine_cavity`.

    Returns:
        [H, W] bool, a new array; `refine_cavity` gives this with the edge around it.
    """
    return _near(mask, lambda pixels: _smooth(_largest_component(_fill_holes(pixels))).astype(np.bool_))


def _near(mask: Mask | Pixels8, clean: Callable[[Pixels8], Mask]) -> Mask:
    """Work on the mask's surroundings alone. What lies further off cannot matter: see _REACH."""
    pixels = _binary(mask)
    x, y, width, height = cv2.boundingRect(pixels)
    near = np.s_[max(y - _REACH, 0) : y + height + _REACH, max(x - _REACH, 0) : x + width + _REACH]
    cleaned: Mask = np.zeros(pixels.shape, dtype=np.bool_)
    cleaned[near] = clean(pixels[near])
    return cleaned


def composite(image: Pixels8, refined: Mask) -> Pixels8:
    """Combine an image and its refined cavity into stage 2's input: ``(I_m, 255 M_r, I)``.

    ``I_m`` is the image with the cavity set to 0. With an empty cavity this is ``(I, 0, I)``.

    Args:
        image: [H, W] uint8, intensity 0 .. 255.
        refined: [H, W] bool, the output of `refine_cavity`.

    Returns:
        [3, H, W] uint8, a new array.

    Raises:
        TypeError: `image` is not a numpy array of uint8, or `refined` not one of bool.
        ValueError: they are not two-dimensional, or not of the same shape.

    Source: paper, Fig. 4, lines 6 and 7.
    """
    _check_array("image", image, np.uint8)
    _check_array("refined", refined, np.bool_)
    if refined.shape != image.shape:
        raise ValueError(f"`refined` must have the shape of `image`, {image.shape}; got {refined.shape}")
    first: Pixels8 = composites(image[np.newaxis], refined[np.newaxis])[0]
    return first


def composites(images: Pixels8, refined: Mask) -> Pixels8:
    """Return the composites [N, 3, H, W] of N images [N, H, W] and their refined cavities [N, H, W]."""
    channels: Pixels8 = np.empty((len(images), 3, *images.shape[1:]), dtype=np.uint8)
    np.multiply(images, ~refined, out=channels[:, 0])
    np.multiply(refined, np.uint8(255), out=channels[:, 1])
    channels[:, 2] = images
    return channels


def _fill_holes(mask: Pixels8) -> Pixels8:
    """MATLAB's ``imfill(mask, "holes")``, on 0 and 1: flood the background from a frame around the image."""
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(framed, None, (0, 0), 2, flags=4)
    filled: Mask = framed[1:-1, 1:-1] != 2
    return filled.view(np.uint8)


def _largest_component(mask: Pixels8) -> Pixels8:
    """MATLAB's ``bwareafilt(mask, 1)``, on 0 and 1; an empty mask is returned as it is."""
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    if count == 1:
        return mask
    areas = np.bincount(labels[mask.view(np.bool_)])  # five times as fast as connectedComponentsWithStats
    largest = np.flatnonzero(areas == areas.max())
    # OpenCV does not promise any order of its labels, hence a look at the pixels, in column-major order, for a tie.
    winner = largest[0] if len(largest) == 1 else labels.T[np.isin(labels.T, largest)][0]
    component: Mask = labels == winner
    return component.view(np.uint8)


def _smooth(mask: Pixels8) -> Pixels8:
    """MATLAB's ``imclose(imopen(mask, se), se)`` with disk(2), on 0 and 1.

    OpenCV's default border is MATLAB's: it never wins, which is 1 outside for an erosion and 0 for a dilation, and
    the image is not padded between the two halves of an opening or closing. (scipy.ndimage erodes from the border.)
    """
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _DISK_2)
    return cv2.morphologyEx(opened, cv2.MORPH_CLOSE, _DISK_2).astype(np.uint8, copy=False)


def _reinforce_edge(mask: Pixels8) -> Mask:
    """MATLAB's ``mask | imdilate(bwperim(mask, 4), strel("disk", 1))``, on 0 and 1.

    This is the dilation of the whole mask: a background pixel with a 4-neighbour in the mask makes that neighbour a
    pixel of the 4-connected perimeter. For the same reason it does not matter whether the perimeter includes pixels on
    the image border (it does, in MATLAB and Octave).
    """
    return cv2.dilate(mask, _DISK_1).astype(np.bool_)


def _binary(mask: Mask | Pixels8) -> Pixels8:
    """Check a mask and return it as contiguous uint8 of 0 and 1."""
    _check_array("mask", mask, np.bool_, np.uint8)
    if mask.dtype == np.bool_:
        return np.ascontiguousarray(mask).view(np.uint8)
    top = mask.max()
    if top > 1 and (top < 255 or np.any((mask > 0) & (mask < 255))):
        raise ValueError(f"`mask` must have the values {{0, 1}} or {{0, 255}}; got {np.unique(mask)[:8].tolist()}")
    return (mask > 0).view(np.uint8)


def _check_array(name: str, array: object, *dtypes: type[np.generic]) -> None:
    """Raise unless `array` is a two-dimensional numpy array of one of `dtypes` with at least one pixel."""
    allowed = " or ".join(np.dtype(dtype).name for dtype in dtypes)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"`{name}` must be a numpy array of {allowed}; got {type(array).__name__}")
    if array.dtype not in dtypes:
        raise TypeError(f"`{name}` must be an array of {allowed}; got {array.dtype}")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"`{name}` must have the shape [H, W] with H and W at least 1; got {array.shape}")
