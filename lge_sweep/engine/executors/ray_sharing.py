"""How many workers share the nodes of a Ray cluster, and with how many processors and GPUs each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lge_sweep.engine.executors.sharing import WORKER_MEMORY, no_such_gpu, say_threads, time_of
from lge_sweep.errors import RunsError


@dataclass(frozen=True)
class RayNode:
    """What a node offers.

    Attributes:
        cpus: processors.
        gpus: GPUs.
        memory: bytes that Ray gives away; None: not known.
    """

    cpus: float
    gpus: float = 0.0
    memory: float | None = None

    def fit(self, cpus: float, gpus: float) -> int:
        """Return how many workers with so many processors and GPUs it holds."""
        fits = [self.cpus / cpus]
        if gpus:
            fits.append(self.gpus / gpus)
        return int(min(fits) + 1e-9)

    @property
    def room(self) -> int:
        """How many workers its memory holds."""
        return max(1, int(self.cpus if self.memory is None else self.memory // WORKER_MEMORY))


@dataclass(frozen=True)
class RaySharing:
    """How a cluster is shared.

    Attributes:
        workers: tasks at once.
        cpus: processors of each, which Ray gives away; less than one where workers share them.
        gpus: GPUs of each, or its share of one; 0: none.
    """

    workers: int
    cpus: float
    gpus: float = 0.0

    @property
    def threads(self) -> int:
        """Processor threads that each computes with."""
        return max(1, int(self.cpus))

    def __str__(self) -> str:
        """Say it in words."""
        threads = say_threads(self.threads)
        gpu = f" and {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.workers} Ray worker{'s' * (self.workers > 1)} of {threads}{gpu}" + " each" * (self.workers > 1)


def share_nodes(
    nodes: Sequence[RayNode], tasks: int, workers: int | None = None, gpus_per_trial: float | None = None
) -> RaySharing:
    """Share a cluster among so many equal tasks.

    With GPUs each worker has one, or the share that was asked for, and as many start as fit. Without, as many as a user
    says, else as complete the tasks soonest, as on one machine (`Machine.share_among`).

    Args:
        nodes: the nodes that live.
        tasks: how many there are.
        workers: tasks at once; None: as is best.
        gpus_per_trial: GPUs of each; None: one where there are GPUs.

    Raises:
        RunsError: there is no processor, or no GPU of that size.
    """
    nodes = [node for node in nodes if node.cpus > 0]
    if not nodes:
        raise RunsError(
            "--executor ray: no node of the cluster offers a processor; start one with "
            "`ray start --address=HOST:PORT --num-cpus=N`"
        )
    gpus = gpus_per_trial or float(any(node.gpus >= 1 for node in nodes))
    if gpus:
        return _share_gpus(nodes, workers or tasks, gpus)
    return _share_cpus(nodes, tasks) if workers is None else _split_cpus(nodes, workers)


def _share_gpus(nodes: Sequence[RayNode], tasks: int, gpus: float) -> RaySharing:
    fits = {node: int(node.gpus / gpus + 1e-9) for node in nodes}
    count = min(tasks, sum(fits[node] for node in nodes))
    if gpus > 1 or count < 1:
        raise no_such_gpu(gpus, f"this cluster has {sum(node.gpus for node in nodes):g} of them")
    cpus = min(node.cpus / fits[node] for node in nodes if fits[node])
    return RaySharing(count, math.floor(cpus) if cpus >= 1 else cpus, gpus)


def _split_cpus(nodes: Sequence[RayNode], workers: int) -> RaySharing:
    """Give each of so many workers as many processors as all can have, or a share of one."""
    most = int(max(node.cpus for node in nodes))
    whole = (cpus for cpus in range(most, 0, -1) if sum(node.fit(cpus, 0) for node in nodes) >= workers)
    return RaySharing(workers, next(whole, 1 / math.ceil(workers / max(1, sum(int(node.cpus) for node in nodes)))))


def _share_cpus(nodes: Sequence[RayNode], tasks: int) -> RaySharing:
    most = max(1, int(max(node.cpus for node in nodes)))
    choices = []
    for cpus in range(1, most + 1):
        fit = min(tasks, sum(min(node.fit(cpus, 0), node.room) for node in nodes))
        if fit:
            choices.append(RaySharing(fit, cpus))
    if not choices:  # less than a processor a node
        return _split_cpus(nodes, 1)
    return min(choices, key=lambda shared: (time_of(tasks, shared.workers, shared.cpus), shared.workers))
