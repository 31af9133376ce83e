"""Where everything of a runs directory is: its folders and files, and the addresses of its ledger and of MLflow.

Nothing else makes a path inside a runs directory. All values here are plain and frozen, and may cross to another
process. Folders stay the place of results; the ledger and MLflow may be on servers instead.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

from lge_sweep.atomic import quarantine
from lge_sweep.errors import RunsError
from lge_sweep.paths import runs_folder
from lge_sweep.text import hide_credentials, shorten, slug

LEDGER_VARIABLE = "LGE_SWEEP_LEDGER"
TRACKING_VARIABLE = "LGE_SWEEP_TRACKING"
DATABASES = ("sqlite", "postgresql", "mysql")
"""Kinds of databases that both Optuna and MLflow take."""
SERVERS = ("http", "https")
_SCHEME = re.compile(r"(?P<kind>[a-z]+)(\+\w+)?://\S")


@dataclass(frozen=True)
class CellFolder:
    """The files of a cell.

    >>> CellFolder(Path("runs/s/cells/unet")).outcome.as_posix()
    'runs/s/cells/unet/outcome.json'
    """

    path: Path

    @property
    def name(self) -> str:
        """The cell's name."""
        return self.path.name

    @property
    def sweep(self) -> "SweepFolder":
        """The folder of its sweep."""
        return SweepFolder(self.path.parent.parent)

    @property
    def outcome(self) -> Path:
        """What it came to; written last: a cell whose folder has it is finished."""
        return self.path / "outcome.json"

    @property
    def best(self) -> Path:
        """The weights with the lowest validation loss."""
        return self.path / "best.pt"

    @property
    def history(self) -> Path:
        """The training's losses, a row a step."""
        return self.path / "history.csv"

    @property
    def per_image(self) -> Path:
        """Metrics, a row an image and class."""
        return self.path / "per_image.csv"

    @property
    def predictions(self) -> Path:
        """Labels of the subset that it was measured on."""
        return self.path / "predictions.npz"

    @property
    def results(self) -> tuple[Path, ...]:
        """What a finished cell has beside its outcome and its figures."""
        return self.best, self.history, self.per_image, self.predictions

    @property
    def checkpoint(self) -> Path:
        """What an interrupted training is resumed from."""
        return self.path / "resume.ckpt"

    @property
    def log(self) -> Path:
        """What its worker printed."""
        return self.path / "log.txt"


@dataclass(frozen=True)
class SweepFolder:
    """The files of a sweep.

    >>> sweep = SweepFolder(Path("runs/phase1-stage1"))
    >>> sweep.settings.as_posix(), sweep.cell("unet").path.as_posix()
    ('runs/phase1-stage1/sweep.yaml', 'runs/phase1-stage1/cells/unet')
    """

    path: Path

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.path.name

    @property
    def runs(self) -> Path:
        """The runs directory."""
        return self.path.parent

    @property
    def settings(self) -> Path:
        """Every setting, resolved; a folder that has it is a sweep's."""
        return self.path / "sweep.yaml"

    @property
    def manifest(self) -> Path:
        """The slices, a row each."""
        return self.path / "manifest.csv"

    @property
    def plan(self) -> Path:
        """Facts that are not settings."""
        return self.path / "plan.json"

    @property
    def override(self) -> Path:
        """A person's choice over the rule's."""
        return self.path / "override.json"

    @property
    def selection(self) -> Path:
        """What was selected and why; written when the sweep is complete."""
        return self.path / "selection.json"

    @property
    def ranking(self) -> Path:
        """The configurations, best first."""
        return self.path / "ranking.csv"

    @property
    def comparisons(self) -> Path:
        """The winner against each other configuration."""
        return self.path / "comparisons.csv"

    @property
    def comparison(self) -> Path:
        """Of phase 3: how the pipelines do on the validation subset."""
        return self.path / "comparison.json"

    @property
    def shipped(self) -> Path:
        """Of phase 3: which pipeline was shipped last."""
        return self.path / "shipped.json"

    def segmenter(self, digest: str) -> Path:
        """Return the folder of a segmenter that phase 3 has shipped."""
        return self.path / "shipped" / digest

    def subset_table(self, subset: str, pipeline: str) -> Path:
        """Return the file of a pipeline's metrics on a subset, a row an image and class."""
        return self.path / subset / f"{slug(pipeline)}.csv"

    def cell(self, name: str) -> CellFolder:
        """Return the folder of a cell."""
        return CellFolder(self.path / "cells" / name)

    def finished(self) -> list[CellFolder]:
        """Return the folders of all finished cells, in the order of their names."""
        return [CellFolder(path.parent) for path in sorted(self.path.glob("cells/*/outcome.json"))]

    def quarantine(self, path: Path) -> Path:
        """Move a damaged file or folder of the sweep to the runs directory's `damaged`; returns where it is."""
        return quarantine(path, self.runs)


