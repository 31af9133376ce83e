"""Curate: choose the slices of each case and write down what was chosen. Noun `Curated`, verb `curate`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
