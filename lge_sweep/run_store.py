"""Where everything of a runs directory is: its folders and files, and the addresses of its ledger and of MLflow.

Nothing else makes a path inside a runs directory. All values here are plain and frozen, and may cross to another
process. Folders stay the place of results; the ledger and MLflow may be on servers instead.
"""

import json
import os
import re
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from lge_sweep.atomic import quarantine, write_new
from lge_sweep.errors import RunsError
from lge_sweep.paths import runs_folder
from lge_sweep.run_folders import CellFolder, EvaluationFolder, ExternalFolder, SweepFolder
from lge_sweep.text import hide_credentials, shorten, slug

__all__ = [
    "LEDGER_VARIABLE", "SERVERS", "TRACKING_VARIABLE", "CellFolder", "EvaluationFolder", "ExternalFolder", "RunStore",
    "SweepFolder", "sqlite_uri",
]  # fmt: skip

LEDGER_VARIABLE = "LGE_SWEEP_STORAGE"
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
"""MLflow's own: whoever uses a server has set it."""
DATABASES = ("sqlite", "postgresql", "mysql")
"""Kinds of databases that both Optuna and MLflow take."""
SERVERS = ("http", "https")
_FITS, _EVALUATION, _EXTERNAL = "phase3-stage2-", "phase4-", "evaluate-"
"""How the name of a sweep of fits begins, that of the evaluation of its pipeline, and that of labels of others."""
_DATABASE = "mlflow.db"
_SCHEME = re.compile(r"(?P<kind>[a-z]+)(\+\w+)?://\S")


