"""Cells of SLURM that are over at once and load nothing to train with; a module of its own, as nodes import it.

The driver writes one finished cell; a job copies it under its cell's name.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import trivial_cell

from lge_sweep.engine.events import Progress
from lge_sweep.engine.task import CellTask

if TYPE_CHECKING:
    from lge_sweep.study.plan import Plan

VARIABLE = "LGE_SWEEP_BENCHMARK_CELL"
"""Names the folder of the finished cell."""


def write_example(plan: "Plan") -> None:
    """Write the finished cell, and name its folder to all jobs of this process.

    Args:
        plan: a sweep of cells like theirs.
    """
    from finished_cell import write_result

    write_result(plan, plan.cells[0])
    os.environ[VARIABLE] = str(plan.cell_files(plan.cells[0]).path)


def training() -> ModuleType:
    """Return what stands in for `lge_sweep.engine.train`."""
    module = ModuleType("lge_sweep.engine.train")
    module.execute = execute  # type: ignore[attr-defined]  # a module made here
    return module


def execute(task: CellTask, report: Callable[[Progress], bool], worker: int = 0) -> None:
    """Copy the finished cell under the task's name, and note that this was done.

    Args:
        task: the cell.
        report: is told nothing.
        worker: of no use.
    """
    example, files = Path(os.environ[VARIABLE]), task.files
    shutil.copytree(example, files.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(files.outcome.name))
    record = json.loads((example / files.outcome.name).read_text(encoding="utf-8"))
    record |= {"sweep": files.sweep.path.name, "cell": json.loads(task.model_dump_json(include={"cell"}))["cell"]}
    written = files.path / "outcome.tmp"
    written.write_text(json.dumps(record), encoding="utf-8")
    written.replace(files.outcome)
    trivial_cell.append(files.sweep.path / trivial_cell.EXECUTIONS, task.cell.name)
