"""A Ray worker whose cells are done at once; a module of its own, as nodes import it."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from finished_cell import write_result

from lge_sweep.engine.events import Done, TaskResult
from lge_sweep.engine.executors.ray_worker import RayPlace, RayWorker
from lge_sweep.engine.task import CellTask, Task
from lge_sweep.study.plan_files import load_plan

EXECUTIONS = "executions.txt"
"""File of the runs directory: a line each time that a cell is done, its name."""


class StubWorker(RayWorker):
    """Writes the folder of a finished cell, and a line that it did."""

    def _perform(self, task: Task, tell: object) -> TaskResult:
        assert isinstance(task, CellTask)
        sweep = task.files.sweep
        write_result(load_plan(sweep.path), task.cell)
        file = os.open(sweep.runs / EXECUTIONS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(file, f"{task.cell.name}\n".encode())
        os.close(file)
        return Done()


class BlindWorker(RayWorker):
    """Does not see the runs directory."""

    def place(self, setup: str) -> str:
        """Say so."""
        place = RayPlace.model_validate_json(super().place(setup))
        return place.model_copy(update={"shares": False}).model_dump_json()
