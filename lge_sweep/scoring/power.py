"""How many cases it would take to tell two pipelines apart."""

import math

from scipy import stats


def needed_cases(
    difference: float, low: float | None, high: float | None, cases: int, *, power: float = 0.8, level: float = 0.95
) -> int | None:
    """Return how many cases a paired comparison needs to find a difference as large as one that was found.

    The standard error of the difference over n cases is taken from its interval, (high - low) / (2 z), and grows as
    1 / sqrt(n). A two-sided test at 1 - level has the power wanted where difference / error is z_(1+level)/2 + z_power.

    Args:
        difference: mean difference of the two, not 0.
        low: lower end of its interval.
        high: upper end.
        cases: over how many cases it was found, >= 2.
        power: probability of finding it, between 0 and 1.
        level: of the interval and of the test.

    Returns:
        At least 2; None where there is no interval, no difference or no variation to plan with.

    Source: the usual sample size of a paired z test, as in Chow et al., Sample Size Calculations in Clinical Research
        (2017), section 3.1; the error is the bootstrap's.

    >>> needed_cases(0.1, 0.1 - 0.196, 0.1 + 0.196, 10), needed_cases(0.0, -0.1, 0.1, 10)
    (79, None)
    """
    if low is None or high is None or difference == 0 or high <= low or cases < 2:
        return None
    z = float(stats.norm.ppf((1 + level) / 2))
    spread = (high - low) / (2 * z) * math.sqrt(cases)
    needed = (spread * (z + float(stats.norm.ppf(power))) / difference) ** 2
    return max(2, math.ceil(needed))