@dataclass(frozen=True)
class RunStore:
    """A runs directory.

    Attributes:
        root: its folder, as the user named it.
        ledger: URL of the database that keeps the ledger; None: a journal in the folder.
        tracking: URI of the MLflow server, or of its database; None: an SQLite database in the folder.

    >>> store = RunStore(Path("/runs"))
    >>> store.journal.as_posix(), store.database.as_posix(), store.tracking_uri
    ('/runs/study.log', '/runs/mlflow.db', 'sqlite+pysqlite:////runs/mlflow.db')
    >>> store.sweep("phase1-stage1").cell("unet").outcome.as_posix()
    '/runs/phase1-stage1/cells/unet/outcome.json'
    >>> RunStore(Path("/runs"), tracking="http://me:secret@mlflow.clinic:5000").tracking_shown
    'http://***@mlflow.clinic:5000'
    """

    root: Path
    ledger: str | None = field(default=None, repr=False)
    tracking: str | None = field(default=None, repr=False)

    @classmethod
    def open(cls, given: Path | None = None) -> Self:
        """Return the runs directory as given, else as `LGE_SWEEP_RUNS` says, with its servers, if any are named.

        Raises:
            RunsError: the folder cannot hold a database, or an address is of no kind that can be used.
        """
        root = runs_folder(given)
        ledger = _address(LEDGER_VARIABLE, DATABASES, "postgresql+psycopg://USER@HOST/NAME")
        tracking = _address(TRACKING_VARIABLE, (*SERVERS, *DATABASES), "http://HOST:5000")
        return cls(root, ledger, None if tracking and _names(tracking, root / _DATABASE) else tracking)

    @property
    def lock(self) -> Path:
        """Held by the one driver."""
        return self.root / ".driver.lock"

    @property
    def holder(self) -> Path:
        """Says who holds the lock."""
        return self.root / ".driver.json"

    def worker_lock(self, number: int) -> Path:
        """Return the file that a worker process holds as long as it lives."""
        return self.root / f".worker{number}.lock"

    def worker_locks(self) -> list[Path]:
        """Return the files of all workers that there were, now or before."""
        return sorted(self.root.glob(".worker*.lock"))

    def worker_log(self, number: int) -> Path:
        """Return the file for what a worker and its libraries print outside of a cell."""
        return self.root / "logs" / f"worker{number}.txt"

    @property
    def slurm(self) -> Path:
        """Folder of what SLURM's jobs and their driver say to each other, and of their logs."""
        return self.root / "slurm"

    @property
    def ray_token(self) -> Path:
        """File by which a node of a Ray cluster tells whether it sees this directory."""
        return self.root / ".ray"

    @property
    def speeds(self) -> Path:
        """File of how fast networks are here, in each memory format."""
        return self.root / "speeds.json"

    @property
    def cache(self) -> Path:
        """Folder of prepared arrays."""
        return self.root / "cache"

    @property
    def artifacts(self) -> Path:
        """Folder of what MLflow keeps in files, where no server keeps them."""
        return self.root / "artifacts"

    @property
    def test_access(self) -> Path:
        """Who has looked at the test subset."""
        return self.root / "test_access.json"

    @property
    def earlier_test_access(self) -> Path:
        """What that file was called before it had a format; it is carried over."""
        return self.root / "test_looks.json"

    @property
    def damaged(self) -> Path:
        """Folder of what was found damaged."""
        return self.root / "damaged"

    def quarantine(self, path: Path) -> Path:
        """Move a damaged file or folder of the runs directory to `damaged`; returns where it is now."""
        return quarantine(path, self.root)

    @property
    def journal(self) -> Path | None:
        """File of the ledger; None where a database keeps it."""
        return None if self.ledger else self.root / "study.log"

    @property
    def ledger_url(self) -> str:
        """Where the ledger is: `file:` is a journal, anything else a database."""
        return self.ledger or (self.root.resolve() / "study.log").as_uri()

    @property
    def id_file(self) -> Path:
        """What tells this directory's sweeps from those of others in a database or on a server that several share."""
        return self.root / ".id"

    def own_id(self) -> str:
        """Return what `id_file` holds, which stays with a directory that is moved; made if there is none."""
        if not self.id_file.is_file():
            self.root.mkdir(parents=True, exist_ok=True)
            write_new(self.id_file, secrets.token_hex(6))
        return self.id_file.read_text(encoding="utf-8").strip()

    @property
    def ledger_shown(self) -> str:
        """Where the ledger is, as messages say it."""
        return hide_credentials(self.ledger) if self.ledger else str(self.journal)

    @property
    def database(self) -> Path | None:
        """File of MLflow's database; None where it is not ours."""
        return None if self.tracking else self.own_database

    @property
    def own_database(self) -> Path:
        """File of MLflow's database where no address names another."""
        return self.root / _DATABASE

    @property
    def left_alone(self) -> str:
        """What to know of such a file that is there although an address names another; "" if none is."""
        if not self.tracking or not self.own_database.is_file():
            return ""
        return f"{self.own_database} is left alone; it is used where {TRACKING_VARIABLE} is empty"

    @property
    def is_tracked(self) -> bool:
        """Whether there is something of MLflow's to look at, or may be, on a server."""
        return self.database is None or self.database.is_file()

    @property
    def tracking_uri(self) -> str:
        """Where MLflow keeps runs."""
        return self.tracking or sqlite_uri(str(self.root.resolve() / _DATABASE))

    @property
    def registry_uri(self) -> str:
        """Where MLflow keeps registered models."""
        return self.tracking_uri

    @property
    def tracking_shown(self) -> str:
        """Where MLflow's runs are, as messages say it."""
        return hide_credentials(self.tracking) if self.tracking else str(self.database)

    def sweep(self, name: str) -> SweepFolder:
        """Return the folder of a sweep."""
        return SweepFolder(self.root / name)

    def sweeps(self, phase: str = "") -> list[SweepFolder]:
        """Return the folders of all sweeps that are there, or of a phase's, in the order of their names."""
        prefix = f"{phase}-" if phase else ""
        found = sorted(self.root.glob(f"{prefix}*/sweep.yaml"))
        return [SweepFolder(settings.parent) for settings in found]

    def selections(self) -> list[SweepFolder]:
        """Return the folders that have a selection, whatever else is left of them, in the order of their names."""
        return [SweepFolder(path.parent) for path in sorted(self.root.glob("*/selection.json"))]

    def evaluation(self, fits: str) -> EvaluationFolder:
        """Return the folder of a pipeline's evaluation on the test subset, by the name of the sweep of its fits."""
        return EvaluationFolder(self.root / fits.replace(_FITS, _EVALUATION, 1))

    def evaluations(self) -> list[tuple[SweepFolder, EvaluationFolder]]:
        """Return the folders of all such evaluations, each behind that of its fits, in the order of their names."""
        found = [path for path in sorted(self.root.glob(f"{_EVALUATION}*")) if path.is_dir()]
        return [(self.sweep(path.name.replace(_EVALUATION, _FITS, 1)), EvaluationFolder(path)) for path in found]

    def external(self, name: str) -> ExternalFolder:
        """Return the folder of somebody else's labels, by the name that they are given."""
        return ExternalFolder(self.root / f"{_EXTERNAL}{slug(name)}")

    def externals(self) -> list[ExternalFolder]:
        """Return the folders of all labels of others that were measured, in the order of their names."""
        return [ExternalFolder(path) for path in sorted(self.root.glob(f"{_EXTERNAL}*")) if path.is_dir()]


