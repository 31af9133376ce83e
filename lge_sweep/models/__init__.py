"""Models: one Lightning module for every cell. Noun `SegmentationModule`, verb `build_module`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
