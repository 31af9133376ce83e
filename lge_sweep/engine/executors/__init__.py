"""Executors: where and how cells are trained. A further one is a module, and a line in `EXECUTORS`."""

import os
from collections.abc import Callable

from lge_sweep.choices import suggest
from lge_sweep.config.registry import resolve
from lge_sweep.engine.executors.protocol import Executor, ExecutorOptions, LiveJobs, Placement
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
"""Executor whose tasks outlive their driver -> ``module:function`` of a runs directory -> the jobs that live."""

__all__ = [
    "CLUSTER_VARIABLE", "EXECUTORS", "EXECUTOR_VARIABLE", "OUTLIVING", "Executor", "ExecutorOptions", "LiveJobs",
    "Placement", "executor_name", "find_live_jobs", "make_executor",
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
    name = executor_name(placement.executor)
    if placement.cluster and name == "local":
        raise RunsError(
            f"--cluster {shorten(placement.cluster)} is of no use to --executor local, which trains on this machine: "
            "add --executor slurm or ray, or leave it out"
        )
    _refuse_beside_others(store, name)
    make: Callable[[ExecutorOptions], Executor] = resolve(EXECUTORS[name])
    cluster = placement.cluster or os.environ.get(CLUSTER_VARIABLE) or ""
    return make(ExecutorOptions(store, placement.workers, stall, cluster, placement.gpus_per_trial))


def executor_name(asked: str | None = None) -> str:
    """Return the name of the executor that is meant: as asked, else as the environment says, else the default.

    Raises:
        RunsError: there is none of that name.
    """
    name = asked or os.environ.get(EXECUTOR_VARIABLE) or next(iter(EXECUTORS))
    if name not in EXECUTORS:
        said = "--executor" if asked else EXECUTOR_VARIABLE
        raise RunsError(f"{said}: unknown executor '{shorten(name)}': {suggest(name, EXECUTORS)}")
    return name


def find_live_jobs(store: RunStore) -> dict[str, LiveJobs]:
    """Return what earlier drivers have left to work for a runs directory, by executor."""
    found: dict[str, LiveJobs | None] = {name: resolve(find)(store) for name, find in OUTLIVING.items()}
    return {name: jobs for name, jobs in found.items() if jobs is not None}


def _refuse_beside_others(store: RunStore, name: str) -> None:
    """Make sure that nothing which another executor has left still writes into the runs directory.

    Raises:
        RunsError: something may.
    """
    for other, jobs in find_live_jobs(store).items():
        if other != name:
            raise RunsError(
                f"{store.root}: jobs of an earlier command with --executor {other} may still write here "
                f"({list_names(jobs.ids)}). Go on with --executor {other}, or end them; if they have ended and "
                f"{other} cannot be asked here, remove {store.root / other}"
            )
