"""Several networks, or several views of one, averaged: again a network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lge_sweep.arrays import LabelImage, Pixels8, Probabilities
from lge_sweep.errors import ModelError
from lge_sweep.labels import SINGLE_STAGE, STAGES

Network = Callable[[Pixels8], Probabilities]
"""uint8 [B, 3, S, S] -> probabilities float32 [B, K, S, S] of the K classes of its stage, in their order."""
Check = Callable[[Probabilities, Pixels8], Probabilities]
"""Returns what a network gave for its inputs, if it is what it must give."""
Decide = Callable[[Probabilities], LabelImage]
"""Probabilities [..., K, S, S] -> the class of each pixel [..., S, S], a channel's index."""


def check_probabilities(probabilities: Probabilities, inputs: Pixels8, stage: int) -> Probabilities:
    """Return what a network of a stage gave for inputs [B, 3, S, S]: a `Check` of that stage.

    Args:
        probabilities: what it gave.
        inputs: what it was given.
        stage: whose K classes it tells apart.

    Raises:
        ModelError: they are no finite float32 [B, K, S, S].
    """
    expected = (len(inputs), len(STAGES[stage]), *inputs.shape[2:])
    whose = "the network of all classes" if stage == SINGLE_STAGE else f"stage {stage}'s network"
    if probabilities.shape != expected:
        raise ModelError(
            f"{whose} must give probabilities [slices, classes, rows, columns] = {expected}; got "
            f"{probabilities.shape}. Is it the network of this stage and size?"
        )
    if probabilities.dtype != np.float32 or not np.isfinite(probabilities).all():
        got = "NaN or infinity" if probabilities.dtype == np.float32 else f"values of type {probabilities.dtype}"
        raise ModelError(f"{whose} must give finite float32 probabilities; got {got}; train it again")
    return probabilities


def likeliest(probabilities: Probabilities) -> LabelImage:
    """Return the most probable class of each pixel: a `Decide`."""
    found: LabelImage = probabilities.argmax(axis=-3).astype(np.uint8)
    return found


def seen_from_all_sides(network: Network, symmetries: int) -> Network:
    """Return the mean of a network's probabilities over turned and mirrored views as one network.

    Args:
        network: of square inputs.
        symmetries: 1, the view as it is; 4, its quarter turns; 8, those of its mirror image, too.
    """
    if symmetries == 1:
        return network

    def run(inputs: Pixels8) -> Probabilities:
        mean: Probabilities = np.mean(list(all_views(network, inputs, symmetries)), axis=0, dtype=np.float32)
        return mean

    return run


def all_views(network: Network, inputs: Pixels8, symmetries: int) -> Iterator[Probabilities]:
    """Yield what a network gives for each view of its inputs, turned back.

    Args:
        network: of square inputs.
        inputs: [B, 3, S, S].
        symmetries: as of `seen_from_all_sides`.
    """
    for number in range(symmetries):
        turns, mirrored = number % 4, number >= 4
        view = np.flip(inputs, axis=3) if mirrored else inputs
        seen = network(np.ascontiguousarray(np.rot90(view, turns, axes=(2, 3))))
        back = np.rot90(seen, -turns, axes=(2, 3))
        yield np.flip(back, axis=3) if mirrored else back


class Seen(NamedTuple):
    """What an ensemble gives for inputs [B, 3, S, S]."""

    mean: Probabilities
    """[B, K, S, S], of all members."""
    members: LabelImage
    """[M, B, S, S]: the class that each member decides for, a channel's index; fold after fold."""


@dataclass(frozen=True)
class Ensemble:
    """Networks whose probabilities are averaged, each over its views: again a network, but its members can be told.

    A member is one network in one view.

    Attributes:
        folds: the networks of each fold; as many in each.
        symmetries: as of `seen_from_all_sides`.
    """

    folds: tuple[tuple[Network, ...], ...]
    symmetries: int = 1

    def __call__(self, inputs: Pixels8) -> Probabilities:
        """Return the mean of all members: [B, 3, S, S] -> [B, K, S, S]."""
        return self.see(inputs).mean

    def see(self, inputs: Pixels8, check: Check | None = None, decide: Decide = likeliest) -> Seen:
        """Return the mean of all members, and what each finds.

        Args:
            inputs: [B, 3, S, S].
            check: is asked of what each network gives, before anything is done with it.
            decide: says what a member's probabilities find.
        """
        total: Probabilities | None = None
        members = []
        for network in (network for fold in self.folds for network in fold):
            for found in all_views(_checked(network, check), inputs, self.symmetries):
                total = found.astype(np.float32) if total is None else total + found
                members.append(decide(found))
        assert total is not None
        mean: Probabilities = total / np.float32(len(members))
        return Seen(mean, np.stack(members))


def see(network: Network, inputs: Pixels8, check: Check | None = None, decide: Decide = likeliest) -> Seen:
    """Run a network; one that is no ensemble is its own only member.

    Args:
        network: the network.
        inputs: [B, 3, S, S].
        check: is asked of what each network gives, before anything is done with it.
        decide: says what a member's probabilities find.
    """
    if isinstance(network, Ensemble):
        return network.see(inputs, check, decide)
    probabilities = _checked(network, check)(inputs)
    return Seen(probabilities, decide(probabilities)[None])


def _checked(network: Network, check: Check | None) -> Network:
    return network if check is None else lambda inputs: check(network(inputs), inputs)
