"""What a shell completes: names of files and folders alone are read, so that TAB is quick; where it cannot, nothing."""

from collections.abc import Iterable

import typer

from lge_sweep.errors import LgeSweepError
from lge_sweep.paths import sweeps_folder
from lge_sweep.run_store import RunStore, SweepFolder


def complete_data(incomplete: str) -> list[str]:
    """Complete the name of a data file."""
    return _beginning(incomplete, _names("data"))


def complete_profile(incomplete: str) -> list[str]:
    """Complete the name of a profile."""
    return _beginning(incomplete, ["auto", *_names("profile")])


def complete_pipelines(incomplete: str) -> list[str]:
    """Complete the name of a file of pipelines."""
    return _beginning(incomplete, _names("pipelines"))


def complete_models(incomplete: str) -> list[str]:
    """Complete the last of several architectures."""
    from lge_sweep.config.architectures import ARCHITECTURES  # loads pydantic

    before, comma, last = incomplete.rpartition(",")
    names = [name for name in ARCHITECTURES if name not in before.split(",")]
    return [f"{before}{comma}{name}" for name in _beginning(last, names)]


def complete_executor(incomplete: str) -> list[str]:
    """Complete the name of an executor."""
    from lge_sweep.engine import EXECUTORS  # loads pydantic

    return _beginning(incomplete, EXECUTORS)


def complete_sweep(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a sweep of the runs directory."""
    return _beginning(incomplete, (sweep.name for sweep in _sweeps(ctx)))


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a sweep of the runs directory, or of a phase 4."""
    try:
        evaluations = [files.name for _, files in RunStore.open(ctx.params.get("runs")).evaluations()]
    except (LgeSweepError, OSError):
        evaluations = []
    return _beginning(incomplete, [*(sweep.name for sweep in _sweeps(ctx)), *evaluations])


def complete_shown(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete a finished cell or a pipeline of any run: which is meant is not parsed yet."""
    tables = [path.stem for sweep in _sweeps(ctx) for path in sweep.path.glob("*/*.csv")]
    return _beginning(incomplete, sorted({*complete_configuration(ctx, ""), *tables}))


def complete_cell(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete SWEEP/CELL, a finished cell of the runs directory."""
    return _beginning(incomplete, (f"{sweep.name}/{cell.name}" for sweep in _sweeps(ctx) for cell in sweep.finished()))


def complete_configuration(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete a finished cell of any sweep, which stands for its configuration: the sweep's name is not parsed yet."""
    return _beginning(incomplete, sorted({cell.name for sweep in _sweeps(ctx) for cell in sweep.finished()}))


def _names(kind: str) -> list[str]:
    return sorted(path.stem for path in (sweeps_folder() / kind).glob("*.yaml"))


def _sweeps(ctx: typer.Context) -> list[SweepFolder]:
    """Return the sweeps of the runs directory that the command line names so far."""
    try:
        return RunStore.open(ctx.params.get("runs")).sweeps()
    except (LgeSweepError, OSError):
        return []


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
