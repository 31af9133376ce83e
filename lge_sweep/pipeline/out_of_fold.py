"""Label every training and validation case by networks that never saw it, and choose the pipeline that serves best.

What cleans up is chosen with the pipeline, by the same cases; `lge_sweep.scoring.nested` keeps a case from deciding on
itself.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.arrays import LabelImage
from lge_sweep.config import Cell
from lge_sweep.config.pipelines import PAPER, Cleaning, Pipeline
from lge_sweep.config.segmenter import Options
from lge_sweep.data import resize_labels, to_8_bit
from lge_sweep.labels import STRUCTURES
from lge_sweep.metrics import ExamGrid, measure_exam
from lge_sweep.pipeline.compose import compositions, fold_rows
from lge_sweep.pipeline.doubt import LabelledExams, measure_doubt
from lge_sweep.pipeline.exams import StudyExam, group_exams, out_of_fold_rows
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.pipeline.kept import KEPT_FORMAT, ExamWriter, KeptExam, KeptExams, keep_exam, read_kept
from lge_sweep.pipeline.networks import load_network
from lge_sweep.pipeline.parts import composition_digest, member_names
from lge_sweep.pipeline.records import ChoiceRecord, PipelineChoice
from lge_sweep.progress import ProgressCallback
from lge_sweep.scoring import choose_nested, patients_needed, ratio_of_sums
from lge_sweep.segmenter import (
    DECISIONS,
    Ensemble,
    ExamSegmenter,
    HeartSegmenter,
    TwoStageSegmenter,
    as_member,
    clean,
    without_padding,
)

Member = tuple[Cell, ...]
"""The cells of the networks that follow each other: one, or the two of a cascade."""


@dataclass(frozen=True)
class OutOfFold:
    """The labels of all training and validation slices, each by networks that never saw its case.

    Attributes:
        two_stage: the fitted pipelines.
        kept: pipeline -> what was found in each exam; not cleaned up.
    """

    two_stage: TwoStage
    kept: Mapping[str, KeptExams]

    @cached_property
    def rows(self) -> list[int]:
        """The rows of the manifest."""
        return out_of_fold_rows(self.two_stage.fits.manifest)

    @cached_property
    def exams(self) -> list[StudyExam]:
        """The slices, an exam at a time."""
        return group_exams(self.two_stage.fits.manifest, self.rows)

    @cached_property
    def folds(self) -> NDArray[np.intp]:
        """The number of each exam's fold."""
        folds = fold_rows(self.two_stage.config, self.two_stage.fits.manifest)
        of_row = {row: fold for fold, rows in enumerate(folds) for row in rows}
        return np.array([of_row[exam.rows[0]] for exam in self.exams])

    def cleaned(self, name: str, cleanings: Sequence[Cleaning]) -> list[LabelImage]:
        """Return a pipeline's labels, cleaned up.

        Args:
            name: of the pipeline.
            cleanings: what cleans up each exam.

        Returns:
            Labels [H, W] of each slice, in the order of `rows`.
        """
        cleaned: dict[int, LabelImage] = {}
        for exam, labels, cleaning in zip(self.exams, self.kept[name].labels(), cleanings, strict=True):
            cleaned |= dict(zip(exam.places, clean(labels, cleaning), strict=True))
        return [cleaned[place] for place in range(len(self.rows))]

    def final(self, name: str, cleaning_by_fold: Sequence[Cleaning]) -> tuple[LabelImage, list[LabelImage]]:
        """Return a pipeline's labels where each fold's exams are cleaned up by what the others choose.

        Args:
            name: of the pipeline.
            cleaning_by_fold: what cleans up the exams of each fold.

        Returns:
            [N, S, S], and the same at the slices' own size.
        """
        native = self.cleaned(name, [cleaning_by_fold[fold] for fold in self.folds])
        size = self.two_stage.config.training.image_size
        return np.stack([resize_labels(labels, size, size) for labels in native]), native

    def case_values(self, labels: Sequence[LabelImage]) -> NDArray[np.float64]:
        """Return EMIDEC's Dice of `STRUCTURES` of each exam, [3, exams]: in three dimensions, at the exam's own size.

        Args:
            labels: [H, W] of each slice, in the order of `rows`.
        """
        values, own = [], [self.two_stage.labels[row] for row in self.rows]
        for exam in self.exams:
            grid = ExamGrid((np.nan, np.nan, np.nan), exam.grid.slots)  # no distance is asked for
            measured = measure_exam(exam.stack(labels), exam.stack(own), grid, tolerance_mm=0)
            values.append(measured["emidec_dice"])
        return np.stack(values, axis=1)


