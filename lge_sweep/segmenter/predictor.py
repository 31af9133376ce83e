"""What segments one exam and writes what was found; in this process, or made again in another."""

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lge_sweep.config.segmenter import SIMULATED, SegmenterSettings
from lge_sweep.deliver import Delivery, ExamDoubt, ModelFacts, deliver, read_delivery
from lge_sweep.errors import DataError, ModelError
from lge_sweep.hashing import file_digest
from lge_sweep.ingest import Exam, FoundExam
from lge_sweep.segmenter.doubt import assess_exam
from lge_sweep.segmenter.folder import SETTINGS, find_loader, load_folder, read_settings
from lge_sweep.segmenter.found import Segmentation
from lge_sweep.segmenter.heart import ExamSegmenter
from lge_sweep.segmenter.load import NAME

_log = logging.getLogger(__name__)
READING, NETWORKS, FILES = "reading", "networks", "files"
"""Parts of the work on an exam, of which the time is taken."""


@dataclass
class Outcome:
    """What became of an exam.

    Attributes:
        unread: why it could not be read; a sentence for each thing that is wrong.
        delivery: what was written for it, now or before; None where it could not be segmented.
        problems: why it could not be.
        seconds: part of the work -> how long it took.
    """

    unread: list[str] = field(default_factory=list)
    delivery: Delivery | None = None
    problems: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """Take the time of a part of the work."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - began


@dataclass(frozen=True)
class Predictor:
    """A model that is loaded, and where and how its results are written.

    Attributes:
        segmenter: the model.
        settings: its settings.
        facts: which one it is, in words.
        output: folder that gets a folder an exam.
        formats: names in `lge_sweep.deliver.FORMATS`; none: all that an exam allows.
        setup: how another process makes the same; None: none can.
    """

    segmenter: ExamSegmenter
    settings: SegmenterSettings
    facts: ModelFacts
    output: Path
    formats: tuple[str, ...]
    setup: "PredictorSetup | None" = None

    def read(self, found: FoundExam, outcome: Outcome) -> Exam | None:
        """Read an exam, or note why it cannot be read."""
        with outcome.timing(READING):
            exam, outcome.unread = found.read()
        return exam

    def segment(self, exam: Exam, outcome: Outcome) -> None:
        """Segment an exam and write what was found, or find what was written before; note what is wrong with it.

        Raises:
            ModelError: the model does not run, which is not the exam's fault.
        """
        try:
            outcome.delivery = self._deliver(exam, outcome)
        except DataError as error:
            outcome.problems += [f"{exam.case}: {finding}" for finding in error.findings]
        except ModelError:
            raise
        except Exception as error:  # an exam nobody thought of must not keep the others from being done
            place = traceback.extract_tb(error.__traceback__)[-1]  # the message might tell who the patient is
            what = f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"
            outcome.problems.append(f"{exam.case}: cannot be segmented or written ({what}); please report this")

    def _deliver(self, exam: Exam, outcome: Outcome) -> Delivery:
        made = read_delivery(self.output, exam, self.formats, self.facts)
        if made:
            _log.info("%s: segmented before by the same model, in %s", exam.case, made.folder)
            return made
        with outcome.timing(NETWORKS):
            segmented = self.segmenter.segment(exam.pixels, exam.spacing_mm and exam.spacing_mm[:2])
            doubt = self._doubt(segmented)
        _log.info("%s: %d slices segmented in %.1f s", exam.case, len(exam.pixels), outcome.seconds[NETWORKS])
        with outcome.timing(FILES):
            return deliver(exam, segmented.labels, self.output, self.formats, self.facts, doubt=doubt)

    def _doubt(self, segmented: Segmentation) -> ExamDoubt | None:
        composed = self.settings.composed
        if composed is None or composed.doubt is None or segmented.found is None:
            return None
        return assess_exam(segmented.found, composed.cleaning, composed.folds, composed.doubt)


@dataclass(frozen=True)
class PredictorSetup:
    """What another process needs to make the same predictor.

    Attributes:
        folder: the segmenter's; what lies there was looked at before (see `open_segmenter`).
        runtime: what runs its networks.
        facts: which model it is.
        output: as of `Predictor`.
        formats: likewise.
    """

    folder: Path
    runtime: str
    facts: ModelFacts
    output: Path
    formats: tuple[str, ...]

    def make(self, share: int) -> Predictor:
        """Load the model in a process that is one of so many, each of which has a core.

        Raises:
            ModelError: it is no longer what it was.
        """
        settings = read_settings(self.folder)
        if model_facts(self.folder, settings) != self.facts:
            raise ModelError(f"{self.folder}: another model was put there meanwhile; give the command again")
        segmenter = load_folder(self.folder, find_loader(self.runtime), share=share)
        return Predictor(segmenter, settings, self.facts, self.output, self.formats)


def model_facts(folder: Path, settings: SegmenterSettings) -> ModelFacts:
    """Say which model it is, in words for reports and DICOM objects."""
    facts = settings.facts
    made_of = file_digest(folder / SETTINGS)  # it has the digests of the networks
    trained = f"{facts.get('data', 'unknown')}, content {facts.get('data_digest', 'unknown')}"
    if facts.get(SIMULATED):
        trained += "; simulated exams, no patient"
    return ModelFacts(NAME, made_of[:12], made_of, trained)
