"""Decode the pixels of DICOM files into the scanner's intensities."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from lge_sweep.arrays import Pixels, Pixels8
from lge_sweep.ingest.dicom_header import Frame, guard_decoding, read_element, read_numbers
from lge_sweep.ingest.dicom_stored import StoredPixels, read_stored
from lge_sweep.ingest.dicom_tables import PALETTE_CHANNELS, apply_grey_palette, modality_table, voi_table
from lge_sweep.ingest.files import check_file
from lge_sweep.ingest.sandbox import read_safely
from lge_sweep.ingest.volume import UnusableError

_PIXEL_TAGS = [
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "FloatPixelData",
    "DoubleFloatPixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit", "DoubleFloatPixelPaddingValue",
    "DoubleFloatPixelPaddingRangeLimit", "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape", "PixelPresentation",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    *(f"{colour}PaletteColorLookupTable{part}" for colour in PALETTE_CHANNELS for part in ("Descriptor", "Data")),
]  # fmt: skip
TWO_RESCALES = "has a Modality LUT and a RescaleSlope or RescaleIntercept; the table is taken (DICOM PS3.3 C.11.1)"
TWO_POLARITIES = (
    "its PhotometricInterpretation and PresentationLUTShape contradict each other on whether small values are bright; "
    "the first is taken: see that blood and scar are bright"
)
COLOUR_PRESENTATION = (
    "some of its values are meant to be shown in colour (PixelPresentation); they are taken as intensities"
)
PALETTE_APPLIED = "its intensities are those that its palette shows"


class DecodedFrames(NamedTuple):
    """Frames of a file."""

    images: list[Pixels]
    """[H, W] intensities of each frame, NaN where the file declares its pixels to be no anatomy."""
    notes: tuple[str, ...]
    """What a user should know."""


def read_pixels(path: Path, frames: Sequence[Frame], window: bool) -> DecodedFrames:
    """Decode frames of one file.

    Intensities are what the file's Modality LUT gives, or, where there is none, stored value x RescaleSlope +
    RescaleIntercept; or what a palette of greys shows. MONOCHROME1, where small values are bright, is turned over.
    Padding becomes NaN; it is found among the stored values (`read_stored`). The file's number type is kept where
    nothing changes it, else it is float32, as it is with padding.

    Args:
        path: the file.
        frames: those of its frames that are wanted.
        window: give what the file's first window shows, 0-255, instead; or its first VOI LUT, where it has no window.

    Returns:
        The intensities, and what a user should know.

    Raises:
        UnusableError: the pixels are missing, cut off, or cannot be decoded; or a window is wanted and not there.
    """
    check_file(path)
    return read_safely(_read_pixels, path, frames, window)


def _read_pixels(path: Path, frames: Sequence[Frame], window: bool) -> DecodedFrames:
    # what overflows is infinite, and found as such where intensities are looked at
    with guard_decoding("DICOM file"), np.errstate(over="ignore", invalid="ignore"):
        dataset = pydicom.dcmread(path, specific_tags=list(_PIXEL_TAGS))
        stored = read_stored(dataset)
        images = [_frame_intensities(dataset, stored, frame.number, window) for frame in frames]
        return DecodedFrames(images, stored.notes + _notes(dataset))


def apply_window(pixels: Pixels, centre: float, width: float, function: str = "LINEAR") -> Pixels8:
    """Map intensities to what a viewer shows.

    LINEAR: ``((x - (c - 0.5)) / (w - 1) + 0.5) * 255``; LINEAR_EXACT: ``((x - c) / w + 0.5) * 255``; both clipped.
    SIGMOID: ``255 / (1 + exp(-4 (x - c) / w))``.

    Args:
        pixels: any shape, intensities after rescale.
        centre: c, the intensity shown as the middle grey.
        width: w, the range of intensities shown, above 0 (at least 1 for LINEAR).
        function: name of the mapping.

    Returns:
        Same shape, 0-255.

    Raises:
        UnusableError: the width or the name is none that the standard knows.

    Source:
        DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.
    """
    if width <= 0 or (function == "LINEAR" and width < 1):
        raise UnusableError(f"WindowWidth is {width:g}; expected at least 1")
    x = pixels.astype(np.float64)
    if function == "LINEAR":
        share = (x - (centre - 0.5)) / (width - 1) + 0.5 if width > 1 else (x > centre - 0.5).astype(np.float64)
    elif function == "LINEAR_EXACT":
        share = (x - centre) / width + 0.5
    elif function == "SIGMOID":
        share = 1 / (1 + np.exp(np.clip(-4 * (x - centre) / width, -700, 700)))
    else:
        raise UnusableError(f"VOILUTFunction {function[:16]} is none of LINEAR, LINEAR_EXACT, SIGMOID")
    return np.asarray(np.rint(np.clip(share, 0, 1) * 255), dtype=np.uint8)


def _frame_intensities(dataset: Dataset, stored: StoredPixels, frame: int, window: bool) -> Pixels:
    """Return the intensities of a frame, NaN where it is padding."""
    values, padding = stored.values[frame], stored.padding[frame]
    if strange := int(np.count_nonzero(np.isnan(values) & ~padding)) if values.dtype.kind == "f" else 0:
        raise UnusableError(f"{strange} pixels are NaN, which the file does not declare to be padding")
    grey = _intensities(dataset, values, stored, frame, window)
    if not padding.any():
        return grey if grey.dtype != np.float64 else grey.astype(np.float32)
    return np.where(padding, np.float32(np.nan), grey.astype(np.float32))


def _intensities(dataset: Dataset, values: Pixels, stored: StoredPixels, frame: int, window: bool) -> Pixels:
    inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        grey, top = apply_grey_palette(dataset, values, stored.signed)
        return np.asarray(np.rint(grey / top * 255), dtype=np.uint8) if window else grey
    table = modality_table(dataset, stored.signed)
    slope, intercept = _rescale(dataset, frame) if table is None else (1.0, 0.0)
    if window:
        levels = table.look_up(values) if table else values * slope + intercept
        lowest = -(1 << (stored.bits - 1)) if stored.signed else 0
        signed = table is None and min(lowest * slope, ((1 << stored.bits) - 1 + lowest) * slope) + intercept < 0
        shown = _windowed(dataset, levels, frame, signed)
        return 255 - shown if inverted else shown
    if table:
        levels = table.look_up(values)
        return table.top - levels if inverted else levels
    if inverted:
        values = _invert(values, stored.bits)
    if (slope, intercept) == (1.0, 0.0):
        return values
    return np.asarray(values * slope + intercept, dtype=np.float32)


def _rescale(dataset: Dataset, frame: int) -> tuple[float, float]:
    slope = (read_numbers(dataset, "RescaleSlope", 1, frame) or (1.0,))[0]
    intercept = (read_numbers(dataset, "RescaleIntercept", 1, frame) or (0.0,))[0]
    if slope == 0:
        raise UnusableError("RescaleSlope is 0")
    return slope, intercept


def _notes(dataset: Dataset) -> tuple[str, ...]:
    photometric, shape = (dataset.get(keyword) for keyword in ("PhotometricInterpretation", "PresentationLUTShape"))
    rescaled = bool(dataset.get("ModalityLUTSequence")) and any(
        read_numbers(dataset, keyword, 1) not in (None, (nothing,))
        for keyword, nothing in (("RescaleSlope", 1), ("RescaleIntercept", 0))
    )
    opposed: bool = (photometric, shape) in {("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")}
    coloured = dataset.get("PixelPresentation") in ("COLOR", "MIXED")
    return (
        (COLOUR_PRESENTATION,) * coloured
        + (TWO_RESCALES,) * rescaled
        + (TWO_POLARITIES,) * opposed
        + (PALETTE_APPLIED,) * bool(photometric == "PALETTE COLOR")
    )


def _invert(stored: Pixels, bits: int) -> Pixels:
    if stored.dtype.kind == "f":
        return -stored
    # Lowest + highest value that fits: -1 for signed numbers, all bits set for unsigned ones.
    ends = -1 if stored.dtype.kind == "i" else (1 << bits) - 1
    return np.asarray(ends - stored.astype(np.int64), dtype=stored.dtype)


def _windowed(dataset: Dataset, levels: Pixels, frame: int, signed: bool) -> Pixels8:
    """Return what the file's first window shows, or, where it has none, its first VOI LUT.

    Args:
        dataset: the file.
        levels: [H, W] intensities of the frame.
        frame: its index.
        signed: whether intensities may be negative.
    """
    values = [_first_number(read_element(dataset, keyword, frame)) for keyword in ("WindowCenter", "WindowWidth")]
    if all(math.isfinite(value) for value in values):
        function = read_element(dataset, "VOILUTFunction", frame)
        return apply_window(levels, values[0], values[1], str(function or "LINEAR").strip().upper())
    table = voi_table(dataset, frame, signed)
    if table is None:
        raise UnusableError("has no WindowCenter and WindowWidth, and no VOI LUT; set source.window: false")
    share = np.minimum(table.look_up(np.rint(levels)) / table.top, 1)
    return np.asarray(np.rint(share * 255), dtype=np.uint8)


def _first_number(value: Any) -> float:
    first = value if isinstance(value, str | float | int) or value is None else next(iter(value), None)
    try:
        return float(first) if first is not None else math.nan
    except ValueError:
        return math.nan
