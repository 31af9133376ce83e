"""Stored values of DICOM pixels: which bits of a cell they are, and which of them stand for no anatomy (padding)."""

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import RLELossless

from lge_sweep.arrays import Mask, Pixels
from lge_sweep.ingest.dicom_header import read_element, read_numbers
from lge_sweep.ingest.limits import check_size
from lge_sweep.ingest.volume import UnusableError

_FLOAT_PADDING = {"FloatPixelData": "FloatPixelPadding", "DoubleFloatPixelData": "DoubleFloatPixelPadding"}
"""Attribute that holds pixels as floating-point numbers -> what the names of its padding attributes begin with."""
UNUSED_BITS_SET = (
    "bits that BitsStored leaves out are set in some pixels; they are dropped (an overlay of the old kind?)"
)


@dataclass(frozen=True)
class StoredPixels:
    """The pixels of a file before any transformation.

    Attributes:
        values: [F, H, W].
        padding: [F, H, W], where the file declares a value to be no anatomy.
        bits: how many bits a whole number has.
        notes: what a user should know.
    """

    values: Pixels
    padding: Mask
    bits: int
    notes: tuple[str, ...] = ()

    @property
    def signed(self) -> bool:
        """Whether values may be negative."""
        return self.values.dtype.kind != "u"


def read_stored(dataset: FileDataset) -> StoredPixels:
    """Decode the pixels of a file.

    A whole number is the BitsStored bits of its cell that end at HighBit; the sign is that of the top one, other bits
    are dropped. Padding is what lies between PixelPaddingValue and PixelPaddingRangeLimit, both included, among the
    stored values. Both are 16-bit patterns: signed or not as PixelRepresentation says, whatever they were written as.
    Where no stored value can be in that range, whole cells are compared with it.

    Raises:
        UnusableError: the pixels are missing, cut off, or cannot be decoded, or their bits are not where they can be.

    Source:
        DICOM PS3.5 8.1.1 (cells), PS3.3 C.7.5.1.1.2 and C.7.6.24.1 (padding).
    """
    _check_bits(dataset)
    cells = _decode_cells(dataset)
    width = 8 * cells.dtype.itemsize
    bits = int(dataset.get("BitsStored") or width)
    if cells.dtype.kind not in "ui":
        return StoredPixels(cells, _float_padding(dataset, cells), bits)
    high = _high_bit(dataset, bits)
    values = np.right_shift(np.left_shift(cells, width - 1 - high), width - bits) if bits < width else cells
    padding = _integer_padding(dataset, cells, values, bits)
    stray = bits < width and any(  # frame by frame, as memory is short where this runs
        (_has_stray_bits(cell, value, high, bits) & ~pad).any()
        for cell, value, pad in zip(cells, values, padding, strict=True)
    )
    return StoredPixels(values, padding, bits, (UNUSED_BITS_SET,) * stray)


def _check_bits(dataset: FileDataset) -> None:
    """Refuse a file that puts its bits where there are none, or where they cannot be looked for."""
    if any(keyword in dataset for keyword in _FLOAT_PADDING):
        return
    allocated, stored = (dataset.get(keyword) for keyword in ("BitsAllocated", "BitsStored"))
    if not allocated or not stored:
        return  # for pydicom, which asks for both
    high = _high_bit(dataset, stored)
    bits = f"BitsAllocated {allocated}, BitsStored {stored} and HighBit {high}"
    if not (0 < stored <= allocated and stored - 1 <= high < allocated):
        raise UnusableError(
            f"{bits} do not go together: a pixel's BitsStored bits end at HighBit, within BitsAllocated; write the "
            f"file again with HighBit {min(stored, allocated) - 1} if that is where they end"
        )
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    if high != stored - 1 and syntax and syntax.is_encapsulated and syntax != RLELossless:
        raise UnusableError(
            f"{bits} leave bits free below the pixel's, and {syntax.name} keeps no free bits; if it decodes to values "
            f"below {1 << stored}, write the file again with HighBit {stored - 1}, else get it uncompressed"
        )


