"""How intervals and probabilities are written, in print and on pages."""

import math


def interval(low: float | None, high: float | None, sign: str = "") -> str:
    """Write an interval in three digits; a dash where there is none.

    Args:
        low: lower end; None or NaN: no interval.
        high: upper end.
        sign: ``+`` writes the sign of positive ends, too.
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return "-"
    return f"{low:{sign}.3f} to {high:{sign}.3f}"


def chance(value: float | None) -> str:
    """A probability in two digits, never as certain: ".41", "above .99"; a dash where there is none (None, NaN)."""
    if value is None or math.isnan(value):
        return "-"
    if value > 0.99:
        return "above .99"
    return "below .01" if value < 0.01 else f"{value:.2f}".removeprefix("0")
