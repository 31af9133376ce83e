"""Segment exams with a shipped model and deliver the results."""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from lge_sweep.atomic import folders_with, write_text
from lge_sweep.choices import look_up
from lge_sweep.csv_files import join_texts
from lge_sweep.deliver import ABOUT_FILE, BURDEN_FILE, FORMATS, Delivery
from lge_sweep.errors import DataError
from lge_sweep.ingest import SERIES_PATTERN, FoundExams, find_exams
from lge_sweep.progress import ProgressCallback
from lge_sweep.segmenter.crew import Crew, crew_size
from lge_sweep.segmenter.folder import read_settings
from lge_sweep.segmenter.load import open_segmenter
from lge_sweep.segmenter.predictor import Outcome, Predictor, PredictorSetup, model_facts
from lge_sweep.segmenter.request import PredictRequest, PredictResult, ReadOptions

_log = logging.getLogger(__name__)
MODEL, FINDING = "model", "finding exams"
"""Parts of the work on all exams, of which the time is taken."""


def predict_exams(path: Path, request: PredictRequest, on_progress: ProgressCallback) -> PredictResult:
    """Segment every exam and write what was found; one bad exam does not keep the others from being done.

    An exam whose folder the same model has written in the same formats before is not done again. The table `burden.csv`
    of all exams in the output folder is written beside their folders.

    Args:
        path: an exam, or a folder of exams: DICOM or NIfTI.
        request: the model, and how exams are read and written.
        on_progress: told what is done next, how many exams are done, and how many there are.

    Raises:
        ConfigError: a format or the runtime is unknown.
        DataError: there is no such file or folder, or no exam in it could be read.
        ModelError: there is no such model.
    """
    began = time.perf_counter()
    predictor = prepare(request)
    remarks = Remarks()
    remarks.spend(MODEL, time.perf_counter() - began)
    found = find(predictor, path.expanduser(), request.reading, remarks)
    exams = segment_all(predictor, found, remarks, on_progress, processes=request.processes)
    if not exams.read:
        raise DataError(str(path), remarks.problems)
    on_progress("done", exams.read, exams.read)
    problems = (*remarks.problems, *write_table(predictor.output))
    notes, model = tuple(remarks.notes), predictor.facts.words
    return PredictResult(exams.deliveries, problems, notes=notes, seconds=dict(remarks.seconds), model=model)


def prepare(request: PredictRequest) -> Predictor:
    """Load the model that segments; see `predict_exams`."""
    for name in request.formats:
        look_up("format", name, FORMATS)
    folder, segmenter = open_segmenter(request.model)
    _log.info("the segmenter is in %s", folder)
    settings, output = read_settings(folder), request.output.expanduser()
    setup = PredictorSetup(folder, request.model.runtime, model_facts(folder, settings), output, request.formats)
    return Predictor(segmenter, settings, setup.facts, output, request.formats, setup)


@dataclass
class Remarks:
    """What there is to say about exams, gathered on the way.

    Attributes:
        problems: a sentence for everything that was wrong.
        notes: what was left out and is no problem, a sentence each.
        seconds: part of the work -> how long it took, in all processes together.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def spend(self, part: str, seconds: float) -> None:
        """Add to the time of a part of the work."""
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds


@dataclass(frozen=True)
class Segmented:
    """What became of exams.

    Attributes:
        deliveries: what was written for each that could be segmented, now or before.
        read: how many could be read.
    """

    deliveries: tuple[Delivery, ...]
    read: int


def find(predictor: Predictor, path: Path, reading: ReadOptions, remarks: Remarks) -> FoundExams:
    """Find exams to read as the model needs them.

    Args:
        predictor: the model, and where results are written.
        path: the exam or exams.
        reading: how they are read.
        remarks: what was left out; added to.
    """
    began = time.perf_counter()
    skip = {folder.resolve() for folder in (predictor.output, *folders_with(ABOUT_FILE, predictor.output))} - {
        path.resolve()
    }
    found = find_exams(
        path,
        reading.case_ids,
        series=reading.series,
        series_pattern=reading.series_pattern or SERIES_PATTERN,
        folders=reading.folders,
        notes=remarks.notes,
        window=predictor.settings.window,
        skip=skip,
    )
    remarks.spend(FINDING, time.perf_counter() - began)
    return found


def segment_all(
    predictor: Predictor, found: FoundExams, remarks: Remarks, on_progress: ProgressCallback, *, processes: int = 1
) -> Segmented:
    """Read and segment exams and write what was found, or find what was written before.

    Args:
        predictor: the model, and where results are written.
        found: the exams.
        remarks: what is wrong with exams; added to.
        on_progress: as for `predict_exams`.
        processes: as of `PredictRequest`.
    """
    size = crew_size(len(found.exams)) if processes == 0 else processes
    if len({exam.case.casefold() for exam in found.exams}) < len(found.exams):
        size = 1  # of two exams of one name the first gets the folder
    read, total = 0, len(found.exams)

    def on_read(index: int, readable: bool) -> None:
        nonlocal read, total
        if readable:
            on_progress(found.exams[index].case, read, total)
        read, total = read + readable, total - (not readable)

    if size > 1 and predictor.setup is not None:
        _log.info("%d exams, %d processes", total, size)
        with Crew(predictor.setup, size) as crew:
            outcomes = crew.work(found.exams, on_read)
    else:
        outcomes = []
        for index, exam in enumerate(found.exams):
            outcomes.append(outcome := Outcome())
            images = predictor.read(exam, outcome)
            on_read(index, images is not None)
            if images is not None:
                predictor.segment(images, outcome)
    remarks.problems += found.problems([outcome.unread for outcome in outcomes])
    remarks.problems += [problem for outcome in outcomes for problem in outcome.problems]
    for outcome in outcomes:
        for part, seconds in outcome.seconds.items():
            remarks.spend(part, seconds)
    return Segmented(tuple(outcome.delivery for outcome in outcomes if outcome.delivery), read)


def write_table(output: Path) -> list[str]:
    """Write the table of all exams in an output folder; return what was wrong."""
    table = output / BURDEN_FILE
    try:
        tables = [
            folder / BURDEN_FILE for folder in folders_with(ABOUT_FILE, output) if (folder / BURDEN_FILE).is_file()
        ]
        if tables:
            write_text(table, join_texts(tables))
    except (OSError, ValueError) as error:
        return [f"{table}: cannot be written ({getattr(error, 'strerror', None) or type(error).__name__})"]
    return []
