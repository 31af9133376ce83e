"""Look-up tables of DICOM files: modality LUT, VOI LUT, palette.

pydicom's own functions index a table by numbers of the table's or the image's type, which wrap where an 8-bit table has
more than 256 entries or a signed image a negative first value, and take no VOI LUT of 12 bits of a rescaled image.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lge_sweep.arrays import Pixels
from lge_sweep.ingest.dicom_header import read_element
from lge_sweep.ingest.dicom_stored import as_signed
from lge_sweep.ingest.volume import UnusableError

PALETTE_CHANNELS = ("Red", "Green", "Blue")


@dataclass(frozen=True)
class LookupTable:
    """What numbers become.

    Attributes:
        first: the number that becomes the first entry; smaller ones do, too, and larger ones than the last's the last.
        entries: what they become.
        top: the largest number that an entry's bits can hold.
    """

    first: int
    entries: NDArray[np.unsignedinteger[Any]]
    top: int

    def look_up(self, values: Pixels) -> NDArray[np.unsignedinteger[Any]]:
        """Return what whole numbers become."""
        return self.entries[np.clip(values.astype(np.int64) - self.first, 0, len(self.entries) - 1)]


def modality_table(dataset: Dataset, signed: bool) -> LookupTable | None:
    """Return the table that gives intensities for stored values, or None where there is none.

    Args:
        dataset: the file.
        signed: whether stored values may be negative.
    """
    return _table_of_sequence(dataset, "ModalityLUTSequence", 0, signed)


def voi_table(dataset: Dataset, frame: int, signed: bool) -> LookupTable | None:
    """Return the first table that says how a frame's intensities are shown, or None where there is none.

    Args:
        dataset: the file.
        frame: index of the frame.
        signed: whether intensities may be negative.
    """
    return _table_of_sequence(dataset, "VOILUTSequence", frame, signed)


def apply_grey_palette(dataset: Dataset, values: Pixels, signed: bool) -> tuple[Pixels, int]:
    """Give the intensities that a palette shows for stored values [H, W], and the largest that it can show.

    Args:
        dataset: the file.
        values: [H, W] stored values.
        signed: whether stored values may be negative.

    Raises:
        UnusableError: some pixels have a colour, or the palette cannot be read.
    """
    names = [f"{colour}PaletteColorLookupTable" for colour in PALETTE_CHANNELS]
    tables = [
        _parse_table(name, dataset.get(f"{name}Descriptor"), dataset.get(f"{name}Data"), _byte_order(dataset), signed)
        for name in names
    ]
    red, *others = (table.look_up(values) for table in tables)
    if coloured := int(np.logical_or.reduce([other != red for other in others]).sum()):
        raise UnusableError(
            f"image is in colour (PALETTE COLOR, {coloured} coloured pixels); LGE is grey (a screenshot, or a map?); "
            "give the series that the scanner made, or save it as MONOCHROME2"
        )
    return red, tables[0].top


def _table_of_sequence(dataset: Dataset, keyword: str, frame: int, signed: bool) -> LookupTable | None:
    items = read_element(dataset, keyword, frame)
    if not items:
        return None
    return _parse_table(keyword, items[0].get("LUTDescriptor"), items[0].get("LUTData"), _byte_order(dataset), signed)


def _byte_order(dataset: Dataset) -> str:
    """Return the order of bytes in a word, in numpy's sign."""
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    return "<" if syntax is None or syntax.is_little_endian else ">"


def _parse_table(name: str, descriptor: Any, data: Any, order: str, signed: bool) -> LookupTable:
    """Make a table of its descriptor (number of entries, first number, bits of an entry) and its data."""
    try:
        count, first, bits = (int(value) for value in descriptor)
        count = count % (1 << 16) or 1 << 16  # 0 stands for 2^16; and half of the files write it with a sign
        if isinstance(data, bytes):
            entries = np.frombuffer(data, f"{order}u2").astype("<u2")
            entries = entries if len(entries) >= count else entries.view("u1")  # two of 8 bits a word
        else:
            entries = (np.atleast_1d(np.array(data, dtype=np.int64)) & 0xFFFF).astype("<u2")
    except (TypeError, ValueError):
        raise UnusableError(f"its {name} cannot be read; write the file again, or leave it out") from None
    if not 8 <= bits <= 16 or len(entries) < count:
        raise UnusableError(
            f"its {name} has {len(entries)} entries of {bits} bits; expected {count} of 8 to 16 bits, as its "
            "descriptor says; write the file again, or leave it out"
        )
    return LookupTable(as_signed(first, 16, signed), entries[:count], (1 << bits) - 1)
