"""Find a sweep or a cell by what a user calls it."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lge_sweep.choices import suggest
from lge_sweep.errors import ConfigError, RunsError
from lge_sweep.run_store import RunStore
from lge_sweep.study.files import OUTCOME, SETTINGS
from lge_sweep.text import shorten
from lge_sweep.tracking import Tracker


def find_sweep(sweep: str, runs: Path) -> Path:
    """Return the folder of a sweep: given as a folder, a name, or the id of its MLflow run.

    Raises:
        RunsError: there is none.
    """
    folder = next((folder for folder in (Path(sweep), runs / sweep) if (folder / SETTINGS).is_file()), None)
    if folder is None and RunStore.open(runs).is_tracked:
        with suppress(KeyError):
            folder = runs / Tracker(RunStore.open(runs)).tags_of(sweep)["sweep"]
    if folder is None or not (folder / SETTINGS).is_file():
        known = [folder.name for folder in _sweeps(runs)]
        near = suggest(sweep, known) if known else "there is none yet"
        raise RunsError(f"no sweep '{shorten(sweep)}' in {runs}: {near}")
    return folder.resolve()


def find_cell(name: str, runs: Path) -> Path:
    """Return the folder of a finished cell: given as a folder, as `SWEEP/CELL`, or by a name that is unique.

    Raises:
        ConfigError: there is none, or several.
    """
    if (Path(name) / OUTCOME).is_file():
        return Path(name).resolve()
    sweep, _, cell = name.rpartition("/")
    finished = [outcome.parent for folder in _sweeps(runs) for outcome in sorted(folder.glob(f"cells/*/{OUTCOME}"))]
    found = [folder for folder in finished if folder.name == cell and (not sweep or folder.parent.parent.name == sweep)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{folder.parent.parent.name}/{folder.name}" for folder in found)
        raise ConfigError(f"several cells are named '{shorten(name)}'; say which: {listed}")
    known = {folder.name for folder in finished}
    near = suggest(cell, known) if known else "there is none yet"
    raise ConfigError(f"no finished cell '{shorten(name)}' in {runs}: {near}")


def _sweeps(runs: Path) -> Sequence[Path]:
    return sorted(path.parent for path in runs.glob(f"*/{SETTINGS}"))
