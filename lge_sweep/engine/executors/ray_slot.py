"""The driver's end of an actor in a Ray cluster."""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lge_sweep.engine.executors.ray_session import RaySession
from lge_sweep.engine.executors.ray_sharing import RaySharing
from lge_sweep.engine.executors.ray_worker import CALLS, RayPlace, RaySetup
from lge_sweep.engine.task import TASK, Task

if TYPE_CHECKING:
    from lge_sweep.engine.executors.ray_files import Files


class Phase(enum.Enum):
    """How far an actor is."""

    PLACING = "waits for room in the cluster"
    LOADING = "loads its libraries"
    READY = "waits for tasks, or executes one"
    ENDED = "is dead"


class RaySlot:
    """An actor: asked for, placed by Ray, loaded, and then given tasks.

    Args:
        session: the cluster.
        setup: what it begins with.
        sharing: what it may use of its node.

    Attributes:
        phase: how far it is.
        place: where it is, once it is known.
        task: id of the task that it executes or executed last, "" if there was none.
        busy: whether it executes it.
        silent: seconds since it last said something, while something is expected of it.
        given: the task that it was given last, with its id.
        folder: the folder of the task's cell, if its files come back through Ray.
        next: Ray's reference to what it says next.
    """

    def __init__(self, session: RaySession, setup: RaySetup, sharing: RaySharing) -> None:
        """Ask for the actor."""
        self.ray, self.setup = session.ray, setup.model_dump_json()
        self.phase, self.place, self.task, self.busy, self.silent = Phase.PLACING, RayPlace.unknown(), "", False, 0.0
        options = {
            "num_cpus": sharing.cpus,
            "num_gpus": sharing.gpus,
            "max_concurrency": CALLS,
            "max_restarts": 0,  # who is to go on where is for the driver to say
            "max_task_retries": 0,
            "scheduling_strategy": "SPREAD",
        }
        self.folder: Path | None = None
        self.given: tuple[str, Task] | None = None
        self.actor: Any = session.worker.options(**options).remote()
        self.next: Any = self.actor.place.remote(self.setup)

    @property
    def is_waited_for(self) -> bool:
        """Whether a word of it is expected."""
        return self.phase is Phase.LOADING or (self.busy and self.phase is Phase.READY)

    def load(self, place: RayPlace) -> None:
        """Let it load its libraries, at its place."""
        self.phase, self.place, self.silent = Phase.LOADING, place, 0.0
        self.next = self.actor.load.remote(self.setup, place.shares)

    def listen(self) -> None:
        """Wait for what it says next."""
        self.phase, self.silent = Phase.READY, 0.0
        self.next = self.actor.hear.remote()

    def give(self, task_id: str, task: Task, files: "Files | None" = None, arrays: Any = None) -> None:
        """Let it execute a task.

        Args:
            task_id: its id.
            task: the task.
            files: what is in the cell's folder, where the actor does not see it.
            arrays: Ray's reference to the prepared arrays, likewise.
        """
        self.task, self.busy, self.silent, self.folder = task_id, True, 0.0, None
        self.given = (task_id, task)
        self._taken = self.actor.give.remote(task_id, TASK.dump_json(task), files or {}, arrays or {})

    def has_taken(self) -> bool:
        """Whether it has taken its task, as far as is known: one that was dead by then has not begun with it."""
        known, _ = self.ray.wait([self._taken], num_returns=1, timeout=0)
        try:
            for reference in known:
                self.ray.get(reference)
        except self.ray.exceptions.RayError:
            return False
        return True

    def answer(self, stop: bool) -> None:
        """Answer a validation of its task."""
        self.actor.answer.remote(stop)

    def leave(self) -> Any:
        """Let it remove what it has outside of the runs directory; returns Ray's reference to the end of that."""
        return None if self.place.shares or self.phase is not Phase.READY else self.actor.leave.remote()

    def kill(self) -> None:
        """End it at once."""
        self.busy, self.phase = False, Phase.ENDED
        self.ray.kill(self.actor, no_restart=True)