def label_out_of_fold(two_stage: TwoStage, on_progress: ProgressCallback) -> OutOfFold:
    """Label all training and validation cases by every pipeline.

    What networks found is kept in a file, as it takes minutes.

    Args:
        two_stage: the fitted pipelines.
        on_progress: told which pipeline labels next, how many exams are done, and how many there are.
    """
    chosen, out_of_fold = compositions(two_stage.fit), OutOfFold(two_stage, {})
    kept: dict[str, KeptExams] = {}
    rows, count = out_of_fold.rows, len(out_of_fold.exams)
    total = len(chosen) * count
    for number, (name, pipeline) in enumerate(chosen.items()):
        on_progress(name, number * count, total)
        path = _kept_at(two_stage, name, pipeline)
        exams = read_kept(path, rows, count)
        if exams is None:
            writer = ExamWriter(rows)
            for place, found in enumerate(_label(out_of_fold, name, pipeline)):
                writer.add(found)
                on_progress(name, number * count + place + 1, total)
            exams = writer.write(path)
        kept[name] = exams
    on_progress("measuring", total, total)
    return OutOfFold(two_stage, kept)


def _label(out_of_fold: OutOfFold, name: str, pipeline: Pipeline) -> Iterator[KeptExam]:
    """Yield what a pipeline's networks find in each exam: those of its fold."""
    two_stage = out_of_fold.two_stage
    folds = pipeline_cells(two_stage, name, pipeline)
    segmenters = [compose_segmenter(two_stage, pipeline, [members], Cleaning()) for members in folds]
    for exam, fold in zip(out_of_fold.exams, out_of_fold.folds, strict=True):
        yield _label_exam(two_stage, segmenters[fold], exam)


def _kept_at(two_stage: TwoStage, name: str, pipeline: Pipeline) -> Path:
    """Return the file of what a pipeline's networks find; its name is made of them, and of what is done with them."""
    assert two_stage.composed is not None
    cells = (cell for fold in pipeline_cells(two_stage, name, pipeline) for member in fold for cell in member)
    records = [two_stage.composed.result_of(cell) for cell in cells]
    made_of = [record.files for record in records if record is not None]
    how = pipeline.model_dump(mode="json", include={"finds", "guided", "window", "neighbours", "symmetries"})
    digest = hashlib.sha256(json.dumps([KEPT_FORMAT, made_of, how]).encode()).hexdigest()[:12]
    return two_stage.composed.files.out_of_fold(name, digest)


def pipeline_cells(two_stage: TwoStage, name: str, pipeline: Pipeline) -> list[list[Member]]:
    """Return the cells of a pipeline's networks, a list a fold, a member a seed.

    Args:
        two_stage: the fitted pipelines.
        name: of the pipeline.
        pipeline: what it is.
    """
    assert two_stage.composed is not None
    by_name = {cell.name: cell for cell in two_stage.composed.cells}
    chosen, folds = compositions(two_stage.fit), range(two_stage.fit.folds)
    names = [[member_names(chosen, name, fold, seed) for seed in range(pipeline.seeds)] for fold in folds]
    return [[tuple(by_name[own] for own in member) for member in members] for members in names]


def compose_segmenter(
    two_stage: TwoStage, pipeline: Pipeline, folds: Sequence[Sequence[Member]], cleaning: Cleaning
) -> ExamSegmenter:
    """Return a pipeline as a segmenter, on the hardware there is.

    Args:
        two_stage: the fitted pipelines.
        pipeline: what it is.
        folds: the cells of the networks that are averaged, as of `pipeline_cells`.
        cleaning: what cleans up.
    """
    composed, frame = two_stage.composed, two_stage.config.frame
    assert composed is not None
    networks = [[as_member([load_network(composed, cell) for cell in member]) for member in fold] for fold in folds]
    network = Ensemble(tuple(map(tuple, networks)), pipeline.symmetries)
    stage1 = load_network(two_stage.stage1.plan, two_stage.stage1.cell)
    if pipeline.finds == "wall":
        return TwoStageSegmenter(stage1, network, frame, Options(guided=pipeline.guided), cleaning)
    decide = DECISIONS[pipeline.finds]
    return HeartSegmenter(stage1, network, frame, pipeline.window, pipeline.neighbours, cleaning, decide)


