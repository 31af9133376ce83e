"""Split: assign cases to training, validation and test, and audit for leaks. Noun `Split`, verb `split_cases`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
