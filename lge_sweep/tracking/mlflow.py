"""MLflow runs by key. The only module that imports mlflow.

MLflow here is a view: each run is found again by the tag `lge.key`, everything logged is logged once however often it
is sent, and all of it can be sent again from the ledger and the sweep's folder.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME, MLFLOW_USER

from lge_sweep.errors import RunsError

# A database error is raised as well as logged; its traceback of a hundred lines would bury the one message of ours.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

EXPERIMENT = "lge_sweep"
DATABASE = "mlflow.db"
ABOUT = {
    "mlflow.experimentKind": "custom_model_development",  # opens the UI's "Model training" pages
    MLFLOW_RUN_NOTE: (
        "A parent run a sweep, a child run a trial. Metrics of the scored part: `val/<metric>/<class>` is the mean "
        "over images, `val_pooled/...` counts pixels over all images, `val_positive/...` is the mean over images that "
        "have the class, `val_std/<metric>` the standard deviation over images; `global` is the mean over the classes, "
        "background included. `score/mean` and `score/weighted` are the paper's scores, `..._foreground` leaves the "
        "background out. A metric that is missing has no value; it is never 0 in its place."
    ),
}
KEY = "lge.key"
BATCH = 900
"""MLflow takes at most 1000 metrics a call."""

Point = tuple[str, float, int]
"""(metric, value, step)"""


@dataclass(frozen=True)
class DataVersion:
    """The data set of a sweep, as MLflow shows it."""

    name: str
    digest: str
    profile: str


class Tracker:
    """The MLflow store of a runs directory.

    Args:
        runs: the runs directory; holds `mlflow.db` and the folder `artifacts`.

    Raises:
        RunsError: the database cannot be opened.
    """

    def __init__(self, runs: Path) -> None:
        """Open the store; a new one takes a few seconds."""
        folder = runs.resolve()
        try:
            self.uri = database_uri(folder)
            if not (folder / DATABASE).exists():
                (folder / DATABASE).touch()  # SQLite would not let the group write it, whatever the umask allows
            self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            experiment = self.client.get_experiment_by_name(EXPERIMENT)
            if experiment and experiment.lifecycle_stage == "deleted":
                self.client.restore_experiment(experiment.experiment_id)
            self.experiment = (
                experiment.experiment_id
                if experiment
                else self.client.create_experiment(EXPERIMENT, (folder / "artifacts").as_uri(), tags=ABOUT)
            )
        except Exception as error:  # a damaged or newer database: MLflow and SQLAlchemy raise many kinds
            raise RunsError(
                f"{folder / DATABASE}: MLflow cannot open it ({type(error).__name__}: {error}). It is only a view: "
                "move it away and run again, and it is made anew from the sweeps' folders"
            ) from error

    def find(self, key: str) -> Run | None:
        """Return the run with a key, if there is one."""
        found = self.client.search_runs([self.experiment], f"tags.`{KEY}` = '{key}'", max_results=1)
        return found[0] if found else None

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
        parent: "TrackedRun | None" = None,
    ) -> "TrackedRun":
        """Open the run with this key, creating it only if it does not exist.

        Args:
            key: identifies the run for ever.
            name: what the UI shows.
            tags: tags to set.
            params: parameters; MLflow keeps the first value of each.
            parent: the sweep's run, for a trial.
        """
        run = self.find(key)
        if run is None:
            created = {KEY: key, MLFLOW_USER: "", MLFLOW_SOURCE_NAME: "lge-sweep"}
            if parent is not None:
                created[MLFLOW_PARENT_RUN_ID] = parent.id
            run = self.client.create_run(self.experiment, tags=created, run_name=name)
        tracked = TrackedRun(self.client, run.info.run_id, dict.fromkeys(run.data.metrics, ""), run.info.status)
        if parent is not None and run.data.tags.get(MLFLOW_PARENT_RUN_ID) != parent.id:
            tags = {**tags, MLFLOW_PARENT_RUN_ID: parent.id}  # the parent was deleted, and made anew
        new = [Param(key, str(value)) for key, value in params.items() if key not in run.data.params]
        labels = [RunTag(key, value) for key, value in tags.items()]
        self.client.log_batch(tracked.id, params=new, tags=labels)
        if run.info.status not in {"RUNNING", "FINISHED"}:
            self.client.update_run(tracked.id, status="RUNNING")
            tracked.status = "RUNNING"
        return tracked


class TrackedRun:
    """One run; everything logged through it is logged once."""

    def __init__(self, client: MlflowClient, run_id: str, logged: Iterable[str], status: str) -> None:
        """Note what the run has already."""
        self.client, self.id, self.status = client, run_id, status
        self._last: dict[str, int] = {}
        self._known = set(logged)

    def log(self, points: Iterable[Point]) -> None:
        """Log those points whose step is later than the last one logged of their metric."""
        now = int(time.time() * 1000)
        fresh = [Metric(key, value, now, step) for key, value, step in points if step > self._last_step(key)]
        for start in range(0, len(fresh), BATCH):
            self.client.log_batch(self.id, metrics=fresh[start : start + BATCH])
        for metric in fresh:
            self._last[metric.key] = max(self._last.get(metric.key, -1), metric.step)

    def set(self, values: Mapping[str, float]) -> None:
        """Log values that may change, each as a further step if it has changed."""
        latest = self.client.get_run(self.id).data.metrics
        self.log((key, value, self._last_step(key) + 1) for key, value in values.items() if latest.get(key) != value)

    def log_files(self, folder: Path, names: Iterable[str], into: str | None = None) -> None:
        """Copy files of a folder into the run's artifacts, replacing older copies."""
        for name in names:
            self.client.log_artifact(self.id, str(folder / name), into)

    def log_data(self, data: DataVersion, context: str) -> None:
        """Name the data set; MLflow keeps one entry a digest."""
        dataset = Dataset(data.name, data.digest[:16], "local", "{}", profile=data.profile)
        tag = InputTag("mlflow.data.context", context)
        self.client.log_inputs(self.id, [DatasetInput(dataset, [tag])])

    def describe(self, text: str) -> None:
        """Set the description that the UI shows, in Markdown."""
        self.tag({MLFLOW_RUN_NOTE: text})

    def untag(self, key: str) -> None:
        """Remove a tag, if it is there."""
        if key in self.client.get_run(self.id).data.tags:
            self.client.delete_tag(self.id, key)

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self.client.log_batch(self.id, tags=[RunTag(key, value) for key, value in tags.items()])

    def finish(self, status: str = "FINISHED") -> None:
        """End the run: FINISHED, FAILED, or KILLED for one that was stopped and will be resumed."""
        if self.status != status:
            self.client.set_terminated(self.id, status)
            self.status = status

    def _last_step(self, key: str) -> int:
        if key in self._known and key not in self._last:
            self._last[key] = max(metric.step for metric in self.client.get_metric_history(self.id, key))
        return self._last.get(key, -1)


@contextmanager
def finishing(run: TrackedRun) -> Iterator[None]:
    """Mark a run as KILLED (stopped, to be resumed) if what is done in it ends before the run was finished."""
    try:
        yield
    except BaseException:
        if run.status == "RUNNING":
            with suppress(Exception):  # MLflow may be what failed; what ended the work is worth more
                run.finish("KILLED")
        raise


def database_uri(folder: Path) -> str:
    """Return the URI of a runs directory's MLflow database."""
    return f"sqlite:///{folder.resolve() / DATABASE}"
