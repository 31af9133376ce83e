"""What is in the folder of a cell: a result, a training to go on with, or something damaged, which is set aside."""

import logging

from lge_sweep.config import Cell
from lge_sweep.errors import DamagedError
from lge_sweep.run_store import CellFolder
from lge_sweep.study import CellRecord, Plan, check_resumable, read_cell, read_record, read_result
from lge_sweep.text import shorten

_log = logging.getLogger(__name__)


def check_result(plan: Plan, cell: Cell) -> CellRecord | None:
    """Return the record of a cell that is finished; set aside the folder of one that was and is damaged."""
    files = plan.cell_files(cell)
    if not files.outcome.exists():
        return None
    try:
        record = read_cell(files, cell, plan.name)
        read_result(record, plan, cell)
    except DamagedError as error:
        set_cell_aside(plan, files, error)
        return None
    files.checkpoint.unlink(missing_ok=True)  # of a worker that was killed when all else was done
    return record


def prepare_cell_folder(plan: Plan, cell: Cell) -> bool:
    """Leave a cell's folder such that a worker can go on in it; what is damaged is set aside.

    Returns:
        Whether there is a training to go on with.
    """
    files = plan.cell_files(cell)
    if check_result(plan, cell) is not None:
        return True
    try:
        check_resumable(files)
    except DamagedError as error:
        set_cell_aside(plan, files, error)
    return files.checkpoint.is_file()


def check_result_in(plan: Plan, files: CellFolder) -> tuple[Cell, CellRecord] | None:
    """As `check_result`, for a folder whose cell is told by its record alone."""
    if not files.outcome.exists():
        return None
    try:
        cell = read_record(CellRecord, files.outcome).cell
        if cell.name != files.name:
            raise DamagedError(files.outcome, f"it is of another cell, {shorten(cell.name)}")
    except DamagedError as error:
        set_cell_aside(plan, files, error)
        return None
    record = check_result(plan, cell)
    return None if record is None else (cell, record)


def set_cell_aside(plan: Plan, files: CellFolder, why: str | DamagedError) -> None:
    """Move a cell's folder out of the way, and say why; the cell is done again.

    Args:
        plan: the sweep.
        files: what is in the folder.
        why: what is wrong with it.
    """
    aside = plan.files.quarantine(files.path)
    said = f"{why.path.name} was damaged: {why.reason}" if isinstance(why, DamagedError) else why
    _log.warning("%s: %s. Its folder is now %s, and it is done again", files.name, said, aside)
