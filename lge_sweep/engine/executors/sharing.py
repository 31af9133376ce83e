"""How many workers share this machine, and how many threads each computes with."""

from dataclasses import dataclass
from pathlib import Path

from lge_sweep.errors import RunsError
from lge_sweep.machine import count_cores, free_memory_bytes

GAIN = 0.58
"""So many threads make a step ``threads ** GAIN`` times as fast: two workers of one thread did 1.34 times the steps of
one worker of two, over all five architectures at 96x96 (`make bench`, docs/performance.md)."""
MEMORY = 3 * 2**30
"""Bytes that a worker needs at most: libraries .8 GB, the largest network with its optimizer .5 GB, activations."""


@dataclass(frozen=True)
class Sharing:
    """How a machine is shared.

    Attributes:
        workers: tasks at once.
        threads: processor threads of each.
    """

    workers: int
    threads: int

    def __str__(self) -> str:
        """Say it in words."""
        threads = f"{self.threads} thread" + "s" * (self.threads > 1)
        return f"{self.workers} workers of {threads} each" if self.workers > 1 else f"1 worker of {threads}"


@dataclass(frozen=True)
class Machine:
    """What there is to share.

    Attributes:
        cores: processors that this process may use.
        gpus: GPUs.
        memory: bytes that are free; None: not known.
    """

    cores: int
    gpus: int = 0
    memory: int | None = None

    @classmethod
    def here(cls) -> "Machine":
        """Return what this machine has."""
        return cls(count_cores(), _gpus(), free_memory_bytes())

    def share(self, workers: int) -> Sharing:
        """Share the processors among so many workers."""
        return Sharing(workers, max(1, self.cores // workers))

    def share_gpus(self, tasks: int, gpus_per_trial: float) -> Sharing:
        """Let so many tasks share the GPUs, each with its part of one; more workers than fit do not start.

        Raises:
            RunsError: there are fewer GPUs than that.
        """
        fit = int(self.gpus / gpus_per_trial + 1e-9)
        if fit < 1 or (gpus_per_trial > 1):
            there = f"{self.gpus} of them" if self.gpus else "no GPU"
            raise RunsError(
                f"gpus_per_trial: a cell is trained on one GPU or a share of one, such as .5, and this machine has "
                f"{there}; got {gpus_per_trial:g}"
            )
        return self.share(max(1, min(tasks, fit)))

    def share_among(self, tasks: int) -> Sharing:
        """Choose what completes so many equal tasks soonest.

        With GPUs: a worker each, as workers that share one slow each other down. Without: w workers take about
        ``max(tasks / w, 1) / (cores // w) ** GAIN``; of equals the fewest, and no more than there is memory for.
        """
        if self.gpus:
            return self.share(max(1, min(tasks, self.gpus)))
        room = self.cores if self.memory is None else self.memory // MEMORY
        most = max(1, min(tasks, self.cores, room))
        return min(
            (self.share(workers) for workers in range(1, most + 1)),
            key=lambda sharing: max(tasks / sharing.workers, 1) / sharing.threads**GAIN,
        )


def _gpus() -> int:
    """Return how many GPUs torch can use; without asking torch, which takes seconds to load, where there is none."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return 0
    import torch

    from lge_sweep.gpu import gpu_obstacle

    return torch.cuda.device_count() if gpu_obstacle() is None else 0
