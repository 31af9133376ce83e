"""Report: plain tables in, tidy PNG figures out (the paper's Figs. 5 to 10 and 12 to 17, ranks, overlays)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
