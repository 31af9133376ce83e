"""A runs directory that was moved or copied: MLflow's paths, which are absolute, follow; it works where it lies."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore, is_held_by_another

EXPERIMENT = "lge_sweep"
"""Name of our experiment in MLflow."""
WAIT = 2.0
"""Seconds to wait for another process's lock before giving up; MLflow itself would wait for 20 at every call."""
PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""Table of MLflow's database -> its columns that say where files are."""
_log = logging.getLogger(__name__)


def path_of(uri: str) -> Path:
    """Return the path that a `file:` URI names."""
    return Path(url2pathname(urlparse(uri).path))


def relocate(store: RunStore, database: Path, experiment: str) -> None:
    """Let a database name this folder of artifacts, if it names another: all of it or nothing.

    The other folder is neither read nor written, whether it is still there or not. Under two paths, by a link or a
    mount, a folder is the same; and while a driver works in it, paths are left to that.

    Args:
        store: the runs directory.
        database: the file, in it.
        experiment: name of the experiment whose place tells where its artifacts were.

    Raises:
        RunsError: they were moved, and the database can only be read.
        sqlite3.Error: the database cannot be used.
    """
    artifacts = store.artifacts.resolve().as_uri()
    with closing(sqlite3.connect(database, timeout=WAIT, isolation_level=None)) as connection:
        old = _recorded(connection, experiment)
        if old in {None, artifacts}:
            return
        before = path_of(str(old)).parent
        if before.is_dir() and before.samefile(store.root):
            return
        if is_held_by_another(store):
            _log.warning(
                "a driver works in this runs directory under another path, %s: MLflow's paths are left to it, and "
                "files of runs may not be found here until it has ended", before,
            )  # fmt: skip
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            for table, columns in PLACES.items():
                for column in columns:
                    connection.execute(
                        f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "
                        f"WHERE {column} = :old OR substr({column}, 1, length(:old) + 1) = :old || '/'",
                        {"old": old, "new": artifacts},
                    )
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
            raise RunsError(
                f"{database}: the runs directory was moved here from {before}, and MLflow's paths must follow, but the "
                "file cannot be written: make it writable, or work on a copy of the runs directory"
            ) from error
    _log.warning(
        "the runs directory was moved or copied here from %s: MLflow's paths follow; nothing there was touched", before
    )


def table_names(connection: sqlite3.Connection) -> set[str]:
    """Return the names of a database's tables."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _recorded(connection: sqlite3.Connection, experiment: str) -> str | None:
    """Return where the database says that artifacts are; None if it is no database of ours."""
    if not table_names(connection).issuperset(PLACES):
        return None
    found = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)).fetchone()
    return str(found[0]) if found else None
