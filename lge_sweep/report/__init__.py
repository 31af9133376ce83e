"""Report: plain tables in, tidy PNG figures out (the paper's Figs. 5 to 10 and 12 to 17, ranks, overlays)."""

from lge_sweep.report.figures import CellImages, SweepTables
from lge_sweep.report.files import write_cell_figures, write_sweep_figures
from lge_sweep.report.tables import CellTables, RankLine

__all__ = ["CellImages", "CellTables", "RankLine", "SweepTables", "write_cell_figures", "write_sweep_figures"]
