"""An MLflow server, or a database of its own, that an address names; it makes, mends and keeps its own files."""

import logging
import os
from collections.abc import Callable
from contextlib import closing

from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine

from lge_sweep.errors import RunsError
from lge_sweep.run_store import SERVERS, TRACKING_VARIABLE, RunStore

# A sweep does not wait for a server that is away: what it lacks is sent later. MLflow would try for four minutes, and
# would make a run twice whose first making arrived although its answer was late: here it is looked for first.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it tells each retry; ours is the one message


class Server:
    """What an address names as MLflow's backend store; see `lge_sweep.tracking.backend`.

    Args:
        store: the runs directory.
    """

    def __init__(self, store: RunStore) -> None:
        """Note where it is; nobody is called yet."""
        self.uri, self.address = store.tracking_uri, store.tracking_shown
        self.is_database = self.uri.partition("://")[0] not in SERVERS
        self.artifacts = store.artifacts.resolve().as_uri() if self.is_database else None

    def identify(self) -> str:
        """Return the address: what is behind it is the server's own affair."""
        return self.uri

    def check(self) -> None:
        """Do nothing: a call says soon enough whether there is an answer."""

    def open(self, set_up: Callable[[str], object]) -> str:  # a server sets itself up
        """Make sure that a database answers, for which MLflow alone would try for two minutes; returns the address.

        Raises:
            Exception: it does not; each driver of a database has its own.
        """
        if self.is_database:
            try:
                engine = create_engine(self.uri)
            except ImportError as error:
                wanted = "install one (for PostgreSQL, postgresql+psycopg://: pip install 'lge_sweep[postgresql]')"
                raise MlflowException(f"Python has no driver for this database; {wanted}") from error.__cause__
            with closing(engine.connect()):
                pass
            engine.dispose()
        return self.uri

    def may_return(self, reason: str) -> bool:
        """Return True: a server may be started again at any time."""
        return True

    def mend(self) -> None:
        """Do nothing: it is not ours."""

    def failure(self, reason: str) -> RunsError:
        """Say what to do where it cannot be used."""
        asks = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        access = "" if self.is_database else f" ({asks})"
        return RunsError(
            f"{self.address}: MLflow cannot use it ({reason}). Does it run, is the address in {TRACKING_VARIABLE} "
            f"right, and may you use it{access}? It is only a view: results are in the runs directory, and a sweep's "
            "command, given again, sends what is missing"
        )
