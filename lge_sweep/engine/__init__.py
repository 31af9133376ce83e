"""Engine: complete every cell of a plan, exactly once, whatever happens. Noun `Driver`, verb `run_sweeps`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
