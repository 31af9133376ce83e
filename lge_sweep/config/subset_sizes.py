"""How many cases of a stratum come into each subset."""

from collections.abc import Sequence


def largest_remainder(total: int, shares: Sequence[float]) -> list[int]:
    """Divide `total` into whole numbers as near to `shares` as can be (Hamilton's method).

    >>> largest_remainder(70, (0.60, 0.15, 0.25))
    [42, 11, 17]
    """
    exact = [round(total * share, 9) for share in shares]
    sizes = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (sizes[i] - exact[i], i))
    for i in by_remainder[: total - sum(sizes)]:
        sizes[i] += 1
    return sizes


def fills_every_subset(strata: Sequence[int], shares: Sequence[float]) -> bool:
    """Whether each subset gets a case, each stratum being divided by itself.

    >>> fills_every_subset((1, 4), (0.60, 0.15, 0.25)), fills_every_subset((2, 3), (0.60, 0.15, 0.25))
    (True, False)

    Args:
        strata: how many cases there are of each.
        shares: of the subsets.
    """
    sizes = [largest_remainder(total, shares) for total in strata]
    return all(sum(subset) > 0 for subset in zip(*sizes, strict=True))
