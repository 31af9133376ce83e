"""Read a finished cell's tables back."""

from lge_sweep.config import Cell
from lge_sweep.report import CellTables
from lge_sweep.run_store import CellFolder
from lge_sweep.study.cell_files import read_history, read_per_image


def read_tables(files: CellFolder, cell: Cell, title: str, collapsed: tuple[str, ...]) -> CellTables:
    """Read a finished cell's tables for figures and statistics.

    Args:
        files: what is in the cell's folder.
        cell: which it is.
        title: what figures call it.
        collapsed: classes that it never predicted.
    """
    return CellTables(
        name=cell.name,
        title=title,
        history=read_history(files.history),
        per_image=read_per_image(files.per_image),
        collapsed=collapsed,
        loss=cell.loss,
        model=cell.model,
        optimizer=cell.optimizer,
        seed=cell.seed,
    )
