"""What is in the folder of a cell: a result, a training to go on with, or something damaged, which is set aside."""

import logging
from pathlib import Path

from lge_sweep.atomic import quarantine
from lge_sweep.config import Cell
from lge_sweep.errors import DamagedError
from lge_sweep.study.cell_files import check_resumable, read_cell
from lge_sweep.study.files import CHECKPOINT, OUTCOME
from lge_sweep.study.plan import Plan
from lge_sweep.study.records import CellRecord, read_record
from lge_sweep.study.results import read_result
from lge_sweep.text import shorten

_log = logging.getLogger(__name__)


def check_result(plan: Plan, cell: Cell) -> CellRecord | None:
    """Return the record of a cell that is finished; set aside the folder of one that was and is damaged."""
    folder = plan.cell_folder(cell)
    if not (folder / OUTCOME).exists():
        return None
    try:
        record = read_cell(folder, cell, plan.name)
        read_result(record, plan, cell)
    except DamagedError as error:
        set_cell_aside(plan, folder, error)
        return None
    (folder / CHECKPOINT).unlink(missing_ok=True)  # of a worker that was killed when all else was done
    return record


def prepare_cell_folder(plan: Plan, cell: Cell) -> bool:
    """Leave a cell's folder such that a worker can go on in it; what is damaged is set aside.

    Returns:
        Whether there is a training to go on with.
    """
    folder = plan.cell_folder(cell)
    if check_result(plan, cell) is not None:
        return True
    try:
        check_resumable(folder)
    except DamagedError as error:
        set_cell_aside(plan, folder, error)
    return (folder / CHECKPOINT).is_file()


def check_result_in(plan: Plan, folder: Path) -> tuple[Cell, CellRecord] | None:
    """As `check_result`, for a folder whose cell is told by its record alone."""
    if not (folder / OUTCOME).exists():
        return None
    try:
        cell = read_record(CellRecord, folder / OUTCOME).cell
        if cell.name != folder.name:
            raise DamagedError(folder / OUTCOME, f"it is of another cell, {shorten(cell.name)}")
    except DamagedError as error:
        set_cell_aside(plan, folder, error)
        return None
    record = check_result(plan, cell)
    return None if record is None else (cell, record)


def set_cell_aside(plan: Plan, folder: Path, why: str | DamagedError) -> None:
    """Move a cell's folder out of the way, and say why; the cell is done again."""
    aside = quarantine(folder, plan.folder.parent)
    said = f"{why.path.name} was damaged: {why.reason}" if isinstance(why, DamagedError) else why
    _log.warning("%s: %s. Its folder is now %s, and it is done again", folder.name, said, aside)
