"""What several tests share."""

import gc
import os

# Read when torch is imported: threads that wait for each other sleep soon instead of spinning (docs/log.md).
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

# Tests say the same with and without a GPU: they use none.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# With two test processes on two cores, each keeps to its own: computing threads that wait for each other across
# processes cost more than they bring.
if os.environ.get("PYTEST_XDIST_WORKER", "").startswith("gw") and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(os.environ["PYTEST_XDIST_WORKER"][2:]) % len(cores)]})

from pathlib import Path

import pytest


@pytest.fixture
def real_data() -> Path:
    """Folder of real slices, as `LGE_SWEEP_TEST_DATA` names it."""
    folder = os.environ.get("LGE_SWEEP_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LGE_SWEEP_TEST_DATA does not name a folder of real slices")
    return Path(folder)


def pytest_collection_finish() -> None:
    """Spare every later garbage collection the million objects that imports have made."""
    gc.collect()
    gc.freeze()


SLOW = ("test_pipeline", "test_sweep", "test_two_stage_model", "test_unkillable", "test_search", "test_phase2")
"""The files that take longest, longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow files, so that two test processes end at the same time (xdist keeps this order)."""
    place = {name: index for index, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path.stem, len(SLOW)))
