"""Classes and metrics by name: values, order and colours, stated once.

Source: paper Fig. 2 (classes) and Table III (metrics).
"""

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lge_sweep.arrays import ClassCodes, LabelImage, Mask  # NumPy, which names and tables can do without


class Label(IntEnum):
    """Class values of a label image, on disk and in memory."""

    BACKGROUND = 0
    CAVITY = 1
    MYOCARDIUM = 2
    SCAR = 3

    @property
    def title(self) -> str:
        """The class's name in logs, tables and MLflow keys."""
        return self.name.lower()


MVO = len(Label)
"""Code of microvascular obstruction (no-reflow) in a mask as it is read; in label images it is scar."""

CLASS_CODES: dict[str, int] = {**{label.title: int(label) for label in Label}, "mvo": MVO}
"""Class of the settings -> code in a mask as it is read."""

WALL = (Label.MYOCARDIUM, Label.SCAR)
"""The classes that the wall of the left ventricle is made of."""

STRUCTURES: dict[str, tuple[Label, ...]] = {"cavity": (Label.CAVITY,), "wall": WALL, "scar": (Label.SCAR,)}
"""What is measured in an exam -> the classes that it is made of."""

SINGLE_STAGE = 0
"""The single-stage control: one network for all classes, without guidance."""

STAGES: dict[int, tuple[Label, ...]] = {
    SINGLE_STAGE: tuple(Label),
    1: (Label.BACKGROUND, Label.CAVITY),
    2: (Label.BACKGROUND, Label.MYOCARDIUM, Label.SCAR),
}
"""The classes each stage tells apart, in the order of its network's output channels."""

COLOURS: dict[Label, tuple[int, int, int]] = {
    Label.BACKGROUND: (0, 0, 0),
    Label.CAVITY: (255, 255, 0),
    Label.MYOCARDIUM: (0, 158, 115),
    Label.SCAR: (213, 94, 0),
}
"""RGB of each class in overlays. The cavity's is the paper's (Fig. 4); the others are Okabe-Ito."""

MVO_COLOUR = (204, 121, 167)
"""RGB of no-reflow in colour masks, where the truth tells it from other scar; Okabe-Ito, too."""

SCORED: tuple[str, ...] = ("dice", "iou", "f1", "bf", "sensitivity", "specificity")
"""The six metrics that scores are made of (paper Table III), in the order of its columns; all metrics:
`lge_sweep.metrics.METRICS`."""


def split_mvo(codes: "ClassCodes") -> "tuple[LabelImage, Mask]":
    """Return the labels of a mask as it is read, with no-reflow as scar; and where no-reflow is."""
    import numpy as np

    mvo = codes == MVO
    return np.where(mvo, np.uint8(Label.SCAR), codes), mvo


def class_names(stage: int) -> tuple[str, ...]:
    """Names of a stage's classes, in channel order."""
    return tuple(label.title for label in STAGES[stage])


def stage_target(labels: "LabelImage", stage: int) -> "LabelImage":
    """Map class values to a stage's channel indices; classes the stage does not know become background.

    Args:
        labels: any shape, values of `Label`.
        stage: 1, 2 or `SINGLE_STAGE`.

    Returns:
        Same shape, values 0 .. number of classes - 1, an index into ``STAGES[stage]``.
    """
    import numpy as np

    table = np.zeros(len(Label), dtype=np.uint8)
    for channel, label in enumerate(STAGES[stage]):
        table[label] = channel
    target: LabelImage = table[labels]
    return target
