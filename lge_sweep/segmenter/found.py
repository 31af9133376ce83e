"""What is found in an exam: by the networks that follow stage 1, and at the end."""

from dataclasses import dataclass

from lge_sweep.arrays import LabelImage, Mask, Pixels8, Probabilities


@dataclass(frozen=True)
class Found:
    """What the networks find in N slices of an exam, in the view that they have of it, T x T pixels; not cleaned up.

    Attributes:
        labels: [N, H, W], values of `Label`, at the exam's own size.
        seen: [N, T, T], the slices as the networks see them.
        labels_seen: [N, T, T], the labels in that view.
        probabilities: [N, K, T, T], the mean of all members.
        members: [M, N, T, T], values of `Label`: what each member finds by itself; fold after fold.
        scale: pixels of the view for each of the exam's own.
        cavity_found: as of `Segmentation`.
    """

    labels: LabelImage
    seen: Pixels8
    labels_seen: LabelImage
    probabilities: Probabilities
    members: LabelImage
    scale: float
    cavity_found: Mask


@dataclass(frozen=True)
class Segmentation:
    """What was found in N slices.

    Attributes:
        labels: [N, H, W] uint8, values of `Label`.
        cavity_found: [N] bool; False where stage 1 found no cavity, or none that outlives Fig. 4's refinement. Such a
            slice has no cavity, and stage 2 saw it without guidance.
        found: what the networks that follow stage 1 found; None where nobody says.
    """

    labels: LabelImage
    cavity_found: Mask
    found: Found | None = None
