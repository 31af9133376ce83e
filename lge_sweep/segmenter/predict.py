"""Segment exams with a shipped model and deliver the results."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lge_sweep.atomic import write_text
from lge_sweep.choices import look_up
from lge_sweep.config.data import CaseIds
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.csv_files import join_texts
from lge_sweep.deliver import FORMATS, Delivery, ModelFacts, deliver, read_delivery
from lge_sweep.deliver.exam_files import ABOUT_FILE, BURDEN_FILE
from lge_sweep.errors import DataError, ModelError
from lge_sweep.hashing import file_digest
from lge_sweep.ingest import Exam
from lge_sweep.ingest.exams import SERIES_PATTERN, FolderLayout, read_exams
from lge_sweep.segmenter.folder import SETTINGS, read_settings
from lge_sweep.segmenter.load import NAME, find_segmenter, is_registered, load_segmenter
from lge_sweep.segmenter.segment import TwoStageSegmenter


@dataclass(frozen=True)
class ModelChoice:
    """Which model segments, and what runs it; see `load_segmenter`.

    Attributes:
        model: `models:/lge-two-stage@champion`, another of the registry, or a segmenter's folder.
        runtime: "onnx" or "torch".
        runs: the runs directory, for a model of the registry.
        trust: whether a folder may run any command, which "torch" lets it.
    """

    model: str
    runtime: str = "onnx"
    runs: Path | None = None
    trust: bool = False


@dataclass(frozen=True)
class ReadOptions:
    """How exams are read; see `read_exams`.

    Attributes:
        case_ids: "hash" or "keep".
        series: SeriesInstanceUIDs of the LGE series.
        series_pattern: regular expression that finds it by its description; None: the names of LGE.
        folders: what the folders in a folder of exams are: "auto", "cases" or "series".
    """

    case_ids: CaseIds = "hash"
    series: tuple[str, ...] = ()
    series_pattern: str | None = None
    folders: FolderLayout = "auto"


@dataclass(frozen=True)
class PredictResult:
    """What became of the exams.

    Attributes:
        deliveries: of each exam that was segmented, now or by the same command before.
        problems: a sentence for everything that was wrong with the others.
        stored: folder of a delivery -> what an archive was given of it.
        notes: what was left out and is no problem, a sentence each.
    """

    deliveries: tuple[Delivery, ...]
    problems: tuple[str, ...]
    stored: Mapping[Path, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def predict_exams(
    path: Path,
    output: Path,
    shipped: ModelChoice,
    formats: Sequence[str],
    reading: ReadOptions,
    say: Callable[[str, int, int], None],
) -> PredictResult:
    """Segment every exam and write what was found; one bad exam does not keep the others from being done.

    An exam whose folder the same model has written in the same formats before is not done again. The table `burden.csv`
    of all exams in `output` is written beside their folders.

    Args:
        path: an exam, or a folder of exams: DICOM or NIfTI.
        output: folder that gets a folder an exam.
        shipped: the model.
        formats: names in `FORMATS`; none: all that an exam allows.
        reading: how exams are read.
        say: told what is done next, how many exams are done, and how many there are.

    Raises:
        ConfigError: a format or the runtime is unknown.
        DataError: there is no such file or folder, or no exam in it could be read.
        ModelError: there is no such model.
    """
    job = prepare(shipped, output, formats)
    notes: list[str] = []
    exams, problems = job.read(path.expanduser(), reading, notes)
    if not exams:
        raise DataError(str(path), problems)
    deliveries = job.segment(exams, problems, say)
    say("done", len(exams), len(exams))
    return PredictResult(tuple(deliveries), (*problems, *job.write_table()), notes=tuple(notes))


def prepare(shipped: ModelChoice, output: Path, formats: Sequence[str]) -> "Predictor":
    """Load the model that segments; see `predict_exams`."""
    for name in formats:
        look_up("format", name, FORMATS)
    folder = find_segmenter(shipped.model, shipped.runs)
    trust = shipped.trust or is_registered(shipped.model)
    segmenter, settings = load_segmenter(folder, shipped.runtime, trust=trust), read_settings(folder)
    return Predictor(segmenter, settings, _facts(folder, settings), output.expanduser(), tuple(formats))


@dataclass(frozen=True)
class Predictor:
    """A model that is loaded, and where and how its results are written."""

    segmenter: TwoStageSegmenter
    settings: SegmenterSettings
    facts: ModelFacts
    output: Path
    formats: tuple[str, ...]

    def read(self, path: Path, reading: ReadOptions, notes: list[str]) -> tuple[list[Exam], list[str]]:
        """Read exams as the model needs them; return them, and what is wrong with others.

        Args:
            path: the exam or exams.
            reading: how they are read.
            notes: what was left out and is no problem; appended to.
        """
        skip = {folder.resolve() for folder in (self.output, *_delivered(self.output))} - {path.resolve()}
        return read_exams(
            path,
            reading.case_ids,
            series=reading.series,
            series_pattern=reading.series_pattern or SERIES_PATTERN,
            folders=reading.folders,
            notes=notes,
            window=self.settings.window,
            skip=skip,
        )

    def segment(
        self, exams: Sequence[Exam], problems: list[str], say: Callable[[str, int, int], None]
    ) -> list[Delivery]:
        """Segment exams and write what was found, or find what was written before.

        Args:
            exams: the exams.
            problems: what is wrong with an exam; appended to.
            say: as for `predict_exams`.
        """
        deliveries = []
        for number, exam in enumerate(exams):
            say(exam.case, number, len(exams))
            try:
                deliveries.append(self._deliver(exam))
            except DataError as error:
                problems += [f"{exam.case}: {finding}" for finding in error.findings]
            except ModelError:
                raise  # it is not the exam's fault
            except Exception as error:  # an exam nobody thought of must not keep the others from being done
                place = traceback.extract_tb(error.__traceback__)[-1]  # the message might tell who the patient is
                what = f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"
                problems.append(f"{exam.case}: cannot be segmented or written ({what}); please report this")
        return deliveries

    def _deliver(self, exam: Exam) -> Delivery:
        made = read_delivery(self.output, exam, self.formats, self.facts)
        if made:
            return made
        labels = self.segmenter.segment(exam.pixels, exam.spacing_mm and exam.spacing_mm[:2]).labels
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
