"""lge_sweep: compare, select and ship segmentation models for late-gadolinium-enhancement cardiac MRI.

Its ten names, each loaded when it is first used:

- `Study`: runs phases 1 to 4, as the commands do. What they came to: `Ranking`, `Pipelines`; `open_run` finds it again.
- `read_data`, `write_phantom`: exams with labels, read or simulated.
- `load_segmenter`, `predict`: the shipped model, for arrays or for files.
- `compare_labels`: labels of an exam against the truth.
- `LgeSweepError`: what goes wrong and a user can mend.
"""

import logging
import os
from contextlib import suppress

import lazy_loader

__version__ = "0.1.0"

# Patient data is at work here: no library may call out. Each reads its variable when it is imported, so all are set
# before anything else happens. Others keep libraries from printing what no user of ours can act on, and the password in
# the address of a server.
os.environ.update(
    {
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "ORT_DISABLE_TELEMETRY": "1",
    }
)
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from lge_sweep.paths import cache_folder

# In the user's home we have our own two folders; what matplotlib keeps there (its list of fonts) goes to ours.
with suppress(RuntimeError):  # the user has no home: matplotlib takes a temporary folder
    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))

# A program that uses the library decides whether and where its log is shown.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
