"""What several tests share."""

import os

# Read when torch is imported: threads that wait for each other sleep soon instead of spinning (docs/log.md).
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

from pathlib import Path

import pytest


@pytest.fixture
def real_data() -> Path:
    """Folder of real slices, as `LGE_SWEEP_TEST_DATA` names it."""
    folder = os.environ.get("LGE_SWEEP_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LGE_SWEEP_TEST_DATA does not name a folder of real slices")
    return Path(folder)
