"""Pipeline: phases 3 and 4. Noun `TwoStage`, verbs `fit_two_stage`, `evaluate_once`.

The verbs are in the modules `fit` and `evaluate`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
