"""Intensities of an image file."""

from pathlib import Path

import numpy as np
from PIL import Image

from lge_sweep.arrays import Pixels, Pixels8
from lge_sweep.ingest.image_files import read_image_file
from lge_sweep.ingest.limits import not_finite_message
from lge_sweep.ingest.volume import UnusableError

_TIFF_PHOTOMETRIC = 262
"""TIFF's tag PhotometricInterpretation; 0 is WhiteIsZero."""
_READ_MODES = {"P": "RGBA", "PA": "RGBA", "RGBa": "RGBA", "1": "L", "LA": "L", "La": "L"}
"""Pillow's mode of a file -> the mode in which its greys are read."""


def read_intensities(path: Path) -> Pixels:
    """Read the intensities of an image file.

    A palette is applied: greys are those that it shows. Transparent pixels, by an alpha channel or by PNG's tRNS, are
    declared to be no anatomy.

    Returns:
        [H, W]; float32, NaN where a pixel is transparent, if any is.

    Raises:
        ValueError: it cannot be read, is in colour, or has pixels that are half transparent or NaN.
    """
    image = read_image_file(path)
    grey, alpha = _channels(image), alpha_channel(image)
    if strange := int((~np.isfinite(grey[..., 0])).sum()):  # NaN is for what is declared
        raise UnusableError(not_finite_message(strange))
    if half := int(((alpha > 0) & (alpha < 255)).sum()):
        raise UnusableError(
            f"{half} pixels are half transparent, so that their intensity is not known; save it without alpha"
        )
    padding = alpha == 0
    if (grey[~padding] != grey[~padding][:, :1]).any():
        raise ValueError(
            "image is in colour; LGE slices are grey (was a mask or a screenshot put here?); save it as grey"
        )
    levels = np.ascontiguousarray(grey[..., 0])
    return np.where(padding, np.float32(np.nan), levels.astype(np.float32)) if padding.any() else levels


def alpha_channel(image: Image.Image) -> Pixels8:
    """Return how opaque each pixel [H, W] is, from 0 to 255."""
    if "A" in image.mode.upper():
        return np.asarray(image.convert("RGBA"))[..., 3]
    clear = image.info.get("transparency")
    if clear is None:
        return np.full((image.height, image.width), 255, dtype=np.uint8)
    if image.mode.startswith("I"):
        return np.where(np.asarray(image) == clear, np.uint8(0), np.uint8(255))
    return np.asarray(image.convert("RGBA"))[..., 3]


def _channels(image: Image.Image) -> Pixels:
    """Return grey or colour [H, W, 1 or 3], of the file's number type where that is one of ours."""
    mode = _READ_MODES.get(image.mode, image.mode)
    array = np.asarray(image.convert(mode) if mode != image.mode else image)
    if array.dtype == np.int32:
        array = array.astype(np.float32)
    tags = getattr(image, "tag_v2", {})
    if tags.get(_TIFF_PHOTOMETRIC) == 0 and array.dtype.itemsize > 1:  # Pillow turns over what has 8 bits or fewer
        array = np.iinfo(array.dtype).max - array if array.dtype.kind == "u" else -array
    return array[..., np.newaxis] if array.ndim == 2 else array[..., :3]