def sqlite_uri(path: str) -> str:
    """Return the URI of an SQLite database, whatever letters are in its path.

    The driver is named because MLflow makes the folders that it sees in `sqlite:///PATH`, where a space is `%20`.

    >>> sqlite_uri("/runs of May?/50 %.db")
    'sqlite+pysqlite:////runs of May%3F/50 %25.db'
    """
    return f"sqlite+pysqlite:///{quote(path, safe=' +/')}"


def _address(variable: str, kinds: tuple[str, ...], example: str) -> str | None:
    """Return the address that a variable of the environment names, None if it names none."""
    given = os.environ.get(variable)
    if not given:
        return None
    found = _SCHEME.match(given)
    if found is None or found["kind"] not in kinds:
        raise RunsError(
            f"{variable}: expected an address that begins with {', '.join(kinds[:-1])} or {kinds[-1]}, such as "
            f"{example}, got '{shorten(hide_credentials(given))}'; left empty, it is a file of the runs directory"
        )
    fault = _file_fault(given) if found["kind"] == "sqlite" else _host_fault(given, example)
    if fault:
        raise RunsError(f"{variable}: the address {fault}")
    return given


def _names(address: str, file: Path) -> bool:
    """Whether an address is that of a file, in whatever way it is written."""
    if not address.startswith("sqlite"):
        return False
    return Path(unquote(urlsplit(address).path[1:])).resolve() == file.resolve()


def _file_fault(address: str) -> str | None:
    """Say what is wrong with the file that an address names, if anything is."""
    with suppress(ValueError):
        path = urlsplit(address).path
        if path.strip("/") not in ("", ":memory:"):
            beside = "names a file beside wherever a command is given; name its whole path, with four slashes"
            return None if path.startswith("//") else f"{beside}: sqlite:////FOLDER/NAME.db"
    return "names no file to keep anything in; such as sqlite:////FOLDER/NAME.db"


def _host_fault(address: str, example: str) -> str | None:
    """Say what is wrong with the host that an address names, if anything is."""
    with suppress(ValueError):
        parts = urlsplit(address)
        if parts.hostname and parts.port != 0:
            return None
    return (
        f"has no host, or a port that is no number, such as {example}; in a password write / as %2F, @ as %40, "
        "# as %23 and ? as %3F"
    )


def is_held_here(store: RunStore) -> bool:
    """Whether a driver on this host, or where the file system's locks are everybody's anywhere, holds the directory."""
    if not store.lock.exists():
        return False
    import filelock  # 20 ms, which most commands do not need

    try:
        with filelock.FileLock(store.lock, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:  # somebody else's runs, read-only: nothing of ours holds them
        return False


def is_held_by_another(store: RunStore) -> bool:
    """Whether a driver that is another process than this holds the directory."""
    who = read_holder(store)
    return (who.get("pid"), who.get("host")) != (os.getpid(), socket.gethostname()) and is_held_here(store)


def read_holder(store: RunStore) -> dict[str, Any]:
    """Return what the driver that holds the directory, or held it, has said of itself; nothing where there is none."""
    with suppress(OSError, ValueError):
        who = json.loads(store.holder.read_text(encoding="utf-8"))
        if isinstance(who, dict):
            return who
    return {}
