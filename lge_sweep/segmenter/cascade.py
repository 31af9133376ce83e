"""Two networks as one: the first finds cavity and wall, the second the scar in that wall.

The second network is shown that wall as stage 2 is shown the cavity, in a composite: the slice without the wall, the
wall, the slice. It sees no neighbouring slices, whatever the first sees. It was trained on the true wall and has here
what the first network finds; what it says of a pixel that is not in that wall does not count.

Source: published cascades train their last network on the true wall in this way. Networks that had found the wall of
each training case without having seen it would take folds within each fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lge_sweep.arrays import LabelImage, Pixels8, Probabilities
from lge_sweep.data import input_of_channels
from lge_sweep.labels import SINGLE_STAGE, WALL, Label
from lge_sweep.segmenter.views import Decide, Network, check_probabilities, likeliest


def wall_then_scar(probabilities: Probabilities) -> LabelImage:
    """Decide for background, cavity or wall, and only then, in the wall, for myocardium or scar: a `Decide`.

    A pixel that is .4 background, .3 myocardium and .3 scar is wall.

    Args:
        probabilities: [..., 4, S, S], of all classes.

    Returns:
        [..., S, S], values of `Label`.
    """
    background, cavity, myocardium, scar = np.moveaxis(probabilities, -3, 0)
    coarse = np.stack([background, cavity, myocardium + scar]).argmax(axis=0)
    found: LabelImage = coarse.astype(np.uint8)
    found[(found == Label.MYOCARDIUM) & (scar > myocardium)] = Label.SCAR
    return found


DECISIONS: dict[str, Decide] = {"everything": likeliest, "wall_then_scar": wall_then_scar}
"""What a pipeline finds in a square around the heart (`finds`) -> how its probabilities are read."""


@dataclass(frozen=True)
class Cascade:
    """A network that finds everything and one that finds scar in a wall: again a network that finds everything.

    The first one says how probable the wall is. In the wall that it decides for, the second one says how much of that
    is scar: its probability of scar, of that of scar or myocardium. Elsewhere probabilities are the first one's.

    Attributes:
        heart: finds all classes; K = 4.
        scar: shown a wall, tells background, myocardium and scar apart; K = 3.
    """

    heart: Network
    scar: Network

    def __call__(self, inputs: Pixels8) -> Probabilities:
        """Return the probabilities of all classes: [B, 3, S, S] -> [B, 4, S, S].

        Raises:
            ModelError: a network gives something else than `Network` says.
        """
        found = check_probabilities(self.heart(inputs), inputs, SINGLE_STAGE)
        wall = np.isin(wall_then_scar(found), WALL)
        shown = input_of_channels(inputs, wall, 2)
        _, myocardium, scar = np.moveaxis(check_probabilities(self.scar(shown), shown, 2), 1, 0)
        whole = found[:, Label.MYOCARDIUM] + found[:, Label.SCAR]
        in_scar = whole * (scar / np.maximum(myocardium + scar, np.finfo(np.float32).tiny))
        result: Probabilities = found.copy()
        result[:, Label.SCAR][wall] = in_scar[wall]
        result[:, Label.MYOCARDIUM][wall] = (whole - in_scar)[wall]
        return result


def as_member(networks: Sequence[Network]) -> Network:
    """Return the networks that follow each other as one: a `Cascade` of two, or the only one."""
    return networks[0] if len(networks) == 1 else Cascade(*networks)
