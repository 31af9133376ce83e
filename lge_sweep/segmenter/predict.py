"""Segment exams with a shipped model and deliver the results."""

import logging
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lge_sweep.atomic import write_text
from lge_sweep.choices import look_up
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.csv_files import join_texts
from lge_sweep.deliver import ABOUT_FILE, BURDEN_FILE, FORMATS, Delivery, ModelFacts, deliver, read_delivery
from lge_sweep.errors import DataError, ModelError
from lge_sweep.hashing import file_digest
from lge_sweep.ingest import SERIES_PATTERN, Exam, read_exams
from lge_sweep.progress import ProgressCallback
from lge_sweep.segmenter.folder import SETTINGS, read_settings
from lge_sweep.segmenter.load import NAME, open_segmenter
from lge_sweep.segmenter.request import PredictRequest, PredictResult, ReadOptions
from lge_sweep.segmenter.segment import TwoStageSegmenter

_log = logging.getLogger(__name__)


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
    predictor = prepare(request)
    remarks = Remarks()
    exams = predictor.read(path.expanduser(), request.reading, remarks)
    if not exams:
        raise DataError(str(path), remarks.problems)
    deliveries = predictor.segment(exams, remarks, on_progress)
    on_progress("done", len(exams), len(exams))
    return PredictResult(tuple(deliveries), (*remarks.problems, *predictor.write_table()), notes=tuple(remarks.notes))


def prepare(request: PredictRequest) -> "Predictor":
    """Load the model that segments; see `predict_exams`."""
    for name in request.formats:
        look_up("format", name, FORMATS)
    folder, segmenter = open_segmenter(request.model)
    _log.info("the segmenter is in %s", folder)
    settings = read_settings(folder)
    return Predictor(segmenter, settings, _facts(folder, settings), request.output.expanduser(), request.formats)


@dataclass
class Remarks:
    """What there is to say about exams, gathered on the way.

    Attributes:
        problems: a sentence for everything that was wrong.
        notes: what was left out and is no problem, a sentence each.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Predictor:
    """A model that is loaded, and where and how its results are written."""

    segmenter: TwoStageSegmenter
    settings: SegmenterSettings
    facts: ModelFacts
    output: Path
    formats: tuple[str, ...]

    def read(self, path: Path, reading: ReadOptions, remarks: Remarks) -> list[Exam]:
        """Read exams as the model needs them.

        Args:
            path: the exam or exams.
            reading: how they are read.
            remarks: what is wrong with others, and what was left out; added to.
        """
        skip = {folder.resolve() for folder in (self.output, *_delivered(self.output))} - {path.resolve()}
        exams, problems = read_exams(
            path,
            reading.case_ids,
            series=reading.series,
            series_pattern=reading.series_pattern or SERIES_PATTERN,
            folders=reading.folders,
            notes=remarks.notes,
            window=self.settings.window,
            skip=skip,
        )
        remarks.problems += problems
        return exams

    def segment(self, exams: Sequence[Exam], remarks: Remarks, on_progress: ProgressCallback) -> list[Delivery]:
        """Segment exams and write what was found, or find what was written before.

        Args:
            exams: the exams.
            remarks: what is wrong with an exam; added to.
            on_progress: as for `predict_exams`.
        """
        deliveries = []
        for number, exam in enumerate(exams):
            on_progress(exam.case, number, len(exams))
            try:
                deliveries.append(self._deliver(exam))
            except DataError as error:
                remarks.problems += [f"{exam.case}: {finding}" for finding in error.findings]
            except ModelError:
                raise  # it is not the exam's fault
            except Exception as error:  # an exam nobody thought of must not keep the others from being done
                place = traceback.extract_tb(error.__traceback__)[-1]  # the message might tell who the patient is
                what = f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"
                remarks.problems.append(f"{exam.case}: cannot be segmented or written ({what}); please report this")
        return deliveries

    def _deliver(self, exam: Exam) -> Delivery:
        made = read_delivery(self.output, exam, self.formats, self.facts)
        if made:
            _log.info("%s: segmented before by the same model, in %s", exam.case, made.folder)
            return made
        began = time.monotonic()
        labels = self.segmenter.segment(exam.pixels, exam.spacing_mm and exam.spacing_mm[:2]).labels
        _log.info("%s: %d slices segmented in %.1f s", exam.case, len(exam.pixels), time.monotonic() - began)
        return deliver(exam, labels, self.output, self.formats, self.facts)

    def write_table(self) -> list[str]:
        """Write the table of all exams in the output folder; return what was wrong."""
        table = self.output / BURDEN_FILE
        try:
            tables = [folder / BURDEN_FILE for folder in _delivered(self.output) if (folder / BURDEN_FILE).is_file()]
            if tables:
                write_text(table, join_texts(tables))
        except (OSError, ValueError) as error:
            return [f"{table}: cannot be written ({getattr(error, 'strerror', None) or type(error).__name__})"]
        return []


def _delivered(output: Path) -> list[Path]:
    """Return the folders of exams in an output folder."""
    return [about.parent for about in sorted(output.glob(f"*/{ABOUT_FILE}"))]


def _facts(folder: Path, settings: SegmenterSettings) -> ModelFacts:
    """Say which model it is, in words for reports and DICOM objects."""
    facts = settings.facts
    made_of = file_digest(folder / SETTINGS)  # it has the digests of the networks
    trained = f"{facts.get('data', 'unknown')}, content {facts.get('data_digest', 'unknown')}"
    return ModelFacts(NAME, made_of[:12], made_of, trained)
