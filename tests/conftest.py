"""What several tests share."""

import functools
import gc
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

# Read when torch is imported: threads that wait for each other sleep soon instead of spinning (docs/log.md).
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

# Tests say the same with and without a GPU: they use none.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# One secret of case ids for all of them: none makes, or reads, that of whoever runs the tests.
os.environ["LGE_SWEEP_SALT"] = "test"

# Ledger and MLflow are files of each test's own runs directory, whatever servers whoever runs the tests has named.
os.environ.pop("LGE_SWEEP_STORAGE", None)
os.environ.pop("MLFLOW_TRACKING_URI", None)

# A checkpoint after every validation: trainings of tests are shorter than what a kill may cost.
os.environ["LGE_SWEEP_CHECKPOINT"] = "0"

# pytest-xdist gives its own terminal's width to its processes; tables would be as narrow as that happens to be.
os.environ.pop("COLUMNS", None)

# With two test processes on two cores, each keeps to its own: computing threads that wait for each other across
# processes cost more than they bring.
if os.environ.get("PYTEST_XDIST_WORKER", "").startswith("gw") and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(os.environ["PYTEST_XDIST_WORKER"][2:]) % len(cores)]})

from pathlib import Path

import pytest
from program import inline
from slow_tests import REASON, SLOW_TESTS
from typer.main import get_command

from lge_sweep.config.data import Phantom
from lge_sweep.ingest.phantom import simulate_case
from lge_sweep.ingest.volume import Volume

# To look for dead objects after every 700 new ones takes a fifth of what reads and rewrites hundreds of modules.
gc.set_threshold(20_000, 50, 50)

pytest_plugins = ("guard_plugin",)


@pytest.fixture
def real_data() -> Path:
    """Folder of real slices, as `LGE_SWEEP_TEST_DATA` names it."""
    folder = os.environ.get("LGE_SWEEP_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LGE_SWEEP_TEST_DATA does not name a folder of real slices")
    return Path(folder)


@pytest.fixture(name="inline")
def _inline() -> Iterator[None]:
    """Train cells in this process, which has loaded its libraries: for tests of what a sweep comes to."""
    with inline():
        yield


@pytest.fixture(scope="session", autouse=True)
def _parser_made_once() -> Iterator[None]:
    """Spare each command of a test what a process does once: making the parser of all commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", functools.cache(get_command))
        yield


@pytest.fixture(scope="module", autouse=True)
def _figures_as_they_stand(request: pytest.FixtureRequest) -> Iterator[None]:
    """Save figures of this process without laying them out, which takes longer than to draw them.

    Tests of figures (their files are named after reports and figures) lay them out, and so do commands in processes.
    """
    if re.search("report|figures", request.path.stem):
        yield
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from lge_sweep.report import files

    def plain(figure: Figure) -> FigureCanvasAgg:
        figure.set_layout_engine("none")
        return FigureCanvasAgg(figure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "FigureCanvasAgg", plain)
        yield


@pytest.fixture(scope="session", autouse=True)
def _tables_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Begin each database of MLflow that this process makes with the tables of its first: to make them takes a second.

    Processes that tests start make theirs themselves.
    """
    from sqlalchemy.engine import make_url

    from lge_sweep.tracking import database  # imports MLflow, which the process that tests none needs not

    first = tmp_path_factory.mktemp("tables") / "mlflow.db"
    make = database.new_database

    @contextmanager
    def copy_or_make(path: Path) -> Iterator[str]:
        with make(path) as uri:
            if first.is_file():
                copy_database(first, Path(str(make_url(uri).database)))
            yield uri
            if not first.is_file():
                copy_database(Path(str(make_url(uri).database)), first)
                with closing(sqlite3.connect(first)) as connection, connection:
                    for rows in ("experiment_tags", "experiments"):  # each makes its own where there is none
                        connection.execute(f"DELETE FROM {rows}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "new_database", copy_or_make)
        yield


@pytest.fixture(scope="module", autouse=True)
def _exams_simulated_once(request: pytest.FixtureRequest) -> Iterator[None]:
    """Simulate each exam of this process once: 24 of them, the default, take three seconds.

    Tests of the phantom itself (their files are named after it) simulate anew each time.
    """
    if "phantom" in request.path.stem:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lge_sweep.ingest.phantom.simulate_case", simulate_once)
        yield


def simulate_once(settings: Phantom, case: int) -> Volume:
    """Return an exam as `simulate_case` does; how many there are does not matter to it."""
    return _simulated(settings.model_dump_json(exclude={"cases", "through"}), case)


@functools.lru_cache(maxsize=200)
def _simulated(settings: str, case: int) -> Volume:
    exam = simulate_case(Phantom.model_validate_json(settings), case)
    for array in (exam.pixels, exam.labels):
        array.flags.writeable = False
    return exam


def copy_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as first, closing(sqlite3.connect(target)) as second:
        first.backup(second)


def pytest_collection_finish() -> None:
    """Spare every later garbage collection the million objects that imports have made."""
    gc.collect()
    gc.freeze()


LONGEST = (
    "test_pipeline", "test_two_stage_model", "test_sent", "test_phase2", "test_sweep", "test_unkillable", "test_driver",
    "test_recipes", "test_search", "test_fuzz", "test_report_phase2", "test_slurm", "test_executors",
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