def choose_pipeline(out_of_fold: OutOfFold) -> ChoiceRecord:
    """Choose the pipeline, and what cleans up after it, with the highest mean over cases of the mean of `case_values`.

    The paper's own is measured and not chosen.

    Args:
        out_of_fold: the labels of all cases.
    """
    pipelines, folds = compositions(out_of_fold.two_stage.fit), out_of_fold.folds
    dice: dict[str, NDArray[np.float64]] = {}
    """Pipeline -> [ways to clean up, 3, exams]."""
    for name, pipeline in pipelines.items():
        tried = [out_of_fold.cleaned(name, [cleaning] * len(folds)) for cleaning in pipeline.cleaning]
        dice[name] = np.stack([out_of_fold.case_values(labels) for labels in tried])
    paper = dice[PAPER][0].mean(axis=0)
    choices = {name: _worth(pipeline, dice[name], folds, paper) for name, pipeline in pipelines.items()}
    owners = [name for name in pipelines if name != PAPER for _ in dice[name]]
    overall = choose_nested(np.concatenate([dice[name].mean(axis=1) for name in dict.fromkeys(owners)]), folds)
    value, low, high = _mean(overall.values)
    return ChoiceRecord(
        selected=owners[overall.best],
        cases=len(folds),
        value=value,
        low=low,
        high=high,
        by_fold=tuple(owners[k] for k in overall.by_fold),
        pipelines=choices,
    )


def doubt_pipelines(out_of_fold: OutOfFold, choice: ChoiceRecord) -> tuple[ChoiceRecord, pd.DataFrame]:
    """Measure when the labels of each pipeline are to be doubted.

    Args:
        out_of_fold: the labels of all cases.
        choice: what cleans up after each pipeline.

    Returns:
        The choice with what was measured, and a row a pipeline and exam: pipeline and the columns of `Doubted.table`.
    """
    pipelines, tables = {}, []
    for name, chosen in choice.pipelines.items():
        cleanings = [chosen.cleaning_by_fold[fold] for fold in out_of_fold.folds]
        worth = out_of_fold.case_values(out_of_fold.cleaned(name, cleanings)).mean(axis=0)
        cases = [exam.case for exam in out_of_fold.exams]
        doubted = measure_doubt(out_of_fold.kept[name], LabelledExams(cases, out_of_fold.folds, cleanings, worth))
        pipelines[name] = chosen.model_copy(update={"doubt": doubted.doubt})
        tables.append(doubted.table.assign(pipeline=name))
    table = pd.concat(tables, ignore_index=True)
    return choice.model_copy(update={"pipelines": pipelines}), table[["pipeline", *table.columns.drop("pipeline")]]


def _worth(
    pipeline: Pipeline, dice: NDArray[np.float64], folds: NDArray[np.intp], paper: NDArray[np.float64]
) -> PipelineChoice:
    """Choose what cleans up after a pipeline, and say what it is worth then.

    Args:
        pipeline: what it is.
        dice: [ways to clean up, 3, exams].
        folds: number of each exam's fold.
        paper: [exams], the mean Dice of the paper's pipeline.
    """
    chosen = choose_nested(dice.mean(axis=1), folds)
    differences = chosen.values - paper
    value, low, high = _mean(chosen.values)
    difference, difference_low, difference_high = _mean(differences)
    parts = dice[chosen.by_fold[folds], :, np.arange(len(folds))].mean(axis=0)
    return PipelineChoice(
        cleaning=pipeline.cleaning[chosen.best],
        cleaning_by_fold=tuple(pipeline.cleaning[k] for k in chosen.by_fold),
        value=value,
        low=low,
        high=high,
        difference=difference,
        difference_low=difference_low,
        difference_high=difference_high,
        cases_needed=patients_needed(difference, float(differences.std(ddof=1))),
        dice=dict(zip(STRUCTURES, parts.tolist(), strict=True)),
        composition=composition_digest(pipeline),
    )


def _mean(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the mean over cases and its bootstrap interval."""
    mean = ratio_of_sums(values, np.ones_like(values))
    assert mean.value is not None
    assert mean.low is not None
    assert mean.high is not None
    return mean.value, mean.low, mean.high


def _label_exam(two_stage: TwoStage, segmenter: ExamSegmenter, exam: StudyExam) -> KeptExam:
    """Return what the networks find in an exam, where stage 1 says that the heart is; not cleaned up."""
    native = np.stack([two_stage.images[row] for row in exam.rows])
    images = [to_8_bit(image, two_stage.config.intensity) for image in native]
    cavity = two_stage.cavity[list(exam.rows)]
    found = segmenter.find_all(images, cavity, exam.pixel_mm)
    labels = without_padding(found.labels, np.isnan(native))
    truth = [two_stage.labels[row] for row in exam.rows]
    if isinstance(segmenter, HeartSegmenter):
        return keep_exam(found, labels, segmenter.see_labels(truth, cavity, exam.pixel_mm))
    size = segmenter.frame.size
    return keep_exam(found, labels, np.stack([resize_labels(image, size, size) for image in truth]))
