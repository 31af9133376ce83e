"""Archive: exams come from a DICOMweb archive, and results go back. Noun `Archive`, verbs `fetch_study`, `store`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
