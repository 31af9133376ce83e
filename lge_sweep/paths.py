"""Where things are: the sweep files, the images, the runs."""

import os
import re
import shlex
from pathlib import Path

from lge_sweep.errors import ConfigError, DataError, RunsError
from lge_sweep.text import shorten

RUNS_VARIABLE = "LGE_SWEEP_RUNS"
DATA_VARIABLE = "LGE_SWEEP_DATA"
STALL_VARIABLE = "LGE_SWEEP_STALL"
STALL = 900
"""Seconds; a worker speaks after every step and every batch, which even without a GPU takes a minute at most."""
LOADING = 60
"""Seconds that a worker may say nothing for as it loads its libraries; no limit of silence is below."""
CHECKPOINT_VARIABLE = "LGE_SWEEP_CHECKPOINT"
CHECKPOINT = 30
"""Seconds of training that a kill may cost, beside those since the last validation."""
LONGEST_PATH = 4096
"""Bytes of a path, in Linux."""
LONGEST_RUNS = 484
"""Bytes of a runs directory's path: SQLite takes 504 for a file, and an unfinished `.mlflow.db-` has 8 digits."""
WEIGHT_SUFFIXES = (".pth", ".pt", ".safetensors")
"""Kinds of pretrained weight files, in the order they are looked for."""


def cache_folder() -> Path:
    """Return the folder for what is kept in the user's home for speed alone; it may be removed at any time.

    Raises:
        RuntimeError: the user has no home.
    """
    return _of_the_user("XDG_CACHE_HOME", ".cache")


def configuration_folder() -> Path:
    """Return the folder for what is kept in the user's home for good: the salt of case ids.

    Raises:
        RuntimeError: the user has no home.
    """
    return _of_the_user("XDG_CONFIG_HOME", ".config")


def _of_the_user(variable: str, folder: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / folder) / "lge_sweep"


def user_path(text: str) -> Path:
    """Return the path that a user wrote; `~` is the home folder.

    Raises:
        ConfigError: it is empty, or names the home folder of nobody.
    """
    if len(os.fsencode(text)) > LONGEST_PATH:
        raise ConfigError(f"a path of {len(os.fsencode(text))} bytes; at most {LONGEST_PATH} can be opened")
    if not text:
        raise ConfigError("the path is empty; name a file or a folder ('.' is the one you are in)")
    try:
        path = Path(text).expanduser()
        path.resolve()
    except RuntimeError as error:
        raise ConfigError(f"{shorten(text)}: there is no such home folder, or its links go in a circle") from error
    return path


def as_path(given: str | Path | None) -> Path | None:
    """Return a path that a program gave; text is that of a user: see `user_path`."""
    return user_path(given) if isinstance(given, str) else given


def sweeps_folder() -> Path:
    """Return the folder of sweep files: `./sweeps`, else the repository's, else the copy in the installed package."""
    package = Path(__file__).parent
    candidates = [Path("sweeps"), package.parent / "sweeps", package / "sweeps"]
    return next((folder for folder in candidates if (folder / "phase1.yaml").is_file()), candidates[1])


def runs_folder(given: Path | None) -> Path:
    """Return the folder all results go to: as given, else `LGE_SWEEP_RUNS`, else `runs`.

    Raises:
        RunsError: its path cannot be that of a database: it is no UTF-8, which MLflow stores, or too long for SQLite.
    """
    folder = given or user_path(os.environ.get(RUNS_VARIABLE) or "runs")
    path = os.fspath(folder.resolve())
    where = f"choose another with --runs (make: runs=) or {RUNS_VARIABLE}"
    try:
        length = len(path.encode())
    except UnicodeEncodeError as error:
        raise RunsError(
            f"{path}: the path has a byte that is no UTF-8, and MLflow stores paths as UTF-8; rename the folder, or "
            f"{where}"
        ) from error
    if length > LONGEST_RUNS:
        raise RunsError(
            f"{shorten(path)}: the path of the runs directory has {length} bytes, and SQLite opens no database in one "
            f"of more than {LONGEST_RUNS} (links are followed first); {where}"
        )
    return folder


def first_command(runs: Path) -> str:
    """Say which command makes the first sweep of a runs directory, as `make` and without it."""
    if runs == user_path(os.environ.get(RUNS_VARIABLE) or "runs"):
        return "begin with `make phase1` (lge-sweep phase1)"
    named = shlex.quote(str(runs))
    return f"begin with `make phase1 runs={named}` (lge-sweep phase1 --runs {named})"


def describe_name(runs: Path) -> str:
    """Return a sentence on what others cannot do in a runs directory of this path; empty if there is nothing to say.

    MLflow takes the path of a model for an address and reads `%20` in it as a space.
    """
    escaped = re.search("%[0-9A-Fa-f]{2}", str(runs.resolve()))
    if escaped is None:
        return ""
    return (
        f"MLflow's own functions that load a model (not lge-sweep) cannot read a path with '{escaped[0]}' in it; the "
        "folder may be renamed at any time, what is in it works where it lies"
    )


def data_root(given: Path | None) -> Path:
    """Return the folder the images are in: as given, else `LGE_SWEEP_DATA`.

    Raises:
        DataError: neither is set, or the folder does not exist.
    """
    root = given or (user_path(named) if (named := os.environ.get(DATA_VARIABLE)) else None)
    if root is None:
        raise DataError("data", [f"where are the images? Give root=FOLDER (--root FOLDER) or set {DATA_VARIABLE}"])
    if not root.is_dir():
        raise DataError(str(root), ["no such folder; give the folder that holds the images with root= (--root)"])
    return root


def stall_limit() -> float:
    """Return the seconds without a word after which a worker is taken to hang.

    Raises:
        RunsError: `LGE_SWEEP_STALL` is set to something else than a number of seconds, or to less than a worker on a
            busy machine says nothing for while it loads its libraries.
    """
    return _seconds(STALL_VARIABLE, STALL, least=LOADING)


def checkpoint_interval() -> float:
    """Return the seconds of training between two checkpoints, at least.

    Raises:
        RunsError: `LGE_SWEEP_CHECKPOINT` is set to something else than a number of seconds.
    """
    return _seconds(CHECKPOINT_VARIABLE, CHECKPOINT)


def _seconds(variable: str, default: float, least: float = 0) -> float:
    given = os.environ.get(variable) or str(default)
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not least <= seconds < float("inf"):
        raise RunsError(f"{variable}: expected a number of seconds from {least:g} on, got '{shorten(given)}'")
    return seconds


def make_writable(folder: Path) -> None:
    """Create a folder if needed and make sure files can be written there.

    Raises:
        RunsError: it cannot be created or written.
    """
    probe = folder / f".writable-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise RunsError(
            f"{folder}: results cannot be written here ({error.strerror}); "
            f"choose another folder with --runs (make: runs=) or {RUNS_VARIABLE}"
        ) from error
