"""The guard around all tests: none sends anything or writes where it must not."""

import os
import shutil
import tempfile
from pathlib import Path

import guard
import pytest

from lge_sweep.paths import cache_folder

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
