"""Ingest: images and labels of patient exams from any source. Noun `Volume`, verb `read`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
