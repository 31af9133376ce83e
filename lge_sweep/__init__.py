"""lge_sweep: compare, select and ship segmentation models for late-gadolinium-enhancement cardiac MRI."""

import os

__version__ = "0.1.0"

# Patient data is at work here: no library may call out. Each reads its variable when it is imported, so all are set
# before anything else happens. Two more keep libraries from printing what no user of ours can act on.
os.environ.update(
    {
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
)
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
