"""Data: slices as arrays of one size, and batches of them. Noun `LgeDataModule`, verb `prepare`.

`LgeDataModule` needs torch and is imported from `lge_sweep.data.module`, so that preparing does not.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
