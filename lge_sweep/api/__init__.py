"""What a program calls, and the command line with it: phases, what they came to, exams, labels. Noun `Study`.

Nothing here prints. `lge_sweep` itself has the ten names that most programs need.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
