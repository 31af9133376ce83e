"""Report: plain tables in, tidy PNG figures out (the paper's Figs. 5 to 7 and 12 to 14, and overlays)."""

from lge_sweep.report.tables import CellTables
from lge_sweep.report.write import write_cell_figures, write_sweep_figures

__all__ = ["CellTables", "write_cell_figures", "write_sweep_figures"]
