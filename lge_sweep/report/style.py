"""How every figure looks: size, colours, safe text, title, legend and notes, once."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from lge_sweep.labels import COLOURS, Label

if TYPE_CHECKING:
    from lge_sweep.report.tables import CellTables, SweepTables  # pictures of an exam need no table

DPI = 110
WIDTH = 9.1
"""Inches; 1001 pixels, about what MLflow's artifact pane shows."""

# Okabe and Ito's palette: told apart with any colour vision.
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
INK, FAINT, ABSENT = "#333333", "#C8C8C8", "#A8A8A8"
SMALL, NORMAL, LARGE = 7.5, 9.0, 11.5

NO_CELL = "no cell of this sweep has results"

RGB = tuple[float, float, float]


def class_colour(name: str) -> RGB:
    """A class's colour (`labels.COLOURS`), 0 to 1. On white paper background is grey, not black; unknown: purple."""
    if name == Label.BACKGROUND.title:
        return (0.62, 0.62, 0.62)
    known = {label.title: colour for label, colour in COLOURS.items()}
    red, green, blue = known.get(name, (204, 121, 167))
    return (red / 255, green / 255, blue / 255)


@lru_cache(maxsize=1)
def _drawable_code_points() -> frozenset[int]:
    """Code points that the font can draw."""
    return frozenset(get_font(findfont(FontProperties())).get_charmap())


