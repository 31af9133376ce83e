"""Cells whose training alone is replaced, by one that is over at once; a module of its own, as nodes import it.

All else is as it is: a worker, an actor or a job starts, loads its libraries, takes the task, prints to the cell's log
and says how it ended.
"""

import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from lge_sweep.engine.events import Progress, TaskResult
from lge_sweep.engine.executors import local_worker, perform
from lge_sweep.engine.executors.local_worker import WorkerSetup, run_worker
from lge_sweep.engine.executors.perform import Report
from lge_sweep.engine.task import CellTask, Task

EXECUTIONS = "executions.txt"
"""File of the sweep's folder: a line each time that a cell is done, its name."""


def train(task: CellTask, report: Callable[[Progress], bool | None], worker: int = 0) -> None:
    """Write the folder of a finished cell, and a line that this was done.

    Args:
        task: the cell.
        report: is told nothing.
        worker: of no use.
    """
    from finished_cell import write_result

    from lge_sweep.study.plan_files import load_plan

    sweep = task.files.sweep
    write_result(load_plan(sweep.path), task.cell)
    append(sweep.path / EXECUTIONS, task.cell.name)


def append(path: Path, line: str) -> None:
    """Add a line to a file in one write, as many processes do at once."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def replace_training() -> None:
    """Let cells be done at once in this process."""
    setattr(local_worker, "perform", _perform)  # noqa: B010  # the name that it has imported


def _perform(task: Task, report: Report, worker: int = 0) -> TaskResult:
    from lge_sweep.engine import train as module  # loaded by now, and set to so many threads

    module.execute = train
    return perform.perform(task, report, worker)


def run_trivial_worker(connection: Connection, setup: WorkerSetup) -> None:
    """Be a worker process whose cells are done at once."""
    replace_training()
    run_worker(connection, setup)
