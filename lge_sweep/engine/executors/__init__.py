"""Executors: where and how cells are trained. A further one is a module, and a line in `EXECUTORS`."""

import os
from collections.abc import Callable

from lge_sweep.choices import suggest
from lge_sweep.engine.executors.inline import InlineExecutor
from lge_sweep.engine.executors.local import LocalExecutor
from lge_sweep.engine.executors.protocol import Executor, ExecutorOptions
from lge_sweep.errors import RunsError
from lge_sweep.text import shorten

EXECUTOR_VARIABLE = "LGE_SWEEP_EXECUTOR"
EXECUTORS: dict[str, Callable[[ExecutorOptions], Executor]] = {
    "local": LocalExecutor,
    "inline": InlineExecutor,
}
"""Name -> makes one; the first is the default."""

__all__ = ["EXECUTORS", "EXECUTOR_VARIABLE", "Executor", "ExecutorOptions", "make_executor"]


def make_executor(options: ExecutorOptions) -> Executor:
    """Make the executor that `LGE_SWEEP_EXECUTOR` names.

    Raises:
        RunsError: there is none of that name.
    """
    name = os.environ.get(EXECUTOR_VARIABLE) or next(iter(EXECUTORS))
    if name not in EXECUTORS:
        raise RunsError(f"{EXECUTOR_VARIABLE}: unknown executor '{shorten(name)}': {suggest(name, EXECUTORS)}")
    return EXECUTORS[name](options)
