"""What a cell's folder holds, checked: a finished cell's result, or what a training can be resumed from."""

import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage
from lge_sweep.config import Cell
from lge_sweep.csv_files import read_frame
from lge_sweep.errors import DamagedError
from lge_sweep.hashing import file_digest
from lge_sweep.labels import SCORED
from lge_sweep.metrics import METRICS, Counts
from lge_sweep.run_store import CellFolder
from lge_sweep.study.records import REMEDY, CellRecord, read_record
from lge_sweep.text import error_text, shorten

HISTORY_COLUMNS = ("step", "epoch", "train_loss", "val_loss", "val_dice", "seconds")
"""As `lge_sweep.engine.recorder.Row`, which loads torch."""
USAGE_COLUMNS = ("seconds", "time", "cpu_percent", "memory_mb", "gpu_percent", "gpu_memory_mb")
"""As `lge_sweep.engine.usage.Sample`."""


def read_cell(files: CellFolder, cell: Cell, sweep: str) -> CellRecord:
    """Read the record of a finished cell, and make sure that its folder holds what it says.

    Args:
        files: what is in the folder.
        cell: which it must be of.
        sweep: name of the sweep that it must be of.

    Raises:
        DamagedError: a file is missing, damaged or of another cell.
    """
    record = read_record(CellRecord, files.outcome)
    if record.cell != cell:
        raise DamagedError(files.outcome, f"it is of another cell, {shorten(record.cell.name)}", REMEDY)
    if record.sweep not in (None, sweep):
        raise DamagedError(files.outcome, f"it is of another sweep, {shorten(record.sweep)}", REMEDY)
    for path in files.results:
        check_file(path, record)
    return record


def check_file(path: Path, record: CellRecord) -> None:
    """Make sure that a file of a finished cell is what was written.

    Args:
        path: the file.
        record: the cell's record; one of format 1 knows no digests.

    Raises:
        DamagedError: it is not.
    """
    if not path.is_file():
        raise DamagedError(path, "it is gone", REMEDY)
    about, wanted = path.stat(), record.files.get(path.name)
    if about.st_size == 0:
        raise DamagedError(path, "it is empty", REMEDY)
    if wanted is not None and _digest(path, about.st_mtime_ns, about.st_size) != wanted:
        raise DamagedError(path, "its content is not what was written", REMEDY)
    if wanted is None and path.suffix in {".pt", ".npz"} and not zipfile.is_zipfile(path):
        raise DamagedError(path, "it is cut", REMEDY)


@lru_cache(maxsize=4096)
def _digest(path: Path, changed: int, size: int) -> str:
    """Return a file's digest, read once as long as it stays as it is."""
    return file_digest(path)


def read_predictions(path: Path) -> LabelImage:
    """Read what a finished cell predicted for the subset that it was measured on.

    Returns:
        [N, S, S] uint8 channel indices.

    Raises:
        DamagedError: they cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            predicted = stored["prediction"]
    except OSError as error:
        raise DamagedError(path, str(error.strerror), REMEDY) from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, TypeError) as error:
        raise DamagedError(path, f"not predictions ({error_text(error)})", REMEDY) from error
    if predicted.dtype != np.uint8 or predicted.ndim != 3:
        raise DamagedError(path, f"predictions are [N, S, S] uint8, got {predicted.shape} {predicted.dtype}", REMEDY)
    found: LabelImage = predicted
    return found


def read_per_image(path: Path) -> pd.DataFrame:
    """Read a table of `lge_sweep.metrics.evaluate` back; a metric that was not yet there when it was written is NaN.

    Raises:
        DamagedError: it is not such a table, or lacks a metric that scores are made of.
    """
    found = read_frame(path, ("image", "case", "class"), (*Counts._fields, *SCORED), REMEDY)
    return found.assign(**{name: np.nan for name in METRICS if name not in found})


def read_history(path: Path) -> pd.DataFrame:
    """Read the history of a training: a row a step, the columns of `lge_sweep.engine.recorder.Row`.

    Raises:
        DamagedError: it is not such a table.
    """
    return read_frame(path, (), HISTORY_COLUMNS, REMEDY)


def read_usage(path: Path) -> pd.DataFrame:
    """Read what a training took of its machine: a row a sample, the columns of `lge_sweep.engine.usage.Sample`.

    Raises:
        DamagedError: it is not such a table.
    """
    return read_frame(path, (), USAGE_COLUMNS, REMEDY)


def check_resumable(files: CellFolder) -> None:
    """Make sure that a training which was interrupted can be resumed from its folder.

    Raises:
        DamagedError: a file is damaged, or is missing beside a checkpoint.
    """
    if not files.checkpoint.is_file():
        return
    read_history(files.history)
    for path in (files.checkpoint, files.best):
        try:
            with zipfile.ZipFile(path) as archive:  # torch's format
                bad = archive.testzip()
        except FileNotFoundError:
            raise DamagedError(path, "it is gone") from None
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise DamagedError(path, error_text(error)) from error
        if bad is not None:
            raise DamagedError(path, f"its part {bad[:40]} is not what was written")
