"""MLflow's database in a runs directory: made whole, found where it lies, set aside when it is damaged for good."""

import logging
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mlflow.exceptions import MlflowException

from lge_sweep.atomic import atomic_file
from lge_sweep.errors import DamagedError, RunsError
from lge_sweep.run_store import RunStore, sqlite_uri
from lge_sweep.tracking.moved import WAIT, relocate, table_names

JOURNALS = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a database while it writes; of no other database than that."""
LOCKED = "database is locked"
"""In SQLite's words."""
_log = logging.getLogger(__name__)

FileId = tuple[int, int]
_opened: dict[Path, tuple[FileId | None, int]] = {}
"""Database -> the file that this process opened last, and how many others it had opened there before."""


class DatabaseFile:
    """An SQLite file of ours as MLflow's backend store; see `lge_sweep.tracking.backend`.

    Args:
        store: the runs directory.
        path: the file, in it.
        experiment: name of our experiment, whose place tells where the runs directory was before.
    """

    address = ""

    def __init__(self, store: RunStore, path: Path, experiment: str) -> None:
        """Note where it is; nothing is opened yet."""
        self.store, self.path, self.experiment = store, path, experiment
        self.artifacts = store.artifacts.resolve().as_uri()

    def identify(self) -> FileId | None:
        """Return what tells the file from another that takes its name; None if there is none."""
        return identify(self.path)

    def check(self) -> None:
        """Make sure that the file, if it is there, can be written now.

        Raises:
            sqlite3.Error: it cannot: it is locked, full, read-only, or no database.
        """
        if self.path.is_file():
            with closing(sqlite3.connect(self.path, timeout=WAIT)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()

    def open(self, set_up: Callable[[str], object]) -> str:
        """Make the file if there is none, or let what it says of paths follow the runs directory.

        Args:
            set_up: fills a new database, by its URI.

        Returns:
            A URI of the database that this process has used for no other file.

        Raises:
            RunsError: the runs directory was moved, and the file can only be read.
            MlflowException: it is no file.
            sqlite3.Error: the file cannot be used.
        """
        new = self.identify() is None
        if new and self.path.exists():
            raise MlflowException("it is a folder or a device, not a file")
        if new:
            with new_database(self.path) as uri:
                set_up(uri)
        else:
            relocate(self.store, self.path, self.experiment)
        return fresh_uri(self.path, new)

    def may_return(self, reason: str) -> bool:
        """Whether another process has locked it."""
        return LOCKED in reason

    def mend(self) -> None:
        """Set the file aside if it is damaged, with its journals, and say so; the next opening makes a new one."""
        if not is_damaged(self.path):
            return
        aside = self.store.quarantine(self.path)
        drop_journals(self.path)
        _log.warning(
            "%s was damaged and is now %s; MLflow's view is made again from the ledger and the sweeps' folders, the "
            "model registry as sweeps select again", self.path, aside,
        )  # fmt: skip

    def failure(self, reason: str) -> RunsError:
        """Say what to do where it cannot be used."""
        if is_damaged(self.path):
            remedy = "Run a sweep's command again: it is set aside, and made anew from the sweeps' folders"
            return DamagedError(self.path, reason, remedy)
        return RunsError(
            f"{self.path}: MLflow cannot use it ({reason}). It is only a view: if it stays so, move it away and run a "
            "sweep's command again, and it is made anew from the sweeps' folders (one of an older MLflow keeps what it "
            f"has with: mlflow db upgrade {shlex.quote(self.store.tracking_uri)})"
        )


def identify(path: Path) -> FileId | None:
    """Return what tells a file from another that takes its name; None if there is none."""
    about = path.stat() if path.is_file() else None
    return (about.st_dev, about.st_ino) if about else None


def fresh_uri(path: Path, new: bool) -> str:
    """Return a URI of a database that this process has used for no other file.

    MLflow and SQLAlchemy keep connections and what they know of a database by its URI, also when the file is gone.

    Args:
        path: the database.
        new: whether it has just been made; it may have the number of a file that was removed.
    """
    path = path.parent.resolve() / path.name
    last, others = _opened.get(path, (None, -1))
    found = identify(path)
    others += others < 0 or new or last != found
    _opened[path] = (found, others)
    return sqlite_uri(f"{path.parent}/{'./' * others}{path.name}")


@contextmanager
def new_database(path: Path) -> Iterator[str]:
    """Give the URI of a database to make, which takes its place once it is made.

    MLflow makes its hundred tables one after the other, and cannot go on with a half-made database.
    """
    drop_journals(path)
    for left_over in path.parent.glob(f".{path.name}-*"):
        left_over.unlink(missing_ok=True)
    with atomic_file(path) as unfinished:
        unfinished.touch()  # SQLite would not let the group write it, whatever the umask allows
        yield sqlite_uri(str(unfinished.parent.resolve() / unfinished.name))


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
            known = "experiments" in table_names(connection)
            return not known or not connection.execute("SELECT count(*) FROM experiments").fetchone()[0]
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        return True


def drop_journals(path: Path) -> None:
    """Remove the journals of a database that is gone: SQLite would apply them to the next one."""
    for ending in JOURNALS:
        path.with_name(path.name + ending).unlink(missing_ok=True)
