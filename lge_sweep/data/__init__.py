"""Data: slices as arrays of one size, and batches of them. Noun `LgeDataModule`, verb `prepare`.

`LgeDataModule` needs torch and is imported from `lge_sweep.data.module`, so that preparing does not.
"""

from lge_sweep.data.prepare import Arrays, content_digest, load_arrays, prepare

__all__ = ["Arrays", "content_digest", "load_arrays", "prepare"]
