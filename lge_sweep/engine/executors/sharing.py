"""How many workers share this machine, and how many threads each computes with."""

import math
from dataclasses import dataclass
from pathlib import Path

from lge_sweep.errors import RunsError
from lge_sweep.machine import count_cores, free_memory_bytes

GAIN = 0.58
"""So many threads make a step ``threads ** GAIN`` times as fast: two workers of one thread did 1.34 times the steps of
one worker of two, over all five architectures at 96x96 (`make bench`, docs/performance.md)."""
PACKED = (2, 4)
"""Workers on each GPU that are tried beside one."""
OTHERS = 2
"""Ways to share the processors that are tried beside the rule's."""
WORKER_MEMORY = 3 * 2**30
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
        threads = say_threads(self.threads)
        return f"{self.workers} workers of {threads} each" if self.workers > 1 else f"1 worker of {threads}"


@dataclass(frozen=True)
class Machine:
    """What there is to share.

    Attributes:
        cores: processors that this process may use.
        gpus: GPUs.
        memory: bytes that are free; None: not known.
        gpu: what the first GPU is called.
    """

    cores: int
    gpus: int = 0
    memory: int | None = None
    gpu: str = ""

    @classmethod
    def here(cls) -> "Machine":
        """Return what this machine has."""
        gpus, name = _gpus()
        return cls(count_cores(), gpus, free_memory_bytes(), name)

    def share(self, workers: int) -> Sharing:
        """Share the processors among so many workers."""
        return Sharing(workers, max(1, self.cores // workers))

    def share_gpus(self, tasks: int, gpus_per_trial: float) -> Sharing:
        """Let so many tasks share the GPUs, each with its part of one; more workers than fit do not start.

        Raises:
            RunsError: there are fewer GPUs than that.
        """
        fit = int(self.gpus / gpus_per_trial + 1e-9)
        if fit < 1 or gpus_per_trial > 1:
            raise no_such_gpu(gpus_per_trial, f"this machine has {f'{self.gpus} of them' if self.gpus else 'no GPU'}")
        return self.share(min(tasks, fit))

    def share_among(self, tasks: int) -> Sharing:
        """Choose what completes so many equal tasks soonest.

        With GPUs: a worker each, as workers that share one slow each other down. Without: what takes the shortest
        (`time_of`); of equals the fewest, and no more than there is memory for.
        """
        if self.gpus:
            return self.share(max(1, min(tasks, self.gpus)))
        return min(
            (self.share(workers) for workers in range(1, self._most(tasks) + 1)),
            key=lambda sharing: time_of(tasks, sharing.workers, sharing.threads),
        )

    def ways_to_share(self, tasks: int) -> list[Sharing]:
        """Return the ways among which it is worth measuring what completes so many equal tasks soonest.

        The first is what `share_among` chooses. With GPUs the others put two and four workers on each; without, they
        are the nearest by the rule, of those whose workers are a power of two.
        """
        usual = self.share_among(tasks)
        if self.gpus:
            counts = [min(tasks, packed * self.gpus) for packed in PACKED]
            room = self._room(tasks)
            return [
                usual,
                *(self.share(workers) for workers in dict.fromkeys(counts) if usual.workers < workers <= room),
            ]
        most = self._most(tasks)
        others = [self.share(2**power) for power in range(most.bit_length()) if 2**power != usual.workers]
        others.sort(key=lambda sharing: time_of(tasks, sharing.workers, sharing.threads))
        return [usual, *others[:OTHERS]]

    def _most(self, tasks: int) -> int:
        """Return the most workers that make sense without GPUs."""
        return max(1, min(tasks, self.cores, self._room(self.cores)))

    def _room(self, unknown: int) -> int:
        """Return how many workers there is memory for; so many where that is not known."""
        return unknown if self.memory is None else self.memory // WORKER_MEMORY


def time_of(tasks: int, workers: int, threads: float) -> float:
    """Return about how long so many equal tasks take, in units of one task on one thread.

    Args:
        tasks: how many there are.
        workers: how many are done at once.
        threads: of each worker.
    """
    return max(tasks / workers, 1.0) / math.pow(threads, GAIN)


def no_such_gpu(gpus_per_trial: float, there: str) -> RunsError:
    """Say that so many GPUs a cell are not to be had.

    Args:
        gpus_per_trial: as asked for.
        there: what there is, as "this machine has no GPU".
    """
    return RunsError(
        f"gpus_per_trial: a cell is trained on one GPU or a share of one, such as .5, and {there}; "
        f"got {gpus_per_trial:g}"
    )


def say_threads(threads: int) -> str:
    """Say how many threads: "1 thread", "2 threads"."""
    return f"{threads} thread" + "s" * (threads > 1)


def _gpus() -> tuple[int, str]:
    """Return how many GPUs torch can use, and what the first is called.

    Where there is none torch is not asked, which takes seconds to load.
    """
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return 0, ""
    import torch

    from lge_sweep.gpu import gpu_obstacle

    return (torch.cuda.device_count(), torch.cuda.get_device_name(0)) if gpu_obstacle() is None else (0, "")
