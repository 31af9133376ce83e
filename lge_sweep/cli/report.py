"""Write the report of a study, and say where it is."""

from pathlib import Path

from lge_sweep.api import choose_profile, find_sweep
from lge_sweep.cli.request import ReportRequest
from lge_sweep.cli.terminal import Terminal
from lge_sweep.errors import ConfigError, RunsError
from lge_sweep.manuscript import PAGE, find_study, write_manuscript
from lge_sweep.run_store import RunStore
from lge_sweep.text import error_text


def write_report(console: Terminal, request: ReportRequest, store: RunStore) -> None:
    """Write the report of a study, and print where it and its tables are.

    Args:
        console: where to print.
        request: which study, where to, with or without pictures.
        store: the runs directory.

    Raises:
        RunsError: there is no such study, several fit, or the report cannot be written.
        DamagedError: a file of the study is damaged.
    """
    sweep = None if request.sweep is None else find_sweep(request.sweep, store).path
    profile = request.profile if sweep else _profile_of(request)
    study = find_study(store, Path(request.data).stem, Path(profile).stem, sweep)
    folder = request.output or store.root / f"report-{study.name}"
    _check(folder)
    try:
        written = write_manuscript(study, folder, request.images)
    except OSError as error:
        raise RunsError(f"{folder}: the report cannot be written ({error_text(error)})") from error
    console.print_line(f"Report: {written.page}")
    console.print_line(f"{written.count} tables as CSV and LaTeX: {written.tables}")
    console.explain(f"{written.open_items} of the 44 items of the CLAIM checklist are for the author to fill.")
    if request.images:
        console.note("it holds pictures of patients: mind who may see it")


def _profile_of(request: ReportRequest) -> str:
    """Return the profile that is meant; a report does not need the data file, which may be gone."""
    try:
        return choose_profile(request.profile, request.data)[0]
    except ConfigError:
        return "laptop"


def _check(folder: Path) -> None:
    """Refuse a folder that holds something else, which the report's tables would mix with."""
    if folder.exists() and not folder.is_dir():
        raise RunsError(f"{folder}: is a file; give --output the name of a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PAGE).is_file():
        raise RunsError(f"{folder}: holds other files, and no earlier {PAGE}; give --output a new or empty folder")
