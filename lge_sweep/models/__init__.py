"""Models: one Lightning module for every cell. Noun `SegmentationModule`, verb `build_module`."""

from lge_sweep.models.module import SegmentationModule, build_module

__all__ = ["SegmentationModule", "build_module"]
