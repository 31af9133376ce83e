"""What every executor is: tasks in, events out. Only plain data crosses, so that one may work on other machines."""

from dataclasses import dataclass
from typing import Protocol

from lge_sweep.engine.events import Event
from lge_sweep.engine.task import SweepSample, Task
from lge_sweep.run_store import RunStore


class Executor(Protocol):
    """Executes tasks, several at once; the driver alone calls it, from one thread.

    Every task that was submitted ends with exactly one event that is not `Progress`, whatever becomes of what executes
    it: who is lost without a word, or says nothing for too long, is `Died`. So a driver that waits need not count time.
    What executes tasks shares nothing with the driver but the runs directory, and ends with it: a process of its own
    holds one of the store's worker locks as long as it lives, and a later driver waits for it
    (`lge_sweep.engine.lock`). Where it outlives the driver instead, a later one has to find it, and other executors
    have to be told: see `OUTLIVING`.
    """

    @property
    def slots(self) -> int:
        """How many tasks it takes at once, once it is started."""

    @property
    def queues(self) -> bool:
        """Whether a task that was taken may wait; then its first event says that it has begun."""

    def start(self, tasks: int, sample: SweepSample | None = None) -> str:
        """Begin with what takes long before the first of so many tasks, such as loading libraries; returns at once.

        Args:
            tasks: how many there are.
            sample: what they are like, for who measures how they are best executed.

        Returns:
            What it has chosen by itself and why, a sentence for the user; "" where nothing was left to choose, or
            `settle` will.
        """

    def settle(self) -> str:
        """Choose what `start` has left open, if that takes measuring; called before the first task, and waited for.

        Returns:
            As `start`.
        """

    def submit(self, task: Task) -> str:
        """Take a task; there must be a free slot.

        Returns:
            Its id, unique in this executor's life.
        """

    def next_event(self, timeout: float) -> Event | None:
        """Return the next event of any task; None if there is none within so many seconds."""

    def answer(self, task_id: str, stop: bool) -> None:
        """Answer a `Progress` with a validation: whether to give the task up."""

    def replace(self, task_id: str) -> None:
        """End whatever executes, or has last executed, a task, hung or dead; its slot is free for another.

        Called after `Died` and after a `Failed` that was unexpected. No event of the task follows.
        """

    def close(self) -> None:
        """End everything that ends with the driver, at once; tasks can be resumed. It may be started again."""


@dataclass(frozen=True)
class LiveJobs:
    """What tasks of earlier drivers are still executed by, where tasks outlive their driver.

    Attributes:
        ids: jobs that may still write into the runs directory.
        words: a sentence on what they do.
    """

    ids: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class Placement:
    """Where a user wants cells to be trained.

    Attributes:
        executor: name of the executor; None: as `LGE_SWEEP_EXECUTOR` says, else on this machine.
        cluster: address or file that the executor needs; None: as `LGE_SWEEP_CLUSTER` says, else the executor's usual.
        workers: tasks at once; None: as many as pay.
        gpus_per_trial: GPUs of a task, a share of one or several; None: one where there are GPUs.
    """

    executor: str | None = None
    cluster: str | None = None
    workers: int | None = None
    gpus_per_trial: float | None = None


@dataclass(frozen=True)
class ExecutorOptions:
    """What an executor is made with; each uses what it needs.

    Attributes:
        store: the runs directory.
        workers: tasks at once; None: as many as pay.
        stall: seconds without a word after which what executes a task is taken to hang.
        cluster: address or file of a cluster; "" if none was named.
        gpus_per_trial: GPUs of a task, a share of one or several; None: one where there are GPUs.
    """

    store: RunStore
    workers: int | None
    stall: float
    cluster: str = ""
    gpus_per_trial: float | None = None
