"""Where things are: the sweep files, the images, the runs."""

import os
from pathlib import Path

from lge_sweep.errors import DataError, RunsError

RUNS_VARIABLE = "LGE_SWEEP_RUNS"
DATA_VARIABLE = "LGE_SWEEP_DATA"
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


def sweeps_folder() -> Path:
    """Return the folder of sweep files: `./sweeps`, else the repository's, else the copy in the installed package."""
    package = Path(__file__).parent
    candidates = [Path("sweeps"), package.parent / "sweeps", package / "sweeps"]
    return next((folder for folder in candidates if (folder / "phase1.yaml").is_file()), candidates[1])


def runs_folder(given: Path | None) -> Path:
    """Return the folder all results go to: as given, else `LGE_SWEEP_RUNS`, else `runs`."""
    return (given or Path(os.environ.get(RUNS_VARIABLE) or "runs")).expanduser()


def data_root(given: Path | None) -> Path:
    """Return the folder the images are in: as given, else `LGE_SWEEP_DATA`.

    Raises:
        DataError: neither is set, or the folder does not exist.
    """
    root = given or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    if root is None:
        raise DataError("data", [f"where are the images? Give root=FOLDER (--root FOLDER) or set {DATA_VARIABLE}"])
    root = root.expanduser()
    if not root.is_dir():
        raise DataError(str(root), ["no such folder; give the folder that holds the images with root= (--root)"])
    return root


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