@dataclass(frozen=True)
class EvaluationFolder:
    """The files of an evaluation on the test subset.

    >>> EvaluationFolder(Path("runs/phase4-emidec")).table("stage2_fitted on truth").name
    'stage2_fitted_on_truth.csv'
    """

    path: Path

    @property
    def name(self) -> str:
        """The evaluation's name."""
        return self.path.name

    @property
    def record(self) -> Path:
        """What the test subset said; written last: an evaluation whose folder has it is finished."""
        return self.path / "evaluation.json"

    @property
    def tables(self) -> Path:
        """All tables, to read."""
        return self.path / "tables.md"

    def earlier(self) -> list[Path]:
        """Return the folders of the evaluations that this one replaced."""
        return sorted((self.path / "earlier").glob("*"))

    def next_earlier(self) -> "EvaluationFolder":
        """Return the folder that this evaluation gets when another replaces it."""
        return EvaluationFolder(self.path / "earlier" / str(1 + len(self.earlier())))

    def table(self, name: str) -> Path:
        """Return the file of a table."""
        return self.path / f"{slug(name)}.csv"

    def figure(self, name: str) -> Path:
        """Return the file of a figure."""
        return self.path / f"{name}.png"

    def subset_table(self, subset: str, pipeline: str) -> Path:
        """Return the file of a pipeline's metrics on a subset, a row an image and class."""
        return self.path / subset / f"{slug(pipeline)}.csv"


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
        ledger = _address(LEDGER_VARIABLE, DATABASES, "postgresql://USER@HOST/NAME")
        return cls(runs_folder(given), ledger, _address(TRACKING_VARIABLE, (*SERVERS, *DATABASES), "http://HOST:5000"))

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
    def ledger_id(self) -> Path:
        """What tells this directory's sweeps from those of others in a database that keeps the ledger of several."""
        return self.root / ".ledger-id"

    @property
    def ledger_shown(self) -> str:
        """Where the ledger is, as messages say it."""
        return hide_credentials(self.ledger) if self.ledger else str(self.journal)

    @property
    def database(self) -> Path | None:
        """File of MLflow's database; None where it is not ours."""
        return None if self.tracking else self.root / "mlflow.db"

    @property
    def is_tracked(self) -> bool:
        """Whether there is something of MLflow's to look at, or may be, on a server."""
        return self.database is None or self.database.is_file()

    @property
    def tracking_uri(self) -> str:
        """Where MLflow keeps runs."""
        return self.tracking or sqlite_uri(str(self.root.resolve() / "mlflow.db"))

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

    def evaluation(self, name: str) -> EvaluationFolder:
        """Return the folder of an evaluation on the test subset."""
        return EvaluationFolder(self.root / name)


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
            f"{example}, got '{shorten(hide_credentials(given))}'"
        )
    try:
        parts = urlsplit(given)
        sound = found["kind"] == "sqlite" or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        sound = False
    if not sound:
        raise RunsError(
            f"{variable}: the address has no host, or a port that is no number, such as {example}; in a password "
            "write / as %2F, @ as %40, # as %23 and ? as %3F"
        )
    return given
