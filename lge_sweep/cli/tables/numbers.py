"""How numbers are written in tables of a terminal."""


def number(value: float | None) -> str:
    """Write a metric; a missing one is a dash."""
    return "-" if value is None else f"{value:.4f}"
