"""Find a run or a cell by what a user calls it."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lge_sweep.choices import suggest
from lge_sweep.errors import ConfigError, RunsError
from lge_sweep.run_store import CellFolder, EvaluationFolder, RunStore, SweepFolder
from lge_sweep.text import shorten

if TYPE_CHECKING:  # pandas
    from lge_sweep.study import Plan


def find_sweep(sweep: str, store: RunStore) -> SweepFolder:
    """Return the folder of a sweep: given as a folder, a name, or the id of its MLflow run.

    Raises:
        RunsError: there is none.
    """
    found = next((known for known in (SweepFolder(Path(sweep)), store.sweep(sweep)) if known.settings.is_file()), None)
    if found is None and store.is_tracked:
        from lge_sweep.tracking import Tracker  # imports MLflow, which takes seconds

        with suppress(KeyError):
            found = store.sweep(Tracker(store).tags_of(sweep)["sweep"])
    if found is None or not found.settings.is_file():
        names = [known.name for known in store.sweeps()]
        near = suggest(sweep, names) if names else "there is none yet"
        raise RunsError(f"no sweep '{shorten(sweep)}' in {store.root}: {near}")
    return SweepFolder(found.path.resolve())


def find_measured(run: str, store: RunStore) -> SweepFolder | EvaluationFolder:
    """Return the folder of a sweep, as `find_sweep`, or of phase 4, by its name or path.

    Raises:
        RunsError: there is none.
    """
    for found in (EvaluationFolder(Path(run)), EvaluationFolder(store.root / run)):
        if found.record.is_file():
            return EvaluationFolder(found.path.resolve())
    return find_sweep(run, store)


def result_file(plan: "Plan") -> Path:
    """Return the file that says what a sweep came to: what was selected, or of phase 3 how the pipelines compare.

    Raises:
        RunsError: it came to nothing yet.
    """
    wanted = plan.files.comparison if plan.config.fit else plan.files.selection
    if not wanted.is_file():
        raise RunsError(f"{plan.folder}: has no {wanted.name} yet; repeat the sweep's command to complete it")
    return wanted


def find_cell(name: str, store: RunStore) -> CellFolder:
    """Return the folder of a finished cell: given as a folder, as `SWEEP/CELL`, or by a name that is unique.

    Raises:
        ConfigError: there is none, or several.
    """
    if CellFolder(Path(name)).outcome.is_file():
        return CellFolder(Path(name).resolve())
    sweep, _, cell = name.rpartition("/")
    finished = [folder for known in store.sweeps() for folder in known.finished()]
    found = [folder for folder in finished if folder.name == cell and (not sweep or folder.sweep.name == sweep)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{folder.sweep.name}/{folder.name}" for folder in found)
        raise ConfigError(f"several cells are named '{shorten(name)}'; say which: {listed}")
    names = {folder.name for folder in finished}
    near = suggest(cell, names) if names else "there is none yet"
    raise ConfigError(f"no finished cell '{shorten(name)}' in {store.root}: {near}")
