"""One run of MLflow; everything logged through it is logged once."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME, MLFLOW_USER

if TYPE_CHECKING:
    from collections.abc import Callable

    from lge_sweep.tracking.mlflow import Tracker

STANDS = "no"
"""What the tag `collapsed` says of what predicts every class."""
KEY = "lge.key"
BATCH = 900
"""MLflow takes at most 1000 metrics a call."""

Point = tuple[str, float, int]
"""(metric, value, step)"""
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataVersion:
    """The data set of a sweep, as MLflow shows it."""

    name: str
    digest: str
    profile: str


class TrackedRun:
    """One run; everything logged through it is logged once.

    It opens itself when it is first used, and again if MLflow's database was made anew meanwhile. It is FINISHED only
    if all that was to be logged has been: else it stays as it is, so that it is known to lack something.

    Args:
        tracker: the store.
        key: identifies the run for ever.
        name: what the UI shows.
        tags: tags to set.
        params: parameters; MLflow keeps the first value of each.
        parent: the sweep's run, for a trial.
    """

    def __init__(
        self,
        tracker: "Tracker",
        key: str,
        name: str,
        *,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        parent: "TrackedRun | None" = None,
    ) -> None:
        """Note what the run is; nothing is sent yet."""
        self.tracker, self.key, self.name = tracker, tracker.own_key(key), name
        self.tags, self.params, self.parent = dict(tags), dict(params), parent
        self.id, self.status, self._artifacts = "", "", ""
        self._opening, self._lacks = 0, False
        self._last: dict[str, int] = {}
        self._known: set[str] = set()

    def open(self) -> None:
        """Find the run, or create it, and set it running if it was stopped or failed; what it lacked is sent anew."""
        self._lacks = False
        self._send(lambda client: None)

    def log(self, points: Iterable[Point], times: Mapping[int, float] | None = None) -> None:
        """Log those points whose step is later than the last one logged of their metric.

        Args:
            points: the points.
            times: step -> when it was, in seconds since 1970; None: now.
        """
        given, known = list(points), times or {}

        def send(client: MlflowClient) -> None:
            now = time.time()
            fresh = [
                Metric(key, value, int(1000 * known.get(step, now)), step)
                for key, value, step in given
                if step > self._last_step(client, key)
            ]
            log_metrics(client, self.id, fresh)
            for metric in fresh:
                self._last[metric.key] = max(self._last.get(metric.key, -1), metric.step)

        self._send(send)

    def set(self, values: Mapping[str, float]) -> None:
        """Log values that may change, each as a further step if it has changed."""

        def changed(client: MlflowClient) -> list[Point]:
            latest = client.get_run(self.id).data.metrics
            return [
                (key, value, self._last_step(client, key) + 1)
                for key, value in values.items()
                if latest.get(key) != value
            ]

        self.log(self._send(changed) or [])

    def log_files(self, paths: Iterable[Path], into: str | None = None) -> None:
        """Copy files into the run's artifacts, replacing older copies; one that is gone is left out."""
        for path in paths:
            if path.is_file():
                self._send(partial(self._copy, path, into))
            else:
                _log.warning("%s is gone; MLflow does without it", path)

    def log_data(self, data: DataVersion, context: str) -> None:
        """Name the data set; MLflow keeps one entry a digest."""
        dataset = Dataset(data.name, data.digest[:16], "local", "{}", profile=data.profile)
        tag = InputTag("mlflow.data.context", context)
        self._send(lambda client: client.log_inputs(self.id, [DatasetInput(dataset, [tag])]))

    def describe(self, text: str) -> None:
        """Set the description that the UI shows, in Markdown."""
        self.tag({MLFLOW_RUN_NOTE: text})

    def untag(self, key: str) -> None:
        """Remove a tag, if it is there."""

        def send(client: MlflowClient) -> None:
            if key in client.get_run(self.id).data.tags:
                client.delete_tag(self.id, key)

        self._send(send)

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self._send(lambda client: client.log_batch(self.id, tags=[RunTag(key, value) for key, value in tags.items()]))

    def fail(self, reason: str) -> None:
        """End the run as failed, with the reason as a tag; `untag` takes it back."""
        self.tag({"failed": reason[:500]})
        self.finish("FAILED")

    def finish(self, status: str = "FINISHED") -> None:
        """End the run: FINISHED, FAILED, or KILLED for one that was stopped and will be resumed."""

        def send(client: MlflowClient) -> None:
            if self.status != status:
                client.set_terminated(self.id, status)
                self.status = status

        if status != "FINISHED" or not self._lacks:
            self._send(send)

    def _send(self, send: "Callable[[MlflowClient], _T]") -> _T | None:
        """Do something with the open run; a patient tracker does nothing where MLflow cannot be reached."""
        sent = False

        def opened(client: MlflowClient) -> _T:
            nonlocal sent
            if self._opening != self.tracker.openings:
                self._open(client)
            result = send(client)
            sent = True
            return result

        try:
            return self.tracker.attempt(opened)
        finally:
            if not sent:  # or only its answer was lost: what there is is looked up before more is sent
                self._lacks, self._opening = True, 0

    def _open(self, client: MlflowClient) -> None:
        experiment = self.tracker.experiment
        if self.parent is not None and self.parent._opening != self.tracker.openings:
            self.parent._open(client)
        run = find_run(client, experiment, self.key)
        if run is None:
            created = {KEY: self.key, MLFLOW_USER: "", MLFLOW_SOURCE_NAME: "lge-sweep"}
            if self.parent is not None:
                created[MLFLOW_PARENT_RUN_ID] = self.parent.id
            run = client.create_run(experiment, tags=created, run_name=self.name)
        self._resume(client, run)

    def _resume(self, client: MlflowClient, run: Run) -> None:
        """Go on with a run: its parameters and tags as they should be, and running unless it is finished."""
        self.id, self.status, self._artifacts = run.info.run_id, run.info.status, run.info.artifact_uri
        self._last, self._known = {}, set(run.data.metrics)
        tags = dict(self.tags)
        if self.parent is not None and run.data.tags.get(MLFLOW_PARENT_RUN_ID) != self.parent.id:
            tags[MLFLOW_PARENT_RUN_ID] = self.parent.id  # the parent was deleted, and made anew
        new = [Param(key, str(value)) for key, value in self.params.items() if key not in run.data.params]
        client.log_batch(self.id, params=new, tags=[RunTag(key, value) for key, value in tags.items()])
        if self.status not in {"RUNNING", "FINISHED"}:
            client.update_run(self.id, status="RUNNING")
            self.status = "RUNNING"
        self._opening = self.tracker.openings

    def _copy(self, path: Path, into: str | None, client: MlflowClient) -> None:
        # MLflow's client keeps the places of runs by their ids alone, which a copy of a runs directory shares.
        store: Any = get_artifact_repository(self._artifacts, self.tracker.uri)
        with storing(path.name):
            store.log_artifact(str(path), into)

    def _last_step(self, client: MlflowClient, key: str) -> int:
        if key in self._known and key not in self._last:
            self._last[key] = max(metric.step for metric in client.get_metric_history(self.id, key))
        return self._last.get(key, -1)


def log_metrics(client: MlflowClient, run_id: str, metrics: Sequence[Metric]) -> None:
    """Log metrics of a run, as many a call as a server takes.

    Args:
        client: of the server.
        run_id: of the run.
        metrics: any number of them.
    """
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH])


@contextmanager
def storing(what: str) -> Iterator[None]:
    """Let whatever object storage raises, each kind its own, be an MlflowException that says what was to be stored."""
    try:
        yield
    except (MlflowException, OSError):
        raise
    except Exception as error:
        raise MlflowException(f"{what} cannot be stored: {error}") from error


def find_run(client: MlflowClient, experiment: str, key: str) -> Run | None:
    """Return the run of an experiment with a key, if there is one.

    Args:
        client: of the tracking server.
        experiment: id of the experiment.
        key: the key.
    """
    found = client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", max_results=1)
    return found[0] if found else None


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


def collapsed_tag(classes: Iterable[str]) -> str:
    """Return what the tag `collapsed` of runs and models says: the classes that are never predicted, or "no"."""
    return ", ".join(classes) or STANDS
