"""A runs directory that was moved or copied: MLflow's paths, which are absolute, follow; it works where it lies."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from lge_sweep.errors import RunsError
from lge_sweep.tracking.database import DATABASE, WAIT

ARTIFACTS = "artifacts"
"""Folder, in a runs directory, of what MLflow keeps in files."""
PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""Table of MLflow's database -> its columns that say where files are."""
_log = logging.getLogger(__name__)


def artifacts_uri(folder: Path) -> str:
    """Return where a runs directory's artifacts are, as MLflow stores it."""
    return (folder.resolve() / ARTIFACTS).as_uri()


def path_of(uri: str) -> Path:
    """Return the path that a `file:` URI names."""
    return Path(url2pathname(urlparse(uri).path))


def relocate(folder: Path, experiment: str) -> None:
    """Let the database of a runs directory name this folder, if it names another: all of it or nothing.

    The other folder is neither read nor written, whether it is still there or not.

    Args:
        folder: the runs directory, which has a database.
        experiment: name of the experiment whose place tells where the runs directory was.

    Raises:
        RunsError: it was moved, and its database can only be read.
        sqlite3.Error: the database cannot be used.
    """
    new = artifacts_uri(folder)
    with closing(sqlite3.connect(folder / DATABASE, timeout=WAIT, isolation_level=None)) as connection:
        old = _recorded(connection, experiment)
        if old in {None, new}:
            return
        before = path_of(str(old)).parent
        try:
            connection.execute("BEGIN IMMEDIATE")
            for table, columns in PLACES.items():
                for column in columns:
                    connection.execute(
                        f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "
                        f"WHERE {column} = :old OR substr({column}, 1, length(:old) + 1) = :old || '/'",
                        {"old": old, "new": new},
                    )
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
            raise RunsError(
                f"{folder / DATABASE}: the runs directory was moved here from {before}, and MLflow's paths must "
                "follow, but the file cannot be written: make it writable, or work on a copy of the runs directory"
            ) from error
    _log.warning(
        "the runs directory was moved or copied here from %s: MLflow's paths follow; nothing there was touched", before
    )


def _recorded(connection: sqlite3.Connection, experiment: str) -> str | None:
    """Return where the database says that artifacts are; None if it is no database of ours."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables.issuperset(PLACES):
        return None
    found = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)).fetchone()
    return str(found[0]) if found else None
