"""A contact sheet: every slice of every exam small, with the outlines of its classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lge_sweep.arrays import LabelImage, Mask, Pixels
from lge_sweep.atomic import atomic_file
from lge_sweep.errors import DataError
from lge_sweep.ingest.volume import Volume
from lge_sweep.labels import COLOURS, Label

TILE_PIXELS = 128
"""Longest side of a slice on the sheet, in pixels."""
CAPTION_PIXELS = 14
"""Height of the line with the case's id, in pixels."""
_MAX_SHEET_PIXELS = 60_000
"""Most pixels that a sheet is high; viewers and PNG libraries refuse more."""


def write_contact_sheet(volumes: Sequence[Volume], path: Path) -> str:
    """Write a PNG with a row a case; outlines in the classes' colours.

    Args:
        volumes: the exams, at least one.
        path: the file to write.

    Returns:
        A sentence on what was written.

    Raises:
        DataError: there is no exam, or the file cannot be written.
    """
    if not volumes:
        raise DataError(str(path), ["there is no exam to draw a contact sheet of"])
    shown = volumes[: _MAX_SHEET_PIXELS // (TILE_PIXELS + CAPTION_PIXELS)]
    widest = max(len(volume.slices) for volume in shown)
    sheet = Image.new("RGB", (widest * TILE_PIXELS, len(shown) * (TILE_PIXELS + CAPTION_PIXELS)))
    draw = ImageDraw.Draw(sheet)
    for row, volume in enumerate(shown):
        top = row * (TILE_PIXELS + CAPTION_PIXELS)
        draw.text((2, top + 1), volume.case, fill=(255, 255, 255))
        for column in range(len(volume.slices)):
            sheet.paste(
                draw_tile(volume.pixels[column], volume.labels[column]), (column * TILE_PIXELS, top + CAPTION_PIXELS)
            )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path.absolute()) as unfinished:
            sheet.save(unfinished, format="PNG")
    except OSError as error:
        raise DataError(str(path), [f"cannot be written ({error.strerror})"]) from error
    left_out = "" if len(shown) == len(volumes) else f"; {len(volumes) - len(shown)} more do not fit on it"
    return f"{path}: contact sheet of {len(shown)} case(s){left_out}"


def draw_tile(image: Pixels, labels: LabelImage) -> Image.Image:
    """Draw one slice with the outlines of its classes.

    Args:
        image: [H, W] intensities; shown from the 0.5th to the 99.5th percentile. NaN, no anatomy, is black.
        labels: [H, W] classes.

    Returns:
        An RGB picture of at most `TILE_PIXELS` pixels a side.
    """
    grey = image.astype(np.float64)
    low, high = np.nanpercentile(grey, (0.5, 99.5))
    shown = np.clip((np.nan_to_num(grey, nan=low) - low) / max(high - low, 1e-12), 0, 1) * 255
    scale = TILE_PIXELS / max(image.shape)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = Image.fromarray(np.rint(shown).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    picture = np.asarray(small.convert("RGB")).copy()
    classes = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
    for label in Label:
        if label != Label.BACKGROUND:
            picture[boundary_pixels(classes == label)] = COLOURS[label]
    return Image.fromarray(picture)


def boundary_pixels(region: Mask) -> Mask:
    """Return the pixels [H, W] of a region that have a 4-neighbour outside it, or lie on the image's border."""
    padded = np.pad(region, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(region & ~inner)