def _high_bit(dataset: Dataset, stored: int) -> int:
    high = dataset.get("HighBit")
    return stored - 1 if high is None else int(high)


def _decode_cells(dataset: FileDataset) -> Pixels:
    """Return cells [F, H, W] with every bit they have."""
    if "PixelData" not in dataset and not any(keyword in dataset for keyword in _FLOAT_PADDING):
        raise UnusableError("has no pixel data (cut off?)")
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    name = syntax.name if syntax else "no transfer syntax"
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    check_size(rows, columns, int((read_numbers(dataset, "NumberOfFrames", 1) or (1,))[0]))
    try:
        dataset.pixel_array_options(correct_unused_bits=False)  # it looks for the bits at BitsStored, not at HighBit
        array = np.asarray(dataset.pixel_array)
    except Exception as error:  # each plugin has its own
        raise UnusableError(
            f"its pixels cannot be decoded ({name}; {type(error).__name__}): cut off, or an encoding without a plugin"
        ) from None
    if array.size % (rows * columns) or not array.size:
        raise UnusableError(f"its pixels are not {rows}x{columns}")
    return array.reshape(-1, rows, columns)


def _has_stray_bits(cells: Pixels, values: Pixels, high: int, bits: int) -> Mask:
    """Tell where bits outside a value's are set and are not its sign, continued upwards."""
    width = 8 * cells.dtype.itemsize
    whole, upper = (1 << width) - 1, (1 << width) - (2 << high)
    mask = ((1 << bits) - 1) << (high + 1 - bits)
    outside = cells.astype(f"u{cells.dtype.itemsize}") & (whole & ~mask)
    return np.asarray((outside != 0) & ~((values < 0) & (outside == upper)))


def _integer_padding(dataset: Dataset, cells: Pixels, values: Pixels, bits: int) -> Mask:
    """Tell where whole numbers are padding: among the values or, where none can be in its range, among their cells."""
    value = read_numbers(dataset, "PixelPaddingValue", 1)
    if value is None:
        return np.broadcast_to(np.False_, cells.shape)
    width, signed = 8 * cells.dtype.itemsize, values.dtype.kind == "i"
    limit = read_numbers(dataset, "PixelPaddingRangeLimit", 1) or value
    low, high = sorted(as_signed(int(end), min(width, 16), signed) for end in (*value, *limit))
    lowest = -(1 << (bits - 1)) if signed else 0
    among = values if low < lowest + (1 << bits) and high >= lowest else cells
    return np.asarray((among >= low) & (among <= high))


def as_signed(value: int, bits: int, signed: bool) -> int:
    """Read the bits of a number with the sign that they are meant to have.

    Args:
        value: the number as it was read.
        bits: how many bits it has.
        signed: whether the top bit is its sign.

    >>> as_signed(63536, 16, True), as_signed(-2000, 16, False), as_signed(255, 8, True)
    (-2000, 63536, -1)
    """
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        return value  # it is no such pattern, and equal to none
    value %= 1 << bits
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def _float_padding(dataset: Dataset, values: Pixels) -> Mask:
    """Tell where floating-point pixels are padding; the limits may be infinite or NaN."""
    begin = next(begin for keyword, begin in _FLOAT_PADDING.items() if keyword in dataset)
    raw = [read_element(dataset, begin + end, 0) for end in ("Value", "RangeLimit")]
    if raw[0] is None:
        return np.broadcast_to(np.False_, values.shape)
    try:
        ends = [float(end) for end in raw if end is not None]
    except (TypeError, ValueError):
        raise UnusableError(f"{begin}Value is not one number") from None
    padding = np.isnan(values) if np.isnan(ends).any() else np.zeros(values.shape, dtype=np.bool_)
    if known := [end for end in ends if not np.isnan(end)]:
        padding |= (values >= min(known)) & (values <= max(known))
    return np.asarray(padding)
