"""Read a finished cell's tables back."""

from pathlib import Path

import pandas as pd

from lge_sweep.config import Cell
from lge_sweep.report import CellTables
from lge_sweep.sweep.files import HISTORY, PER_IMAGE


def read_tables(folder: Path, cell: Cell, collapsed: tuple[str, ...]) -> CellTables:
    """Read a finished cell's tables for the figures."""
    return CellTables(
        name=cell.name,
        title=cell.model,
        history=pd.read_csv(folder / HISTORY),
        per_image=pd.read_csv(folder / PER_IMAGE, dtype={"image": str, "case": str}),
        collapsed=collapsed,
        loss=cell.loss,
    )
