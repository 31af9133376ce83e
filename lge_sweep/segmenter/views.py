"""Several networks, or several views of one, averaged: again a network."""

from collections.abc import Callable, Sequence

import numpy as np

from lge_sweep.arrays import Pixels8, Probabilities

Network = Callable[[Pixels8], Probabilities]
"""uint8 [B, 3, S, S] -> probabilities float32 [B, K, S, S] of the K classes of its stage, in their order."""


def mean_of(networks: Sequence[Network]) -> Network:
    """Return the mean of networks' probabilities as one network."""
    if len(networks) == 1:
        return networks[0]

    def run(inputs: Pixels8) -> Probabilities:
        total = networks[0](inputs)
        for network in networks[1:]:
            total = total + network(inputs)
        mean: Probabilities = total / np.float32(len(networks))
        return mean

    return run


def seen_from_all_sides(network: Network, symmetries: int) -> Network:
    """Return the mean of a network's probabilities over turned and mirrored views as one network.

    Args:
        network: of square inputs.
        symmetries: 1, the view as it is; 4, its quarter turns; 8, those of its mirror image, too.
    """
    if symmetries == 1:
        return network

    def run(inputs: Pixels8) -> Probabilities:
        found = []
        for number in range(symmetries):
            turns, mirrored = number % 4, number >= 4
            view = np.flip(inputs, axis=3) if mirrored else inputs
            seen = network(np.ascontiguousarray(np.rot90(view, turns, axes=(2, 3))))
            back = np.rot90(seen, -turns, axes=(2, 3))
            found.append(np.flip(back, axis=3) if mirrored else back)
        mean: Probabilities = np.mean(found, axis=0, dtype=np.float32)
        return mean

    return run
