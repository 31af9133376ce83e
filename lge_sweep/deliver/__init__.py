"""Deliver: labels predicted for an exam become clinical files. Noun `Result`, verb `deliver`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
