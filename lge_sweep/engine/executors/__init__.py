"""Executors: where and how cells are trained. A further one is a module, and a line in `EXECUTORS`."""

import os
from collections.abc import Callable

from lge_sweep.choices import suggest
from lge_sweep.config.registry import resolve
from lge_sweep.engine.executors.protocol import Executor, ExecutorOptions, Placement
from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore
from lge_sweep.text import list_names, shorten

EXECUTOR_VARIABLE, CLUSTER_VARIABLE = "LGE_SWEEP_EXECUTOR", "LGE_SWEEP_CLUSTER"
EXECUTORS: dict[str, str] = {
    "local": "lge_sweep.engine.executors.local:LocalExecutor",
    "inline": "lge_sweep.engine.executors.inline:InlineExecutor",
    "slurm": "lge_sweep.engine.executors.slurm:SlurmExecutor",
    "ray": "lge_sweep.engine.executors.ray_cluster:RayExecutor",
}
"""Name -> ``module:class`` that is made of `ExecutorOptions`; the first is the default."""
OUTLIVING: dict[str, str] = {"slurm": "lge_sweep.engine.executors.slurm:live_jobs"}
"""Executor whose tasks outlive their driver -> ``module:function`` that returns the jobs which may still write."""

__all__ = [
    "CLUSTER_VARIABLE", "EXECUTORS", "EXECUTOR_VARIABLE", "Executor", "ExecutorOptions", "Placement", "make_executor",
]  # fmt: skip


def make_executor(store: RunStore, placement: Placement, stall: float) -> Executor:
    """Make the executor that a user has named.

    Args:
        store: the runs directory.
        placement: where cells are to be trained.
        stall: seconds without a word after which what executes a task is taken to hang.

    Raises:
        RunsError: there is none of that name, or it cannot be used here; the message says why.
    """
    name = placement.executor or os.environ.get(EXECUTOR_VARIABLE) or next(iter(EXECUTORS))
    if name not in EXECUTORS:
        said = "--executor" if placement.executor else EXECUTOR_VARIABLE
        raise RunsError(f"{said}: unknown executor '{shorten(name)}': {suggest(name, EXECUTORS)}")
    _refuse_beside_others(store, name)
    make: Callable[[ExecutorOptions], Executor] = resolve(EXECUTORS[name])
    cluster = placement.cluster or os.environ.get(CLUSTER_VARIABLE) or ""
    return make(ExecutorOptions(store, placement.workers, stall, cluster, placement.gpus_per_trial))


def _refuse_beside_others(store: RunStore, name: str) -> None:
    """Make sure that nothing which another executor has left still writes into the runs directory.

    Raises:
        RunsError: something may.
    """
    for other, find in OUTLIVING.items():
        live: Callable[[RunStore], list[str]] = resolve(find)
        if other != name and (jobs := live(store)):
            raise RunsError(
                f"{store.root}: jobs of an earlier command with --executor {other} may still write here "
                f"({list_names(jobs)}). Go on with --executor {other}, or end them; if they have ended and {other} cannot "
                f"be asked here, remove {store.root / other}"
            )
