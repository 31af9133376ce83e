"""How sure the calibration of probabilities is: cases are drawn anew, with all their pixels.

Source: ratios of sums over drawn clusters (Davison and Hinkley, Bootstrap Methods and their Application, 1997, 3.8).
"""

import numpy as np
import pandas as pd

from lge_sweep.metrics import BinSums
from lge_sweep.scoring.bootstrap import check_range, draw_cases, percentile_interval
from lge_sweep.scoring.paired import Array


def calibration_intervals(sums: BinSums, resamples: int = 2000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """Return intervals of Brier score and expected calibration error over the cases of `BinSums`.

    A draw has fewer different cases than there are, so its calibration error is larger as a rule: such an interval may
    lie above the value.

    Args:
        sums: of C classes and the likeliest one; its groups are cases.
        resamples: how often cases are drawn.
        seed: of the draws.
        level: of the intervals.

    Returns:
        A row a class, one of the likeliest, one of all classes together, which have no ECE: brier_low, brier_high,
        ece_low, ece_high; NaN where there is none, and with fewer than two cases.

    Raises:
        ConfigError: `resamples` or `level` make no sense.
    """
    check_range(resamples, level)
    classes, cases = sums.squares.shape
    if cases < 2:
        return pd.DataFrame(np.full((classes + 1, 4), np.nan), columns=_COLUMNS)
    draws = draw_cases(cases, resamples, np.random.default_rng(seed))
    pixels = draws @ sums.pixels[0].sum(axis=1)
    used = pixels > 0
    rows: list[tuple[float | None, ...]] = []
    for squares, hits, confidence in zip(sums.squares, sums.hits, sums.confidence, strict=True):
        brier: Array = (draws @ squares)[used] / pixels[used]
        ece: Array = np.abs(draws @ (hits - confidence)).sum(axis=1)[used] / pixels[used]
        rows.append((*percentile_interval(brier, level), *percentile_interval(ece, level)))
    together: Array = (draws @ sums.squares[:-1].sum(axis=0))[used] / pixels[used]
    rows.append((*percentile_interval(together, level), None, None))
    return pd.DataFrame(rows, columns=_COLUMNS, dtype=float)


_COLUMNS = ["brier_low", "brier_high", "ece_low", "ece_high"]
