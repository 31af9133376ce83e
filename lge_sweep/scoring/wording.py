"""How intervals and probabilities are written, in print and on pages."""


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Write an interval; a dash where there is none.

    Args:
        low: lower end; None: no interval.
        high: upper end.
        digits: after the point.
    """
    return "-" if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


def chance(value: float | None) -> str:
    """A probability in two digits, never as certain: ".41", "above .99"; a dash where there is none."""
    if value is None:
        return "-"
    if value > 0.99:
        return "above .99"
    return "below .01" if value < 0.01 else f"{value:.2f}".removeprefix("0")
