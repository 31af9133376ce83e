"""Segment exams of an archive, study by study: fetched, segmented as any other, given back if asked."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lge_sweep.archive import Archive, SeriesQuery, fetch_study, read_address, read_credentials, read_uid, store
from lge_sweep.atomic import DAY_SECONDS
from lge_sweep.choices import look_up
from lge_sweep.deliver import FORMATS, Delivery
from lge_sweep.deliver.exam_files import REPORT_FILE, SEG_FILE
from lge_sweep.errors import ArchiveError, ConfigError, DataError, StudyError
from lge_sweep.ingest.exams import SERIES_PATTERN
from lge_sweep.patterns import compile_pattern
from lge_sweep.segmenter.predict import ModelChoice, Predictor, PredictResult, ReadOptions, prepare

Say = Callable[[str, int, int], None]
PREFIX = "lge_sweep-archive-"
"""Of the folders in which images lie while they are segmented."""
AGAIN = "run the same command again to store them"
LATER = "run the same command again when the archive answers"


@dataclass(frozen=True)
class Request:
    """What is asked of an archive, as the user wrote it.

    Attributes:
        url: the root of its DICOMweb service.
        studies: StudyInstanceUIDs.
        store: whether SEG and SR are given back.
        plain_http: whether another machine may be asked unencrypted.
    """

    url: str
    studies: tuple[str, ...]
    store: bool = False
    plain_http: bool = False


def predict_studies(
    request: Request, output: Path, shipped: ModelChoice, formats: Sequence[str], reading: ReadOptions, say: Say
) -> PredictResult:
    """Fetch studies, segment them and write what was found, as `predict_exams` does; store it if asked.

    Images lie in a private temporary folder, a study at a time, which is gone at the end however that comes. One bad
    study does not keep the others from being done. What was delivered or stored before is not done or sent again.

    Args:
        request: which archive, which studies.
        output: folder that gets a folder an exam.
        shipped: the model.
        formats: names in `FORMATS`; none: all that an exam allows.
        reading: how exams are read.
        say: told what is done next, how many studies are done, and how many there are.

    Raises:
        ConfigError: the address, a UID, the credentials or a format is wrong, or they do not fit each other.
        ArchiveError: nothing could be had from the archive.
        DataError: no study has an exam that could be segmented.
        ModelError: there is no such model.
    """
    address, credentials = read_address(request.url, request.plain_http), read_credentials()
    studies = list(dict.fromkeys(read_uid("--study", study) for study in request.studies))
    reading = replace(reading, series=tuple(read_uid("--series", series) for series in reading.series))
    _check(request, formats, reading)
    job = prepare(shipped, output, formats)
    deliveries: list[Delivery] = []
    problems: list[str] = []
    notes: list[str] = []
    stored: dict[Path, str] = {}
    with Archive(address, credentials) as archive:
        for number, study in enumerate(studies):
            told = _counted(say, number, len(studies))
            made: list[Delivery] = []
            try:
                made = _segment(archive, study, job, reading, problems, notes, told)
                deliveries += made
                if request.store:
                    stored |= _store(archive, study, made, problems, told)
            except StudyError as error:
                problems.append(str(error))
            except DataError as error:
                problems += [f"study {study}: {finding}" for finding in error.findings]
            except ArchiveError as error:  # nor will it answer for the other studies
                if not deliveries and not problems:
                    raise
                problems += [
                    str(error),
                    *(f"study {left}: not done; {LATER}" for left in studies[number + bool(made) :]),
                ]
                break
    say("done", len(studies), len(studies))
    if not deliveries:
        raise DataError(f"no exam of archive {address} is segmented", problems)
    return PredictResult(tuple(deliveries), (*problems, *job.write_table()), stored, tuple(notes))


def _check(request: Request, formats: Sequence[str], reading: ReadOptions) -> None:
    """Refuse what cannot be meant, before anything is fetched."""
    for name in formats:
        look_up("format", name, FORMATS)
    if request.store and formats and not {"seg", "sr"} & set(formats):
        raise ConfigError("--store gives DICOM SEG and SR back; add seg or sr to --format, or leave --format out")
    try:
        compile_pattern(reading.series_pattern or "")
    except ValueError as error:
        raise ConfigError(f"--series-pattern: {error}") from error
    if reading.case_ids == "keep":
        raise ConfigError("--case-ids keep takes the names of folders, and an archive has none; leave it out")


def _counted(say: Say, number: int, count: int) -> Callable[[str], None]:
    return lambda text: say(text, number, count)


def _segment(
    archive: Archive,
    study: str,
    job: Predictor,
    reading: ReadOptions,
    problems: list[str],
    notes: list[str],
    say: Callable[[str], None],
) -> list[Delivery]:
    """Fetch a study and segment its exam."""
    wanted = SeriesQuery(reading.series, reading.series_pattern or SERIES_PATTERN)
    with _private_folder() as folder:
        say("fetching")
        fetch_study(archive, study, wanted, folder / study, say)
        series = tuple({path.name for path in (folder / study).iterdir()} & set(reading.series))
        exams, findings = job.read(folder, replace(reading, series=series), notes)
        problems += findings
        return job.segment(exams, problems, lambda case, done, count: say(case))


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Give a folder that nobody else can look into, gone at the end; what a killed process left is cleared away."""
    for left_over in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - left_over.lstat().st_mtime > DAY_SECONDS and not left_over.is_symlink():
                shutil.rmtree(left_over)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        yield Path(folder)


def _store(
    archive: Archive, study: str, deliveries: Sequence[Delivery], problems: list[str], say: Callable[[str], None]
) -> dict[Path, str]:
    """Give SEG and SR of a study's exam back; return what became of each delivery's."""
    stored = {}
    for delivery in deliveries:
        files = [file for file in delivery.files if file.name in (SEG_FILE, REPORT_FILE)]
        if not files:
            why = next((note for note in delivery.notes if note.startswith("no seg: ")), "it has no SEG")
            problems.append(f"study {study}: nothing to store ({why})")
            continue
        try:
            stored[delivery.folder] = str(store(archive, study, files, say))
        except ArchiveError as error:
            raise type(error)(f"{error}; the results are in {delivery.folder}; {AGAIN}") from None
    return stored
