"""Save the figures of a cell and of a sweep as PNG files, each whole or not at all."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lge_sweep.atomic import atomic_file
from lge_sweep.report.figures import CELL_FIGURES, SWEEP_FIGURES
from lge_sweep.report.tables import CellImages, SweepTables


def save_png(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG under a temporary name in the same folder, then rename it.

    Args:
        figure: what to write.
        path: where; the folder is created if needed, an existing file is replaced.

    Returns:
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as unfinished:
        FigureCanvasAgg(figure).print_png(unfinished)  # type: ignore[no-untyped-call]  # savefig would draw twice
    return path


def write_cell_figures(folder: Path, cell: CellImages) -> list[Path]:
    """Write one cell's figures, those of `CELL_FIGURES`.

    Args:
        folder: where to write; created if needed.
        cell: what they are drawn of.

    Returns:
        The files written.
    """
    return [save_png(draw(cell), folder / f"{name}.png") for name, draw in CELL_FIGURES.items()]


def write_sweep_figures(folder: Path, sweep: SweepTables) -> list[Path]:
    """Write a sweep's figures, those of `SWEEP_FIGURES` that it has.

    Where the cells differ in loss or optimizer, the models' names in titles are shortened.

    Args:
        folder: where to write; created if needed.
        sweep: what they are drawn of.

    Returns:
        The files written.

    Source: paper Figs. 5 to 10 (stage 1) and 12 to 17 (stage 2).
    """
    shown = sweep.with_short_titles() if sweep.varies_training() else sweep
    return [
        save_png(figure.draw(shown), folder / f"{figure.name}.png")
        for figure in SWEEP_FIGURES
        if figure.drawn_if(sweep)
    ]
