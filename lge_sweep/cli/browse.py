"""Write the page on which the cases of a sweep or pipeline are looked at, and say where it is."""

from dataclasses import replace
from pathlib import Path

from lge_sweep.api import find_measured, read_cases, write_cases
from lge_sweep.browse import ShownCases
from lge_sweep.cli.request import BrowseRequest
from lge_sweep.cli.terminal import Terminal
from lge_sweep.errors import RunsError
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.run_store import EvaluationFolder, RunStore

_LARGE = 20_000_000
"""Bytes from which on it is said that browsers take their time."""


def browse_cases(console: Terminal, request: BrowseRequest, store: RunStore) -> None:
    """Write the page of a run, and print where it is.

    Args:
        console: where to print.
        request: which run, what of it, and where to.
        store: the runs directory.

    Raises:
        ConfigError: there is no such cell or pipeline.
        RunsError: there is no such run, nothing of it can be shown, or the page cannot be written.
    """
    files = find_measured(request.run, store)
    shown = read_cases(files, request.show)
    page, size = write_cases(files, shown, request.output)
    _say(console, shown, page, size)
    if request.mlflow:
        _log(console, replace(store, root=files.path.parent), files, page)


def _say(console: Terminal, shown: ShownCases, page: Path, size: int) -> None:
    console.print_line(f"Page: {page} ({size / 1e6:.1f} MB; open it in a browser)")
    cases = shown.slices["case"].nunique()
    console.explain(
        f"{len(shown.slices)} slices of {cases} cases, {shown.subset_words}, worst case first: {shown.what}."
    )
    console.note("it holds every slice of these cases: mind who may see it")
    if shown.subset == "test":
        console.note("these are cases of the test subset: nothing may be chosen or changed by what they look like")
    if size > _LARGE:
        console.note(f"a page of {size / 1e6:.0f} MB takes a browser some seconds to open")


def _log(console: Terminal, store: RunStore, folder: MeasuredFolder, page: Path) -> None:
    """Put the page among the artifacts of the run in MLflow."""
    from lge_sweep.engine import hold_runs
    from lge_sweep.pipeline import key_of
    from lge_sweep.tracking import Tracker  # imports MLflow, which takes seconds

    key = key_of(folder) if isinstance(folder, EvaluationFolder) else folder.name
    with hold_runs(store):
        tracker = Tracker(store)
        found = tracker.find(key)
        if found is None or found.info.status != "FINISHED":
            raise RunsError(f"{folder.name}: has no finished run in MLflow yet; repeat the command that made it")
        run = tracker.open_run(key, str(found.info.run_name), {}, {})
        run.log_files([page])
    console.print_line(f"MLflow: {page.name} is among the artifacts of {found.info.run_name}")
