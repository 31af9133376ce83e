"""Two cells, compared on the same images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lge_sweep.cli.terminal import Terminal
from lge_sweep.cli.terminal_table import Column, print_table
from lge_sweep.text import format_number

if TYPE_CHECKING:
    from lge_sweep.scoring import Paired, Standing


def print_comparison(
    console: Terminal, names: tuple[str, str], rule: str, difference: "Standing", pairs: Sequence["Paired"]
) -> None:
    """Print a paired comparison of two cells.

    Args:
        console: where to print.
        names: the first and the second cell.
        rule: the scoring rule.
        difference: standing of the first against the second.
        pairs: every metric, per image and per case.
    """
    from lge_sweep.scoring import interval

    for letter, name in zip("AB", names, strict=True):
        console.print_line(f"{letter}: {name}")
    bounds = interval(difference.difference_low, difference.difference_high)
    console.print_line(f"score ({rule}), A minus B: {difference.difference:+.4f}, 95 % interval {bounds}")
    for unit in dict.fromkeys(pair.unit for pair in pairs):
        titles = ("pairs", "A", "B", "median A-B", "A better", "B better", "p", "p (Holm)")
        rows = [
            (
                pair.metric,
                str(pair.pairs),
                format_number(pair.mean_a),
                format_number(pair.mean_b),
                format_number(pair.median_difference),
                str(pair.better),
                str(pair.worse),
                format_number(pair.p),
                format_number(pair.p_holm),
            )
            for pair in pairs
            if pair.unit == unit
        ]
        print_table(console, [Column("metric", "text", key=True), *map(Column, titles)], rows, f"per {unit}")
    console.explain(
        "p: two-sided Wilcoxon signed-rank. The case is the independent unit: slices of one case resemble each other, "
        "so that p per image is too small.",
    )
