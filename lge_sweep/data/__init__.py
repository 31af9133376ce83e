"""Data: slices as arrays of one size, and batches of them. Noun `LgeDataModule`, verb `prepare`.

`LgeDataModule` needs torch and is imported from `lge_sweep.data.module`, so that preparing does not.
"""

from lge_sweep.data.balance import class_weights
from lge_sweep.data.preparation import Arrays, content_digest, load_arrays, prepare, store_arrays
from lge_sweep.data.resize import frame_spacing
from lge_sweep.data.schedule import Schedule, make_schedule

__all__ = [
    "Arrays",
    "Schedule",
    "class_weights",
    "content_digest",
    "frame_spacing",
    "load_arrays",
    "make_schedule",
    "prepare",
    "store_arrays",
]
