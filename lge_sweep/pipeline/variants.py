"""The paper's pipeline, and what it is compared with: each a way to final labels from the same slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from lge_sweep.arrays import CaseNumbers, LabelImage, Mask, Pixels
from lge_sweep.config.fits import AUGMENTED, CROPPED, PREDICTED, SINGLE_FIT, TRUE, UNGUIDED, modifiers
from lge_sweep.config.pipelines import Pipeline
from lge_sweep.config.segmenter import Options
from lge_sweep.data import channel_rows, load_arrays, network_inputs, resize_labels, to_8_bit
from lge_sweep.labels import SINGLE_STAGE, WALL, Label
from lge_sweep.pipeline.compose import describe_pipeline
from lge_sweep.pipeline.exams import group_exams
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.pipeline.kept import expected_scar
from lge_sweep.pipeline.networks import load_network
from lge_sweep.pipeline.out_of_fold import compose_segmenter, pipeline_cells
from lge_sweep.pipeline.records import PIPELINE, THRESHOLDS
from lge_sweep.progress import ProgressCallback
from lge_sweep.quantify import METHODS, classical_scar
from lge_sweep.segmenter import TwoStageSegmenter, classify, join, refine, without_padding
from lge_sweep.study import pixel_sizes

SHIPPED = "as shipped"
SINGLE_NETWORK = "single network"
MEANINGS = {
    UNGUIDED: "stage 2 fitted and run without guidance",
    CROPPED: "stage 2 sees the heart alone, in the slice's own pixels",
    AUGMENTED: "stage 2 fitted on more varied images",
}
"""In what a fit differs from the paper's -> what that is."""


@dataclass(frozen=True)
class Variant:
    """One way to final labels with two networks.

    Attributes:
        meaning: what it is, and what it is good to know for.
        fit: the fit of stage 2 that it uses.
        guidance: the cavity that stage 2 works with: stage 1's prediction or the true one.
        options: what is done beyond the paper.
    """

    meaning: str
    fit: str = PREDICTED
    guidance: Literal["predicted", "true"] = "predicted"
    options: Options = field(default_factory=Options)

    def alike(self, other: "Variant") -> bool:
        """Whether both do the same."""
        return (self.fit, self.guidance, self.options) == (other.fit, other.guidance, other.options)


def two_stage_variants(two_stage: TwoStage) -> dict[str, Variant]:
    """Return the variants whose networks were fitted, the paper's first.

    `SHIPPED` is there where the settings ask for a combination of options that no other variant is.
    """
    variants = {
        PIPELINE: Variant("as in the paper; stage 2 fitted on guidance such as it will get"),
        "true guidance": Variant("given the true cavity: what errors of stage 1 cost", TRUE, "true"),
        "fitted on truth": Variant("stage 2 fitted on the true cavity: what out-of-fold guidance is worth", TRUE),
        "inner cavity": Variant(
            "the cavity without the edge that the refinement adds for guidance", options=Options(inner_cavity=True)
        ),
        "wall first": Variant(
            "stage 2's wall is wall also where stage 1 found cavity", options=Options(wall_first=True)
        ),
        "confined scar": Variant("scar that touches no wall is dropped", options=Options(confine_scar=True)),
        "averaged rotations": Variant("mean probability of four quarter turns", options=Options(rotations=True)),
    }
    for fit in two_stage.fit.controls:
        if fit not in (TRUE, SINGLE_FIT):
            meaning = "; ".join(MEANINGS[modifier] for modifier in modifiers(fit))
            variants[fit.replace("_", " ").replace("+", ", ")] = Variant(
                meaning, fit, options=_options_of(two_stage, fit)
            )
    shipped = shipped_variant(two_stage)
    if two_stage.fit.shipped.pipeline is None and not any(variant.alike(shipped) for variant in variants.values()):
        variants[SHIPPED] = shipped
    return {name: variant for name, variant in variants.items() if two_stage.fitted(variant.fit) is not None}


def shipped_variant(two_stage: TwoStage) -> Variant:
    """Return the pipeline that the settings ask to ship."""
    shipped = two_stage.fit.shipped
    options = _options_of(two_stage, shipped.stage2).model_copy(
        update=shipped.model_dump(exclude={"stage2", "pipeline"})
    )
    return Variant(f"what is shipped: {shipped_words(two_stage)}", shipped.stage2, options=options)


def shipped_words(two_stage: TwoStage) -> str:
    """Say which fit is shipped and what is done beyond the paper, in the words of the settings."""
    shipped = two_stage.fit.shipped
    if shipped.pipeline is not None:
        return f"pipeline {shipped.pipeline}"
    return ", ".join([f"fit {shipped.stage2}", *(name for name, value in shipped if value is True)])


