"""The file of MLflow's database: its URI, whether it can be written now, and whether it is damaged for good."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy.engine import URL

from lge_sweep.atomic import atomic_file, set_aside

DATABASE = "mlflow.db"
WAIT = 2.0
"""Seconds to wait for another process's lock before giving up; MLflow itself would wait for 20 at every call."""
JOURNALS = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a database while it writes; of no other database than that."""
_log = logging.getLogger(__name__)


def database_uri(folder: Path) -> str:
    """Return the URI of a runs directory's MLflow database."""
    return _uri(str(folder.resolve() / DATABASE))


def _uri(path: str) -> str:
    """Return the URI of a database file, whatever letters are in its path.

    The driver is named because MLflow makes the folders that it sees in `sqlite:///PATH`, where a space is `%20`.
    """
    return URL.create("sqlite+pysqlite", database=path).render_as_string()


FileId = tuple[int, int]
_opened: dict[Path, tuple[FileId | None, int]] = {}
"""Folder -> the database that this process opened last, and how many others it had opened there before."""


def identify(path: Path) -> FileId | None:
    """Return what tells a file from another that takes its name; None if there is none."""
    about = path.stat() if path.is_file() else None
    return (about.st_dev, about.st_ino) if about else None


def fresh_uri(folder: Path, new: bool) -> str:
    """Return a URI of the database that this process has used for no other file.

    MLflow and SQLAlchemy keep connections and what they know of a database by its URI, also when the file is gone.

    Args:
        folder: the runs directory.
        new: whether the database has just been made; it may have the number of a file that was removed.
    """
    last, others = _opened.get(folder, (None, -1))
    found = identify(folder / DATABASE)
    others += others < 0 or new or last != found
    _opened[folder] = (found, others)
    return _uri(f"{folder.resolve()}/{'./' * others}{DATABASE}")


def check_writable(path: Path) -> None:
    """Make sure that a database, if it is there, can be written now.

    Raises:
        sqlite3.Error: it cannot: it is locked, full, read-only, or no database.
    """
    if path.is_file():
        with closing(sqlite3.connect(path, timeout=WAIT)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()


@contextmanager
def new_database(folder: Path) -> Iterator[str]:
    """Give the URI of a database to make in a runs directory, which takes its place once it is made.

    MLflow makes its hundred tables one after the other, and cannot go on with a half-made database.
    """
    drop_journals(folder)
    for left_over in folder.glob(f".{DATABASE}-*"):
        left_over.unlink(missing_ok=True)
    with atomic_file(folder / DATABASE) as unfinished:
        unfinished.touch()  # SQLite would not let the group write it, whatever the umask allows
        yield _uri(str(unfinished))


def is_damaged(path: Path) -> bool:
    """Whether a database cannot be used for good; asked after it could not be opened. One that is locked can be.

    It is no database, SQLite finds its structure broken, or it is half made: no MLflow database that is in use has no
    experiment.
    """
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=WAIT)) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return True
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return (
                "experiments" not in tables or not connection.execute("SELECT count(*) FROM experiments").fetchone()[0]
            )
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        return True


def set_database_aside(folder: Path) -> None:
    """Move a damaged database out of the way, with its journals, and say so; the next opening makes a new one."""
    aside = set_aside(folder / DATABASE, folder)
    drop_journals(folder)
    _log.warning(
        "%s was damaged and is now %s; MLflow's view is made again from the ledger and the sweeps' folders, the model "
        "registry as sweeps select again", folder / DATABASE, aside,
    )  # fmt: skip


def drop_journals(folder: Path) -> None:
    """Remove the journals of a database that is gone: SQLite would apply them to the next one."""
    for ending in JOURNALS:
        with suppress(FileNotFoundError):
            (folder / f"{DATABASE}{ending}").unlink()
