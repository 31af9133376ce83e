"""The noun of deliver: an exam, the labels predicted for it, and what follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lge_sweep.arrays import LabelImage
from lge_sweep.config.doubt import WarningName
from lge_sweep.ingest import Exam
from lge_sweep.labels import Label
from lge_sweep.quantify import (
    Burden,
    Finding,
    ScarExtent,
    SegmentsError,
    find_implausible,
    finding_sentences,
    measure,
    scar_extent,
    unchecked_titles,
    without_slices,
)

RESEARCH_USE = "Research use only; not for diagnosis"
"""Said in every table, page and DICOM object that is written."""
SEVERAL_FILES = "a DICOM SEG refers to one multi-frame file, but the series has several"
"""Why there is no SEG of them: highdicom takes the frames of one file."""


class FormatError(ValueError):
    """A format cannot be had of an exam; the message is meant for the user and tells nothing of the patient."""


@dataclass(frozen=True)
class ModelFacts:
    """What made the labels.

    Attributes:
        name: the model's name, such as that in the registry.
        version: which one it is, such as the first digits of its digest.
        digest: digest of its settings and weights, hexadecimal.
        data: what it was trained on, in words.
    """

    name: str
    version: str
    digest: str
    data: str

    @property
    def words(self) -> str:
        """Which one it is, and what it was trained on."""
        return f"{self.name} {self.version}, trained on {self.data}"


@dataclass(frozen=True)
class ExamDoubt:
    """How far the labels of an exam are to be doubted; see `lge_sweep.segmenter.doubt`.

    Attributes:
        numbers: those in `lge_sweep.config.doubt.MEANINGS` that the model knows the meaning of.
        warnings: a sentence for each that is above its threshold, and what that meant out of fold.
    """

    numbers: Mapping[WarningName, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """Labels predicted for an exam.

    Attributes:
        exam: the images.
        labels: [S, H, W] uint8, values of `Label`, on the pixels of the exam's slices.
        model: what made them.
        doubt: how far they are to be doubted.
    """

    exam: Exam
    labels: LabelImage
    model: ModelFacts
    doubt: ExamDoubt = field(default_factory=ExamDoubt)

    def __post_init__(self) -> None:
        """Check what only our own code could get wrong."""
        assert self.labels.dtype == np.uint8, self.labels.dtype
        assert self.labels.shape == self.exam.pixels.shape, (self.labels.shape, self.exam.pixels.shape)
        assert self.labels.max(initial=0) < len(Label), self.labels.max()

    @cached_property
    def burden(self) -> Burden:
        """Amounts of each class in the exam."""
        return measure(self.labels, self.exam.voxel_ml)

    @cached_property
    def slice_burdens(self) -> list[Burden]:
        """Amounts of each class in each slice."""
        return [measure(labels, self.exam.voxel_ml) for labels in self.labels]

    @cached_property
    def segments(self) -> ScarExtent | str:
        """Scar by segment of the left ventricle, or the sentence that says why it cannot be told."""
        try:
            return scar_extent(self.labels, self.exam.affine, self.exam.slots)
        except SegmentsError as error:
            return str(error)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What no left ventricle has."""
        return find_implausible(self.exam, self.labels)

    @property
    def finding_texts(self) -> list[str]:
        """The findings as sentences."""
        return finding_sentences(self.findings, [name.removeprefix(f"{self.exam.case}_") for name in self.exam.slices])

    def slice_finding_texts(self, index: int) -> list[str]:
        """The findings of a slice as sentences."""
        return finding_sentences(without_slices(finding for finding in self.findings if finding.slice == index), ())

    @property
    def unchecked(self) -> list[str]:
        """What could not be looked at, as distances are unknown."""
        return unchecked_titles(self.exam)

    @property
    def levels(self) -> dict[int, str]:
        """Index of a slice -> basal, mid, apical or apex, where that can be told."""
        return {} if isinstance(self.segments, str) else self.segments.levels

    @cached_property
    def without_cavity(self) -> list[str]:
        """Ids of the slices in which no cavity was found."""
        found = (self.labels == Label.CAVITY).any(axis=(1, 2))
        return [name for name, there in zip(self.exam.slices, found, strict=True) if not there]


def seg_obstacle(exam: Exam) -> str | None:
    """Return a sentence that says why there can be no DICOM SEG of an exam, or None where there can be."""
    if not exam.sources:
        return "a DICOM SEG refers to DICOM images, but the exam is not DICOM"
    if exam.affine is None:
        return "a DICOM SEG needs position, orientation, PixelSpacing and slice spacing of its images"
    files = {source.path for source in exam.sources}
    if 1 < len(files) < len(exam.sources):
        return SEVERAL_FILES
    return None
