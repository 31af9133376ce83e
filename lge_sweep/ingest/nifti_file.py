"""Read the bytes of a NIfTI file, no more than its header promises, and its header only within stated limits."""

import gzip
import math
from pathlib import Path

import nibabel as nib

from lge_sweep.ingest.files import check_file
from lge_sweep.ingest.limits import MIB, check_size
from lge_sweep.ingest.volume import UnusableError

_MAGIC_CLASSES = {b"n+1\0": (nib.Nifti1Image, 348), b"n+2\0": (nib.Nifti2Image, 540)}
"""The magic of a file that holds header and voxels -> its class, and the length of its header."""
_MAX_OFFSET = 16 * MIB
"""Most bytes before the voxels: the header and its extensions."""
_MAX_DEFLATE_RATIO = 1032
"""Most bytes that a byte of a gzip file can become."""
_GZIP_MAGIC = b"\x1f\x8b"


def read_nifti_file(path: Path) -> tuple[nib.Nifti1Image, nib.Nifti1Header]:
    """Read a NIfTI file of one volume, gzip or not as its content says.

    Returns:
        The image, in memory and not decoded; and its header as stored: nibabel makes 0 and negative zooms positive.

    Raises:
        UnusableError: it is something else, holds less than its header promises, or is too large.
        Exception: whatever gzip and nibabel raise for broken files.
    """
    size = check_file(path)
    with path.open("rb") as plain:
        packed = plain.read(2) == _GZIP_MAGIC
        plain.seek(0)
        file = gzip.GzipFile(fileobj=plain) if packed else plain
        start = file.read(540)
        image_class, length = _image_class(start)
        header = image_class.header_class(start[:length], check=False)
        promised = _file_bytes(header)
        if promised > size * (_MAX_DEFLATE_RATIO if packed else 1):
            raise _cut_off(promised, size)
        content = start + file.read(max(promised - len(start), 0) + 1)  # one more, so that gzip tests its checksum
    if len(content) < promised:
        raise _cut_off(promised, len(content))
    return image_class.from_bytes(content), header


def _image_class(start: bytes) -> tuple[type[nib.Nifti1Image], int]:
    found = _MAGIC_CLASSES.get(start[344:348]) or _MAGIC_CLASSES.get(start[4:8])
    if found is None:
        raise UnusableError("broken NIfTI file: it does not begin with a NIfTI header; save it as .nii or .nii.gz")
    return found


def _file_bytes(header: nib.Nifti1Header) -> int:
    """Return how many bytes a file of this header has, which holds one volume of a size that an exam can have."""
    shape = tuple(int(length) for length in header.get_data_shape())
    if len(shape) < 2 or any(length != 1 for length in shape[3:]) or min(shape) < 1:
        raise UnusableError(f"holds {len(shape)}-D data {list(shape)}; expected one volume, [columns, rows, slices]")
    columns, rows, slices = (*shape, 1)[:3]
    check_size(rows, columns, slices)
    kind = header.get_data_dtype()
    if kind.kind not in "uif":
        raise UnusableError(f"holds values of type {kind}; expected one number a voxel")
    offset = int(header.get_data_offset())
    if not 0 <= offset <= _MAX_OFFSET:
        raise UnusableError(f"broken NIfTI file: vox_offset is {offset}; expected 0 to {_MAX_OFFSET}")
    return offset + math.prod(shape) * int(kind.itemsize)


def _cut_off(promised: int, held: int) -> UnusableError:
    return UnusableError(
        f"broken NIfTI file: its header promises {promised} bytes, it holds {held} (cut off?); get it again"
    )