def _options_of(two_stage: TwoStage, fit: str) -> Options:
    return two_stage.fit.segmenter_options(fit, two_stage.config.training.image_size)


def shipped_name(two_stage: TwoStage) -> str:
    """Return the name under which the pipeline that is shipped is compared."""
    if two_stage.fit.shipped.pipeline is not None:
        return two_stage.fit.shipped.pipeline
    shipped = shipped_variant(two_stage)
    return next(name for name, variant in two_stage_variants(two_stage).items() if variant.alike(shipped))


def make_segmenter(two_stage: TwoStage, variant: Variant) -> TwoStageSegmenter:
    """Return a variant as a segmenter, on the hardware there is."""
    cell = two_stage.fitted(variant.fit)
    assert cell is not None
    stage1, config = two_stage.stage1, two_stage.config
    return TwoStageSegmenter(
        load_network(stage1.plan, stage1.cell),
        load_network(two_stage.fits, cell),
        config.frame,
        variant.options,
    )


class Labelled(NamedTuple):
    """What a way to final labels has made of a subset."""

    meaning: str
    """What it is, and what it is good to know for."""
    labels: LabelImage
    """[N, S, S], values of `Label`, in the order of the subset's rows."""
    native: Sequence[LabelImage] | None = None
    """The same at the slices' own size, [H, W] each, where they were found there; else `labels` are brought there."""

    expected: Sequence[float] | None = None
    """The sum of scar's probability over each slice, in its own pixels, where that is known."""

    def at_own_size(self, sizes: Sequence[tuple[int, ...]]) -> Sequence[LabelImage]:
        """Return the labels at the slices' own size: as they were found there, else brought there.

        Args:
            sizes: rows and columns of each slice.

        Returns:
            [H, W] each; where they were not found there by nearest neighbour.
        """
        if self.native is not None:
            return self.native
        return [
            resize_labels(labels, rows, columns) for labels, (rows, columns) in zip(self.labels, sizes, strict=True)
        ]

    def of(self, places: Sequence[int]) -> "Labelled":
        """Return the labels of some of the slices."""
        native = None if self.native is None else [self.native[place] for place in places]
        expected = None if self.expected is None else [self.expected[place] for place in places]
        return Labelled(self.meaning, self.labels[list(places)], native, expected)


