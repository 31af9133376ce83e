"""Manuscript: a study becomes one page for reviewers, and its tables. Noun `Study`, verb `write_manuscript`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
