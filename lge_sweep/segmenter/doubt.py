"""How far an exam's labels are to be doubted: members that disagree, and an exam that is unlike those of training.

Both numbers are made alike out of fold and in use. Out of fold the members of one fold label an exam; what is shipped
has those of all. So disagreement is that within a fold, and of several folds the mean: it does not grow with their
number.

Source: Dice of pairs of members: Roy et al., NeuroImage 195, 2019; Zenk et al., Medical Image Analysis 101, 2025, who
found it the best warning of many. Unlikeness is ours.
"""

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from lge_sweep.arrays import LabelImage, Mask, Pixels8
from lge_sweep.config.doubt import DISAGREEMENT, MEANINGS, UNLIKENESS, Doubt, Spread, WarningName
from lge_sweep.config.pipelines import Cleaning
from lge_sweep.deliver import ExamDoubt
from lge_sweep.labels import STRUCTURES, Label
from lge_sweep.quantify import contrast_to_noise
from lge_sweep.scoring import interval
from lge_sweep.segmenter.cleaning import clean
from lge_sweep.segmenter.found import Found
from lge_sweep.text import digits_apart, write_significant

TRAITS = {
    "brightness": "mean grey level",
    "spread": "standard deviation of the grey levels",
    "noise": "noise of the grey levels",
    "contrast": "contrast between blood and muscle",
    "size": "diameter of the heart, as a share of what is seen",
}
"""Trait of an exam, as its networks see it -> what it is, in words."""
_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
"""The difference of two Laplace filters, which leaves nothing of edges but noise."""
_NORMAL = 1.4826
"""Standard deviation of a normal distribution, in median absolute deviations."""


def assess_exam(found: Found, cleaning: Cleaning, folds: int, doubt: Doubt) -> ExamDoubt:
    """Return how far the labels of an exam are to be doubted.

    Args:
        found: what the networks found.
        cleaning: what cleans up their labels.
        folds: to how many the members belong.
        doubt: what was measured out of fold.
    """
    traits = exam_traits(found.seen, found.labels_seen)
    unlike = unlikeness(traits, doubt.traits)
    numbers: dict[WarningName, float] = {UNLIKENESS: max(unlike.values(), default=0.0)}
    if DISAGREEMENT in doubt.numbers:
        found_disagreement = disagreement(found.members, cleaning, found.scale, folds)
        if found_disagreement is not None:
            numbers = {DISAGREEMENT: found_disagreement, **numbers}
    warnings = []
    for name, number in numbers.items():
        if number > doubt.numbers[name].threshold:
            trait = max(unlike, key=lambda trait: unlike[trait]) if name == UNLIKENESS else ""
            why = f" ({TRAITS[trait]} {traits[trait]:.3g}, usual {doubt.traits[trait].median:.3g})" if trait else ""
            warnings.append(_sentence(name, number, doubt, why))
    return ExamDoubt(numbers, tuple(warnings))


def _sentence(name: WarningName, number: float, doubt: Doubt, why: str) -> str:
    """Say that a number is above its threshold, and what that meant out of fold."""
    known = doubt.numbers[name]
    meant = f"none of {known.exams} exams that the networks had not seen was above"
    if known.dice_above is not None:
        meant = (
            f"of {known.exams} exams that the networks had not seen, the {known.flagged} above had a mean Dice of "
            f"{known.dice_above:.2f}, the others {known.dice_below:.2f}"
        )
    if known.auc is not None:
        meant += f" (AUC of the worst quarter {known.auc:.2f}, {interval(known.auc_low, known.auc_high)})"
    digits = digits_apart([number], None, known.threshold, write=write_significant)
    above = f"{write_significant(number, digits)}, above {write_significant(known.threshold, digits)}"
    return f"{name} {above}: {MEANINGS[name]}{why}; {meant}"


def disagreement(members: LabelImage, cleaning: Cleaning, scale: float, folds: int = 1) -> float | None:
    """Return 1 - the mean Dice of all pairs of members of a fold, over cavity, wall and scar; the mean over folds.

    What is in neither of a pair has a Dice of 1, what is in one of them 0, as EMIDEC counts.

    Args:
        members: [M, N, T, T], values of `Label`; as many of each fold, fold after fold.
        cleaning: what cleans up the labels of each.
        scale: pixels of the members for each of the exam's own.
        folds: how many.

    Returns:
        0, where all agree, to 1; None where a fold has a single member.
    """
    each = len(members) // folds
    if each < 2:
        return None
    own = cleaning.model_copy(update={"least_scar_pixels": round(cleaning.least_scar_pixels * scale)})
    cleaned = np.stack([clean(labels, own) for labels in members])
    groups = cleaned.reshape(folds, each, -1)
    agreed = [_mean_dice(np.isin(group, labels)) for group in groups for labels in STRUCTURES.values()]
    return 1 - float(np.mean(agreed))


def _mean_dice(masks: Mask) -> float:
    """Return the mean Dice of all pairs of M >= 2 masks [M, pixels]."""
    counted = masks[:, masks.any(axis=0)].astype(np.float32)  # whole numbers up to 2^24 are exact
    shared = (counted @ counted.T).astype(np.float64)
    sizes = np.diag(shared)
    total = sizes[:, None] + sizes[None, :]
    dice = np.divide(2 * shared, total, out=np.ones_like(total), where=total > 0)
    return float(dice[np.triu_indices(len(masks), 1)].mean())


def exam_traits(seen: Pixels8, labels: LabelImage) -> dict[str, float]:
    """Return the traits of an exam, as its networks see it; without contrast or size where it has no heart.

    Args:
        seen: [N, T, T].
        labels: [N, T, T], values of `Label`.

    Returns:
        A key of `TRAITS` -> mean over the slices, of contrast and size the median.

    Source: noise: Immerkaer, Computer Vision and Image Understanding 64, 1996.
    """
    traits = {
        "brightness": float(seen.mean()),
        "spread": float(seen.std(axis=(1, 2)).mean()),
        "noise": float(np.mean([_noise(image) for image in seen])),
    }
    contrasts = [contrast_to_noise(image, found) for image, found in zip(seen, labels, strict=True)]
    if known := [contrast for contrast in contrasts if contrast is not None]:
        traits["contrast"] = float(np.median(known))
    areas = (labels != Label.BACKGROUND).sum(axis=(1, 2))
    if areas.any():
        traits["size"] = math.sqrt(4 / math.pi * float(np.median(areas[areas > 0]))) / labels.shape[1]
    return traits


def _noise(image: Pixels8) -> float:
    """Return the standard deviation of the noise of an image [H, W], in its own grey levels."""
    filtered = cv2.filter2D(image.astype(np.float32), cv2.CV_32F, _LAPLACIANS)[1:-1, 1:-1]
    return math.sqrt(math.pi / 2) * float(np.abs(filtered).mean()) / 6


def unlikeness(traits: Mapping[str, float], spreads: Mapping[str, Spread]) -> dict[str, float]:
    """Return how many scales each trait of an exam is away from the median."""
    return {
        name: abs(traits[name] - spread.median) / spread.scale for name, spread in spreads.items() if name in traits
    }


def trait_spreads(exams: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return how traits are spread over exams; one that is a single number in all of them is left out.

    Where half of the exams have one number, the scale is the standard deviation.
    """
    spreads = {}
    for name in TRAITS:
        values = np.array([traits[name] for traits in exams if name in traits])
        if len(values) and np.ptp(values) > 0:
            median = float(np.median(values))
            scale = _NORMAL * float(np.median(np.abs(values - median)))
            spreads[name] = Spread(median=median, scale=scale or float(values.std()))
    return spreads
