"""Segment exams of an archive, study by study: fetched, segmented as any other, given back if asked."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lge_sweep.archive import Archive, SeriesQuery, fetch_study, read_address, read_credentials, read_uid, store
from lge_sweep.atomic import remove_left_over
from lge_sweep.choices import look_up
from lge_sweep.deliver import FORMATS, REPORT_FILE, SEG_FILE, Delivery
from lge_sweep.errors import ArchiveError, ConfigError, DataError, StudyError
from lge_sweep.ingest import SERIES_PATTERN
from lge_sweep.patterns import compile_pattern
from lge_sweep.progress import ProgressCallback, StepCallback
from lge_sweep.segmenter.predict import Remarks, find, prepare, segment_all, write_table
from lge_sweep.segmenter.predictor import Predictor
from lge_sweep.segmenter.request import ArchiveRequest, PredictRequest, PredictResult, ReadOptions

PREFIX = "lge_sweep-archive-"
"""Of the folders in which images lie while they are segmented."""
AGAIN = "run the same command again to store them"
SAVED_OVER = (
    "is not what predict wrote: somebody saved over it, and the report beside it is of the labels before; nothing is "
    "stored. `lge-sweep data adopt` takes corrected labels; predict into another folder to store those of the model"
)
LATER = "run the same command again when the archive answers"


def predict_studies(
    archive_request: ArchiveRequest, request: PredictRequest, on_progress: ProgressCallback
) -> PredictResult:
    """Fetch studies, segment them and write what was found, as `predict_exams` does; store it if asked.

    Images lie in a private temporary folder, a study at a time, which is gone at the end however that comes. One bad
    study does not keep the others from being done. What was delivered or stored before is not done or sent again.

    Args:
        archive_request: which archive, which studies.
        request: the model, and how exams are read and written.
        on_progress: told what is done next, how many studies are done, and how many there are.

    Raises:
        ConfigError: the address, a UID, the credentials or a format is wrong, or they do not fit each other.
        ArchiveError: nothing could be had from the archive.
        DataError: no study has an exam that could be segmented.
        ModelError: there is no such model.
    """
    address = read_address(archive_request.url, archive_request.plain_http)
    credentials = read_credentials()
    studies = list(dict.fromkeys(read_uid("--study", study) for study in archive_request.studies))
    series = tuple(read_uid("--series", uid) for uid in request.reading.series)
    request = replace(request, reading=replace(request.reading, series=series))
    _check(archive_request, request)
    predictor = prepare(request)
    with Archive(address, credentials) as archive:
        session = _Session(archive, predictor, request.reading)
        for number, study in enumerate(studies):
            on_step = partial(_step, on_progress, number, len(studies))
            before = len(session.deliveries)
            try:
                session.predict(study, archive_request.store, on_step)
            except ArchiveError as error:  # nor will it answer for the other studies
                if not session.deliveries and not session.remarks.problems:
                    raise
                left = studies[number + (len(session.deliveries) > before) :]
                session.remarks.problems += [str(error), *(f"study {other}: not done; {LATER}" for other in left)]
                break
    on_progress("done", len(studies), len(studies))
    if not session.deliveries:
        raise DataError(f"no exam of archive {address} is segmented", session.remarks.problems)
    problems = (*session.remarks.problems, *write_table(predictor.output))
    notes, seconds = tuple(session.remarks.notes), dict(session.remarks.seconds)
    model = predictor.facts.words
    return PredictResult(tuple(session.deliveries), problems, session.stored, notes, seconds, model)


def _step(on_progress: ProgressCallback, number: int, count: int, text: str) -> None:
    on_progress(text, number, count)


def _check(archive_request: ArchiveRequest, request: PredictRequest) -> None:
    """Refuse what cannot be meant, before anything is fetched."""
    for name in request.formats:
        look_up("format", name, FORMATS)
    if archive_request.store and request.formats and not {"seg", "sr"} & set(request.formats):
        raise ConfigError("--store gives DICOM SEG and SR back; add seg or sr to --format, or leave --format out")
    try:
        compile_pattern(request.reading.series_pattern or "")
    except ValueError as error:
        raise ConfigError(f"--series-pattern: {error}") from error
    if request.reading.case_ids == "keep":
        raise ConfigError("--case-ids keep takes the names of folders, and an archive has none; leave it out")


@dataclass
class _Session:
    """What is done with an archive, and what has become of it so far.

    Attributes:
        archive: the archive.
        predictor: the model.
        reading: how exams are read.
        remarks: what was wrong, and what was left out.
        deliveries: of each exam that was segmented.
        stored: folder of a delivery -> what the archive was given of it.
    """

    archive: Archive
    predictor: Predictor
    reading: ReadOptions
    remarks: Remarks = field(default_factory=Remarks)
    deliveries: list[Delivery] = field(default_factory=list)
    stored: dict[Path, str] = field(default_factory=dict)

    def predict(self, study: str, give_back: bool, on_step: StepCallback) -> None:
        """Fetch a study, segment its exam, and store the result if asked; what is wrong with it is remarked.

        Args:
            study: StudyInstanceUID.
            give_back: whether SEG and SR are stored in the archive.
            on_step: told what is done next.

        Raises:
            ArchiveError: the archive does not answer.
        """
        try:
            made = self._segment(study, on_step)
            self.deliveries += made
            if give_back:
                self._store(study, made, on_step)
        except StudyError as error:
            self.remarks.problems.append(str(error))
        except DataError as error:
            self.remarks.problems += [f"study {study}: {finding}" for finding in error.findings]

    def _segment(self, study: str, on_step: StepCallback) -> list[Delivery]:
        """Fetch a study and segment its exam."""
        wanted = SeriesQuery(self.reading.series, self.reading.series_pattern or SERIES_PATTERN)
        with _private_folder() as folder:
            on_step("fetching")
            fetch_study(self.archive, study, wanted, folder / study, on_step)
            series = tuple({path.name for path in (folder / study).iterdir()} & set(self.reading.series))
            exams = find(self.predictor, folder, replace(self.reading, series=series), self.remarks)
            done = segment_all(self.predictor, exams, self.remarks, lambda case, done, count: on_step(case))
            return list(done.deliveries)

    def _store(self, study: str, deliveries: Sequence[Delivery], on_step: StepCallback) -> None:
        """Give SEG and SR of a study's exam back."""
        for delivery in deliveries:
            files = [file for file in delivery.files if file.name in (SEG_FILE, REPORT_FILE)]
            if not files:
                why = next((note for note in delivery.notes if note.startswith("no seg: ")), "it has no SEG")
                self.remarks.problems.append(f"study {study}: nothing to store ({why})")
                continue
            if delivery.folder / SEG_FILE in delivery.saved_over:
                self.remarks.problems.append(f"study {study}: {delivery.folder / SEG_FILE} {SAVED_OVER}")
                continue
            try:
                self.stored[delivery.folder] = str(store(self.archive, study, files, on_step))
            except ArchiveError as error:
                raise type(error)(f"{error}; the results are in {delivery.folder}; {AGAIN}") from None


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Give a folder that nobody else can look into, gone at the end; what a killed process left is cleared away."""
    remove_left_over(Path(tempfile.gettempdir()), f"{PREFIX}*")
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        yield Path(folder)
