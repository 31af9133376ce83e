"""Browse: what a run found becomes one page, on which its cases are looked at. Noun `ShownCases`, verb `write_page`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
