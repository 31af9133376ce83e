"""What several tests share; and the guard around all of them: no test sends anything or writes where it must not."""

import gc
import os
import shutil
import tempfile

# Read when torch is imported: threads that wait for each other sleep soon instead of spinning (docs/log.md).
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

# Tests say the same with and without a GPU: they use none.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# One secret of case ids for all of them: none makes, or reads, that of whoever runs the tests.
os.environ["LGE_SWEEP_SALT"] = "test"

# pytest-xdist gives its own terminal's width to its processes; tables would be as narrow as that happens to be.
os.environ.pop("COLUMNS", None)

# With two test processes on two cores, each keeps to its own: computing threads that wait for each other across
# processes cost more than they bring.
if os.environ.get("PYTEST_XDIST_WORKER", "").startswith("gw") and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(os.environ["PYTEST_XDIST_WORKER"][2:]) % len(cores)]})

from pathlib import Path

import guard
import pytest
from slow_tests import REASON, SLOW_TESTS

from lge_sweep.engine.executors import EXECUTOR_VARIABLE
from lge_sweep.paths import cache_folder


@pytest.fixture
def real_data() -> Path:
    """Folder of real slices, as `LGE_SWEEP_TEST_DATA` names it."""
    folder = os.environ.get("LGE_SWEEP_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LGE_SWEEP_TEST_DATA does not name a folder of real slices")
    return Path(folder)


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train cells in this process, which has loaded its libraries: for tests of what a sweep comes to."""
    monkeypatch.setenv(EXECUTOR_VARIABLE, "inline")


GUARD = pytest.StashKey[Path]()
"""The folder of the guard's library and log."""


def pytest_configure(config: pytest.Config) -> None:
    """Put the processes that tests run in, and all that they start, under the guard (the first process is not)."""
    if hasattr(config, "workerinput"):
        return
    folder = Path(tempfile.mkdtemp(prefix="lge_sweep-guard-"))
    config.stash[GUARD] = folder
    library, _ = guard.build(folder)
    if library is not None:
        scratch = [Path(tempfile.gettempdir()), Path(config.getoption("basetemp") or folder)]
        own = [cache_folder(), config.rootpath / ".pytest_cache"]
        os.environ.update(guard.environment(library, folder / "log", [*scratch, *own]))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if the guard caught something in any test."""
    if GUARD in session.config.stash and guard.read(session.config.stash[GUARD] / "log"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the guard caught, and in which test."""
    caught = guard.read(config.stash[GUARD] / "log")
    if caught:
        terminalreporter.section("sent, or written where it must not be", red=True)
        for offence in caught:
            terminalreporter.line(str(offence))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the guard's folder."""
    if GUARD in config.stash:
        shutil.rmtree(config.stash[GUARD], ignore_errors=True)


def pytest_collection_finish() -> None:
    """Spare every later garbage collection the million objects that imports have made."""
    gc.collect()
    gc.freeze()


LONGEST = (
    "test_pipeline", "test_sweep", "test_two_stage_model", "test_unkillable", "test_search", "test_phase2", "test_sent"
)  # fmt: skip
"""The files that take longest, longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip slow tests unless they are asked for.

    Begin with the files that take longest, so that two test processes end at the same time (xdist keeps this order).
    """
    for item in items:
        if item.get_closest_marker("slow") and not SLOW_TESTS:
            item.add_marker(pytest.mark.skip(reason=REASON))
    place = {name: index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))
