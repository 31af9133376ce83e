"""The MLflow store of a runs directory, and its runs by key.

MLflow here is a view: each run is found again by the tag `lge.key`, everything logged is logged once however often it
is sent, and all of it can be sent again from the ledger and the sweep's folder. So nothing has to wait for it: a
patient tracker notes that the view is behind, and what it lacks is sent later.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Self, TypeVar

from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore
from lge_sweep.text import hide_credentials
from lge_sweep.tracking.backend import backend_of
from lge_sweep.tracking.moved import EXPERIMENT
from lge_sweep.tracking.run import KEY, TrackedRun, find_run, log_metrics
from lge_sweep.tracking.views import shared_views

# A database error is raised as well as logged; its traceback of a hundred lines would bury the one message of ours.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
_log = logging.getLogger(__name__)

ABOUT = {
    "mlflow.experimentKind": "custom_model_development",  # opens the UI's "Model training" pages
    MLFLOW_RUN_NOTE: (
        "A parent run a sweep, a child run a trial. Metrics of the scored subset: `val/<metric>/<class>` is the mean "
        "over images, `val_pooled/...` counts pixels over all images, `val_present/...` is the mean over images that "
        "have the class, `val_std/<metric>` the standard deviation over images; `global` is the mean over the classes, "
        "background included. `score/mean` and `score/weighted` are the paper's scores, `..._foreground` leaves the "
        "background out. A metric that is missing has no value; it is never 0 in its place."
    ),
}
FAILURES = (MlflowException, sqlite3.Error, OSError)
"""What MLflow raises when its store cannot be reached, read or written."""
AGAIN = 30.0
"""Seconds after which a patient tracker tries again to reach a store that failed."""
_T = TypeVar("_T")


class Tracker:
    """The MLflow store of a runs directory: in the folder itself, or where its address says.

    Args:
        store: the runs directory.
        patient: whether what uses it goes on where MLflow fails; `behind` then says why the view lacks something.

    Attributes:
        store: the runs directory.
        uri: MLflow's address of it.
        experiment: the id of our experiment.
        behind: why the view lacks something, None if it does not.
        openings: how often the store was opened; more than once if its database was made anew meanwhile.

    Raises:
        RunsError: MLflow cannot be reached, and the tracker is not patient.
    """

    def __init__(self, store: RunStore, patient: bool = False) -> None:
        """Open the store; a new one takes a few seconds."""
        self.store, self.patient = store, patient
        self.uri = store.tracking_uri
        self.behind: str | None = None
        self.openings = 0
        self._backend = backend_of(store, EXPERIMENT)
        self._identity: Hashable | None = None
        self._retry_at = 0.0
        self._said: set[str] = set()
        self._client: MlflowClient | None = None
        self.experiment = ""
        _log.info("MLflow is at %s", store.tracking_shown)
        self.attempt(lambda client: None)

    @classmethod
    def patient_of(cls, store: RunStore) -> Self:
        """Open the store for what goes on where MLflow fails; a database that is damaged is set aside.

        Args:
            store: the runs directory.
        """
        tracker = cls(store, patient=True)
        if tracker.behind is not None:
            tracker.catch_up(0)
        return tracker

    @property
    def client(self) -> MlflowClient:
        """MLflow itself.

        Raises:
            RunsError: it cannot be reached.
        """
        with self.required():
            return self._connect()

    def attempt(self, send: Callable[[MlflowClient], _T]) -> _T | None:
        """Send or ask MLflow something.

        Args:
            send: does it.

        Returns:
            What `send` returns; None where a patient tracker cannot reach MLflow.

        Raises:
            RunsError: MLflow cannot be reached, and the tracker is not patient.
        """
        if not self.patient:
            with self.required():
                return send(self._connect())
        if time.monotonic() < self._retry_at:
            return None
        try:
            self._backend.check()
            return send(self._connect())
        except FAILURES as error:
            self._fall_behind(error)
            return None

    def catch_up(self, wait: float) -> bool:
        """Reach MLflow again, so that what it lacks can be sent; a database that is damaged is set aside.

        Args:
            wait: for so many seconds at most, if another process has locked it, or a server is away.

        Returns:
            Whether it can be reached now; what it lacks is the caller's to send.
        """
        self._backend.mend()
        until = time.monotonic() + wait
        while True:
            self._retry_at, self.behind, self._client = 0.0, None, None
            self.attempt(lambda client: None)
            if self.behind is None or not self._backend.may_return(self.behind) or time.monotonic() > until:
                return self.behind is None
            time.sleep(1.0)

    @contextmanager
    def required(self) -> Iterator[None]:
        """Do something with MLflow that cannot be put off.

        Raises:
            RunsError: MLflow cannot be reached.
        """
        try:
            yield
        except FAILURES as error:
            raise self._backend.failure(_reason(error)) from error

    def find(self, key: str) -> Run | None:
        """Return the run with a key, if there is one."""
        return self.attempt(lambda client: find_run(client, self.experiment, self.own_key(key)))

    def own_key(self, key: str) -> str:
        """Return the key of a run as MLflow knows it: on a server, this runs directory's alone."""
        return key + self._suffix()

    def _suffix(self) -> str:
        return "" if self.store.database else f"@{self.store.own_id()}"

    def retire(self, sweep: str, shown: Mapping[str, str]) -> None:
        """Remove from view what shows a cell's result of before: of a folder that was set aside, or a lost ledger.

        Args:
            sweep: name of the sweep.
            shown: finished cell -> key of the run that shows it.
        """

        def send(client: MlflowClient) -> None:
            for run in self._trials(client, sweep, " AND attributes.status = 'FINISHED'"):
                key, cell = run.data.tags[KEY], run.data.tags["cell"]
                if cell in shown and self.own_key(shown[cell]) != key:
                    client.delete_run(run.info.run_id)

        self.attempt(send)

    def rank(self, sweep: str, values: Mapping[str, Mapping[str, float]]) -> None:
        """Log what a sweep's end says of its trials, which may change as it goes on.

        Args:
            sweep: name of the sweep.
            values: cell -> metric -> its value.
        """

        def send(client: MlflowClient) -> None:
            now = int(1000 * time.time())
            for run in self._trials(client, sweep, " AND attributes.status = 'FINISHED'"):
                known, given = run.data.metrics, values.get(run.data.tags["cell"], {})
                fresh = [Metric(key, value, now, 0) for key, value in given.items() if known.get(key) != value]
                log_metrics(client, run.info.run_id, fresh)

        self.attempt(send)

    def share_views(self) -> bool:
        """Let the experiment's page know its views (`lge_sweep.tracking.views`), with all sweeps that there are.

        Returns:
            Whether it knows them; it does not where it can only be read, or MLflow cannot be reached.
        """

        def send(client: MlflowClient) -> bool:
            found = client.search_runs([self.experiment], "tags.`lge.kind` = 'sweep'", max_results=1000)
            known = client.get_experiment(self.experiment).tags
            for key, value in shared_views({run.data.tags["sweep"] for run in found}).items():
                if known.get(key) != value:
                    client.set_experiment_tag(self.experiment, key, value)
            return True

        try:
            return bool(self.attempt(send))
        except RunsError:  # what is only looked at needs no view of its own
            return False

    def statuses(self, sweep: str) -> dict[str, str]:
        """Return the status of every trial's run of a sweep, by its key; FINISHED: it shows all there is.

        None is known where a patient tracker cannot reach MLflow.
        """

        def ask(client: MlflowClient) -> dict[str, str]:
            found = self._trials(client, sweep)
            return {run.data.tags[KEY].removesuffix(self._suffix()): str(run.info.status) for run in found}

        return self.attempt(ask) or {}

    def _trials(self, client: MlflowClient, sweep: str, also: str = "") -> list[Run]:
        """Return the runs of the trials of a sweep of this runs directory: others may use the server."""
        wanted = f"tags.sweep = '{sweep}' AND tags.`lge.kind` = 'trial'{also}"
        page = client.search_runs([self.experiment], wanted, max_results=1000)
        found = list(page)
        while page.token:
            page = client.search_runs([self.experiment], wanted, max_results=1000, page_token=page.token)
            found += page
        return [run for run in found if run.data.tags[KEY].endswith(self._suffix())]

    def tags_of(self, run_id: str) -> dict[str, str]:
        """Return the tags of a run.

        Raises:
            KeyError: there is no such run.
        """
        try:
            return dict(self.client.get_run(run_id).data.tags)
        except MlflowException:
            raise KeyError(run_id) from None

    def open_run(
        self,
        key: str,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        parent: TrackedRun | None = None,
    ) -> TrackedRun:
        """Open the run with this key, creating it only if it does not exist.

        Args:
            key: identifies the run for ever.
            name: what the UI shows.
            tags: tags to set.
            params: parameters; MLflow keeps the first value of each.
            parent: the sweep's run, for a trial.
        """
        run = TrackedRun(self, key, name, tags=tags, params=params, parent=parent)
        run.open()
        return run

    def _connect(self) -> MlflowClient:
        """Open the store unless it is open; one whose file was removed or replaced is opened anew."""
        found = self._backend.identify()
        if self._client is None or found != self._identity:
            if self._client is not None:
                self.behind = "its database was removed"
            self._client = None  # as long as it is not open
            try:
                self._client = self._open()
            except (*FAILURES, RunsError):
                raise
            except Exception as error:  # SQLAlchemy's own, of many kinds: a damaged or a newer database
                raise MlflowException(str(error)) from error
        return self._client

    def _open(self) -> MlflowClient:
        self.openings += 1
        self.uri = self._backend.open(lambda uri: self._find_experiment(client_of(uri)))
        self._identity = self._backend.identify()
        client = client_of(self.uri)
        self.experiment = self._find_experiment(client)
        return client

    def _find_experiment(self, client: MlflowClient) -> str:
        """Return the id of our experiment, which is made if there is none."""
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment and experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        if experiment:
            return str(experiment.experiment_id)
        return str(client.create_experiment(EXPERIMENT, self._backend.artifacts, tags=ABOUT))

    def _fall_behind(self, error: BaseException) -> None:
        reason, address = _reason(error), self._backend.address
        self.behind = f"{address}: {reason}" if address else reason
        if self.behind not in self._said:
            self._said.add(self.behind)
            _log.warning(
                "MLflow cannot be reached (%s). Nothing is lost: results are kept in the sweep's folder, and the view "
                "is completed later", self.behind,
            )  # fmt: skip
        self._retry_at = time.monotonic() + AGAIN


def client_of(uri: str) -> MlflowClient:
    """Return MLflow's client of one address for runs and models."""
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _reason(error: BaseException) -> str:
    """Say in a line what a library took a page for: the innermost cause's first line."""
    while error.__cause__ is not None:
        error = error.__cause__
    before, _, text = hide_credentials(str(error)).rpartition("(Caused by ")
    text = text.removesuffix(")") if before else text  # urllib3's, of a server that does not answer
    return f"{type(error).__name__}: {(text.splitlines() or [''])[0][:160]}"
