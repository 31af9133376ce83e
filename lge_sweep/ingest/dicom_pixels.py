"""Decode the pixels of DICOM files into the scanner's grey levels."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset

from lge_sweep.ingest.dicom_header import Frame, element, numbers, quiet
from lge_sweep.ingest.files import check_file
from lge_sweep.ingest.isolate import read_safely
from lge_sweep.ingest.limits import check_size
from lge_sweep.ingest.volume import Pixels, UnusableError

TAGS = [
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "FloatPixelData",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "RescaleSlope", "RescaleIntercept", "WindowCenter",
    "WindowWidth", "VOILUTFunction", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip


def read_pixels(path: Path, frames: Sequence[Frame], window: bool) -> list[Pixels]:
    """Decode frames of one file.

    Grey levels are stored value x RescaleSlope + RescaleIntercept; MONOCHROME1, where small values are bright, is
    turned over. The file's number type is kept where nothing changes it, else it is float32.

    Args:
        path: the file.
        frames: those of its frames that are wanted.
        window: give what the file's window shows, 0-255, instead.

    Returns:
        [H, W] grey levels of each frame.

    Raises:
        UnusableError: the pixels are missing, cut off, or cannot be decoded; or a window is wanted and not there.
    """
    check_file(path)
    return read_safely(_read_pixels, path, frames, window)


def _read_pixels(path: Path, frames: Sequence[Frame], window: bool) -> list[Pixels]:
    try:
        # what overflows is infinite, and found as such where grey levels are looked at
        with quiet(), np.errstate(over="ignore", invalid="ignore"):
            dataset = pydicom.dcmread(path, specific_tags=list(TAGS))
            stored = _stored(dataset)
            return [_grey(dataset, stored[frame.number], frame.number, window) for frame in frames]
    except UnusableError:
        raise
    except Exception as error:  # pydicom raises whatever broken bytes lead to
        raise UnusableError(f"broken DICOM file ({type(error).__name__})") from None


def apply_window(pixels: Pixels, centre: float, width: float, function: str = "LINEAR") -> NDArray[np.uint8]:
    """Map grey levels to what a viewer shows.

    LINEAR: ``((x - (c - 0.5)) / (w - 1) + 0.5) * 255``; LINEAR_EXACT: ``((x - c) / w + 0.5) * 255``; both clipped.
    SIGMOID: ``255 / (1 + exp(-4 (x - c) / w))``.

    Args:
        pixels: any shape, grey levels after rescale.
        centre: c, the grey level shown as the middle grey.
        width: w, the range of grey levels shown, above 0 (at least 1 for LINEAR).
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


def _stored(dataset: FileDataset) -> Pixels:
    """Return the stored values [frames, H, W]; bits above BitsStored are dropped, the sign is that of the top one."""
    if "PixelData" not in dataset and "FloatPixelData" not in dataset:
        raise UnusableError("has no pixel data (cut off?)")
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    name = syntax.name if syntax else "no transfer syntax"
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    check_size(rows, columns, int((numbers(dataset, "NumberOfFrames", 1) or (1,))[0]))
    try:
        array = np.asarray(dataset.pixel_array)
    except Exception as error:  # each plugin has its own
        raise UnusableError(
            f"its pixels cannot be decoded ({name}; {type(error).__name__}): cut off, or an encoding without a plugin"
        ) from None
    if array.size % (rows * columns) or not array.size:
        raise UnusableError(f"its pixels are not {rows}x{columns}")
    array = array.reshape(-1, rows, columns)
    spare = 8 * array.dtype.itemsize - int(dataset.get("BitsStored") or 8 * array.dtype.itemsize)
    if array.dtype.kind in "ui" and 0 < spare < 8 * array.dtype.itemsize:
        array = (array << spare) >> spare
    return array


def _grey(dataset: Dataset, stored: Pixels, frame: int, window: bool) -> Pixels:
    slope = (numbers(dataset, "RescaleSlope", 1, frame) or (1.0,))[0]
    intercept = (numbers(dataset, "RescaleIntercept", 1, frame) or (0.0,))[0]
    if slope == 0:
        raise UnusableError("RescaleSlope is 0")
    inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
    if window:
        shown = apply_window(stored * slope + intercept, *_window(dataset, frame))
        return 255 - shown if inverted else shown
    if inverted:
        stored = _turned_over(stored, int(dataset.get("BitsStored") or 8 * stored.dtype.itemsize))
    if (slope, intercept) == (1.0, 0.0):
        return stored
    return np.asarray(stored * slope + intercept, dtype=np.float32)


def _turned_over(stored: Pixels, bits: int) -> Pixels:
    if stored.dtype.kind == "f":
        return -stored
    # Lowest + highest value that fits: -1 for signed numbers, all bits set for unsigned ones.
    ends = -1 if stored.dtype.kind == "i" else (1 << bits) - 1
    return np.asarray(ends - stored.astype(np.int64), dtype=stored.dtype)


def _window(dataset: Dataset, frame: int) -> tuple[float, float, str]:
    values = []
    for keyword in ("WindowCenter", "WindowWidth"):
        value = element(dataset, keyword, frame)
        first = value if isinstance(value, str | float | int) or value is None else next(iter(value), None)
        try:
            values.append(float(first) if first is not None else math.nan)
        except ValueError:
            values.append(math.nan)
    if not all(math.isfinite(value) for value in values):
        raise UnusableError("has no WindowCenter and WindowWidth; set source.window: false")
    function = element(dataset, "VOILUTFunction", frame)
    return values[0], values[1], str(function or "LINEAR").strip().upper()