def drawable(text: object, limit: int = 200) -> str:
    """Make any text drawable: one line, no formulas, no missing glyphs, shortened in the middle.

    Args:
        text: a title, a case id, a class name.
        limit: most characters to keep.
    """
    line = " ".join(str(text).split())
    if len(line) > limit:
        line = line[: (limit - 1) // 2] + "…" + line[len(line) - limit // 2 :]
    line = "".join(letter if ord(letter) in _drawable_code_points() else "?" for letter in line)
    return line.replace("$", r"\$")


def wrap(text: str, inches: float, size: float) -> str:
    """Make a text drawable and break it into lines that fit a width at a font size in points.

    Args:
        text: any text.
        inches: width of the lines.
        size: of the font, in points.
    """
    return "\n".join(textwrap.wrap(drawable(text, 600), max(10, int(inches * 110 / size))))


def collapse_note(cell: "CellTables") -> str:
    """Say which classes a cell never predicted; empty if it predicted all."""
    return f"collapsed: {', '.join(cell.collapsed)} never predicted" if cell.collapsed else ""


def cell_title(ax: Axes, cell: "CellTables", bold: bool, inches: float) -> None:
    """Put a cell's title over axes of a given width; a collapsed cell's in vermillion, and why below it.

    Args:
        ax: the axes.
        cell: the cell.
        bold: whether it stands out.
        inches: width of the axes.
    """
    lines = [drawable(cell.title, int(inches * 11))]
    if cell.collapsed:
        lines.append(wrap(collapse_note(cell), inches, SMALL))
    colour, weight = (VERMILLION if cell.collapsed else INK), ("bold" if bold else "normal")
    ax.set_title("\n".join(lines), fontsize=SMALL if cell.collapsed else NORMAL, color=colour, fontweight=weight)


def new_figure(title: str, height: float, subtitle: str = "", width: float = WIDTH) -> Figure:
    """An empty figure with a heading, laid out so that nothing overlaps.

    Args:
        title: the heading.
        height: inches.
        subtitle: below the heading; empty: none.
        width: inches.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(h_pad=0.06, w_pad=0.06)  # type: ignore[union-attr, call-arg]
    heading = [wrap(text, width, LARGE) for text in (title, subtitle) if text]
    figure.suptitle("\n".join(heading), fontsize=LARGE, fontweight="bold", color=INK)
    return figure


def style_axes(ax: Axes, grid: str = "both") -> None:
    """Give axes small ticks, a faint grid ('x', 'y', 'both' or 'none') and no box."""
    ax.locator_params(nbins=6)
    ax.tick_params(labelsize=SMALL, color=ABSENT, labelcolor=INK)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(ABSENT)
    if grid != "none":
        ax.grid(axis=grid, color="#EBEBEB", linewidth=0.7)  # type: ignore[arg-type]  # matplotlib wants literals
    ax.set_axisbelow(True)


def write_message(ax: Axes, message: str) -> None:
    """Write a message in the middle of empty axes."""
    ax.text(0.5, 0.5, drawable(message), transform=ax.transAxes, ha="center", va="center", fontsize=NORMAL, color=INK)


def blank_figure(title: str, message: str, subtitle: str = "") -> Figure:
    """A figure that only says why there is nothing to draw.

    Args:
        title: the heading.
        message: why there is nothing.
        subtitle: below the heading; empty: none.
    """
    figure = new_figure(title, 2.6, subtitle)
    ax = figure.add_subplot()
    ax.set_axis_off()
    write_message(ax, message)
    return figure


def footer(figure: Figure, handles: Sequence[Artist], notes: Iterable[str]) -> None:
    """Put the legend, under a figure's notes, below its axes.

    Args:
        figure: the figure.
        handles: entries of the legend.
        notes: a line each; empty ones are left out.
    """
    lines = [wrap(note, figure.get_figwidth(), SMALL) for note in notes if note]
    if not handles and not lines:
        return
    inches = sum(0.55 + 0.06 * len(str(handle.get_label())) for handle in handles)
    rows = max(1, math.ceil(inches / figure.get_figwidth()))
    legend = figure.legend(
        handles=list(handles), loc="outside lower center", ncols=max(1, math.ceil(len(handles) / rows)), frameon=False,
        fontsize=SMALL + 0.5, labelcolor=INK, title="\n".join(lines) or None, title_fontsize=SMALL + 0.5,
    )  # fmt: skip
    legend.get_title().set_color(INK)
    legend.get_title().set_multialignment("center")


def mark_labels(labels: Sequence[Artist], cells: "Sequence[CellTables]", best: Sequence[str]) -> None:
    """Set the best cells' labels in bold and collapsed cells' in vermillion.

    Args:
        labels: texts on an axis.
        cells: the cells that they name, in the same order.
        best: names of the best cells.
    """
    for label, cell in zip(labels, cells, strict=True):
        label.set(
            fontweight="bold" if cell.name in best else "normal",
            color=VERMILLION if cell.collapsed else INK,
        )


def label_rows(ax: Axes, cells: "Sequence[CellTables]", best: Sequence[str], most: int = 40) -> None:
    """Name the rows of a figure, a row a cell from the top.

    Args:
        ax: the axes; row 0 is the first cell.
        cells: the cells, in the order of the rows.
        best: names of the best cells.
        most: most characters of a cell's title.
    """
    ax.set_yticks(range(len(cells)), labels=[drawable(cell.title, most) for cell in cells])
    ax.set_ylim(len(cells) - 0.4, -0.6)
    mark_labels(ax.get_yticklabels(), cells, best)


def dice_axis(ax: Axes, name: str) -> None:
    """Title axes with a class, and label Dice below; background, whose panel is narrow, has fewer ticks."""
    ax.set_title(drawable(name, 30), fontsize=NORMAL, color=INK)
    ax.set_xlabel("Dice (0 to 1)", fontsize=SMALL, color=INK)
    ax.set_xlim(-0.04, 1.04)
    ax.set_xticks([0, 0.5, 1.0] if name == Label.BACKGROUND.title else np.linspace(0, 1, 6))


def say_missing(ax: Axes, row: int, why: str) -> None:
    """Write in the middle of a row of Dice why it is empty.

    Args:
        ax: the axes.
        row: the row, 0 at the top.
        why: what is missing.
    """
    ax.text(0.5, row, why, ha="center", va="center", fontsize=SMALL, color=INK)


def row_inches(rows: int) -> float:
    """Height of one of many labelled rows: less where there are many, so that a figure still fits a screen or two."""
    return min(0.34, max(0.175, 10.5 / max(1, rows)))


def list_or_count(names: Sequence[str], most: int = 8) -> str:
    """The names, or only their number where there are too many for a note."""
    return ", ".join(names) if len(names) <= most else f"{len(names)} cells"


def bold_note(sweep: "SweepTables") -> str:
    """Explain bold names, where there are some beside others."""
    several = len(sweep.cells) > 1 and any(cell.name in sweep.best for cell in sweep.cells)
    return "bold: the best cells" if several else ""


def sweep_notes(sweep: "SweepTables", titled: bool = False) -> list[str]:
    """What must be said under a figure of a sweep: best cells without results, and collapsed cells.

    Args:
        sweep: the sweep.
        titled: whether the figure's panels say themselves which cells collapsed.
    """
    cells = sweep.cells
    known = {cell.name for cell in cells}
    notes = [f"{name}: among the best, but without results here" for name in sweep.best if name not in known]
    if not titled:
        kinds = dict.fromkeys(collapse_note(cell) for cell in cells if cell.collapsed)
        notes += [f"{list_or_count([c.title for c in cells if collapse_note(c) == kind])} {kind}" for kind in kinds]
    return notes