class EvaluatedSubset:
    """The slices of a subset, and what the networks find in them, each once.

    Args:
        two_stage: the fitted pipeline.
        subset: "val" or "test".
        pipelines: labels of the pipelines past the paper, where their networks have seen slices of the subset; else
            the mean of all of them labels it.
    """

    def __init__(self, two_stage: TwoStage, subset: str, pipelines: Mapping[str, Labelled] | None = None) -> None:
        """Take the slices; run nothing yet."""
        self._known = pipelines
        arrays, rows = load_arrays(two_stage.fits.arrays), two_stage.fits.rows(subset)
        self.two_stage, self.name = two_stage, subset
        self.images, self.truth = arrays.images[rows], arrays.labels[rows]
        self._cases: CaseNumbers = arrays.cases[rows]
        self._pixel_mm = pixel_sizes(two_stage.fits.manifest.iloc[rows])
        self._native = [two_stage.images[row] for row in rows]
        self.native_truth = [two_stage.labels[row] for row in rows]
        self._slices = [to_8_bit(image, two_stage.config.intensity) for image in self._native]
        size = self.images.shape[1:]
        padding = [resize_labels(np.isnan(image).astype(np.uint8), *size) > 0 for image in self._native]
        self._padding: Mask = np.stack(padding)
        self._cavities: dict[bool, Mask] = {}
        self._walls: dict[tuple[object, ...], LabelImage] = {}

    def cavity(self, variant: Variant) -> Mask:
        """Return the cavity [N, S, S] of a variant, not refined: stage 1's, or the true one."""
        if variant.guidance == "true":
            return np.asarray(self.truth == Label.CAVITY)
        rotations = variant.options.rotations
        if rotations not in self._cavities:
            self._cavities[rotations] = make_segmenter(self.two_stage, variant).find_cavity(self._slices, self._cases)
        return self._cavities[rotations]

    def wall(self, variant: Variant) -> LabelImage:
        """Return what stage 2 finds: values of `Label`, [N, S, S]."""
        key = (variant.fit, variant.guidance, variant.options.rotations)
        if key not in self._walls:  # all else that decides it depends on the fit
            guidance = refine(self.cavity(variant))
            self._walls[key] = make_segmenter(self.two_stage, variant).find_wall(self._slices, guidance, self._pixel_mm)
        return self._walls[key]

    def label(self, on_progress: ProgressCallback) -> dict[str, Labelled]:
        """Label the slices by the pipeline and everything it is compared with.

        Args:
            on_progress: told what labels the subset next, how many have, and how many there are.

        Returns:
            Name -> final labels; the paper's pipeline first.
        """
        variants, single = two_stage_variants(self.two_stage), self.two_stage.fitted(SINGLE_FIT)
        pipelines = self.two_stage.fit.pipelines
        total = len(variants) + bool(single) + len(pipelines)
        labelled = {}
        for number, (name, variant) in enumerate(variants.items()):
            on_progress(name, number, total)
            labels = join(self.cavity(variant), self.wall(variant), variant.options)
            labels = without_padding(labels, self._padding)
            labelled[name] = Labelled(variant.meaning, labels)
        if single:
            on_progress(SINGLE_NETWORK, len(variants), total)
            inputs = network_inputs(self.images, channel_rows(self._cases), SINGLE_STAGE)
            labels = classify(load_network(self.two_stage.fits, single), inputs, SINGLE_STAGE)
            labels = without_padding(labels, self._padding)
            labelled[SINGLE_NETWORK] = Labelled("one network for all classes, without guidance", labels)
        for number, (name, pipeline) in enumerate(pipelines.items()):
            on_progress(name, total - len(pipelines) + number, total)
            labelled[name] = self._compose(name, pipeline) if self._known is None else self._known[name]
        shipped = shipped_name(self.two_stage)
        found = labelled[shipped]
        native = found.at_own_size([image.shape for image in self._native])
        walls = {
            "predicted": (native, found.labels, f"the wall that '{shipped}' finds"),
            "true": (self.native_truth, self.truth, "the true wall"),
        }
        for name, (method, wall) in THRESHOLDS.items():
            whole, base, whose = walls[wall]
            labels, there = _classical(self._native, whole, base, method)
            own = None if found.native is None else there  # beside a pipeline that labels there
            labelled[name] = Labelled(f"{METHODS[method].title}, in {whose}", labels, own)
        on_progress("measuring", total, total)
        return labelled

    def _compose(self, name: str, pipeline: Pipeline) -> Labelled:
        """Label the exams of the subset by a pipeline past the paper: the mean of all its networks."""
        two_stage, choice = self.two_stage, self.two_stage.choice
        assert choice is not None
        folds = pipeline_cells(two_stage, name, pipeline)
        segmenter = compose_segmenter(two_stage, pipeline, folds, choice.pipelines[name].cleaning)
        rows = two_stage.fits.rows(self.name)
        native: list[LabelImage] = []
        expected: list[float] = []
        for exam in group_exams(two_stage.fits.manifest, rows):
            pixels = exam.stack(self._native)
            segmented = segmenter.segment(pixels, exam.pixel_mm)
            assert segmented.found is not None
            native += list(segmented.labels)
            expected += expected_scar(segmented.found.probabilities, segmented.found.scale)
        size = self.images.shape[1:]
        labels = np.stack([resize_labels(found, *size) for found in native])
        return Labelled(describe_pipeline(pipeline), labels, native, expected)


def _classical(
    images: Sequence[Pixels], native: Sequence[LabelImage], base: LabelImage, method: str
) -> tuple[LabelImage, list[LabelImage]]:
    """Replace the scar of some labels by what a threshold finds inside their wall.

    Thresholds are those of the slices' own pixels: shrinking averages noise and mixes blood into the wall, which moves
    standard deviations and maxima.

    Args:
        images: N slices [H, W] as they were read.
        native: N labels [H, W], values of `Label`.
        base: [N, S, S], the same labels at the networks' size.
        method: a key of `METHODS`.

    Returns:
        [N, S, S], and the same at the slices' own size.
    """
    labels, there = np.where(np.isin(base, WALL), np.uint8(Label.MYOCARDIUM), base), []
    for image, whole, result in zip(images, native, labels, strict=True):
        wall = np.isin(whole, WALL)
        scar = classical_scar(image, wall, whole == Label.CAVITY, method)
        result[(result == Label.MYOCARDIUM) & (resize_labels(scar.astype(np.uint8), *result.shape) > 0)] = Label.SCAR
        there.append(np.where(scar, np.uint8(Label.SCAR), np.where(wall, np.uint8(Label.MYOCARDIUM), whole)))
    return labels, there
