"""Fetch the LGE series of a study: asked for by their descriptions, so that no cine is ever sent."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from lge_sweep.archive.address import is_uid
from lge_sweep.archive.connection import Archive
from lge_sweep.errors import StudyError
from lge_sweep.ingest import FRAMES, MAX_FILE_BYTES, MIB, UnusableError, read_header
from lge_sweep.patterns import search_pattern
from lge_sweep.progress import StepCallback
from lge_sweep.text import shorten

_ACCEPT_AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Files as they are, so that what a result refers to is what was read."""
MAX_STUDY_BYTES = 4 * MAX_FILE_BYTES
"""Most bytes of the series of a study."""
_PREAMBLE = 128
"""Bytes before DICM in a DICOM file."""


@dataclass(frozen=True)
class ArchivedSeries:
    """A series as the archive describes it; the description is its words."""

    uid: str
    modality: str
    description: str

    def __str__(self) -> str:
        """Say it in a list."""
        modality = shorten(self.modality, 16) or "modality unknown"
        return f"'{shorten(self.description, 40)}' ({modality}, {self.uid})"


@dataclass(frozen=True)
class SeriesQuery:
    """Which series are wanted: those named, else the MR series whose descriptions match.

    Attributes:
        series: SeriesInstanceUIDs.
        pattern: regular expression.
    """

    series: Sequence[str]
    pattern: str


def fetch_study(archive: Archive, study: str, wanted: SeriesQuery, folder: Path, on_step: StepCallback) -> None:
    """Fetch the series of a study that may be the LGE one, a file an instance, `<folder>/<series>/<instance>.dcm`.

    Which of several is the LGE series is for the reader of the folder to tell; here only what it would never take is
    left out.

    Args:
        archive: where it is.
        study: its StudyInstanceUID.
        wanted: which series.
        folder: a new folder; it will hold images of a patient.
        on_step: told from time to time how far it is.

    Raises:
        StudyError: there is no such study or series, it is larger than any, or what comes is not it.
        ArchiveError: the archive cannot be asked.
        ConfigError: the pattern takes too long.
        OSError: a file cannot be written.
    """
    files = [
        (one.uid, instance)
        for one in _choose_series(archive, study, wanted)
        for instance in _instances(archive, study, one.uid)
    ]
    if not 0 < len(files) <= FRAMES.high:
        raise StudyError(
            f"study {study}: its series hold {len(files)} images; expected 1 to {FRAMES.high}; name another with "
            "--series"
        )
    progress = _FetchProgress(on_step, len(files))
    with archive.session.files(progress.received):
        for series, instance in files:
            path = folder / series / f"{instance}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_fetch_file(archive, study, series, instance))
            _check_file(path, study, series)
            progress.done()


def _choose_series(archive: Archive, study: str, wanted: SeriesQuery) -> list[ArchivedSeries]:
    """Return the series that are wanted."""
    fields = ("Modality", "SeriesDescription")
    with archive.translated_errors(f"study {study}"):
        there = [
            ArchivedSeries(_json_text(item, "0020000E"), _json_text(item, "00080060"), _json_text(item, "0008103E"))
            for item in _collect_pages(
                lambda offset: archive.client.search_for_series(study, fields=fields, offset=offset or None), "0020000E"
            )
        ]
    if not there:
        raise StudyError(f"study {study}: the archive has no such study, or nothing in it")
    listed = ", ".join(map(str, there))
    if wanted.series:
        chosen = [one for one in there if one.uid in wanted.series]
        if not chosen:
            raise StudyError(
                f"study {study}: has none of the series of --series; there are {listed}; give one of these UIDs"
            )
        return chosen
    images = [one for one in there if one.modality in ("MR", "")]
    chosen = [one for one in images if search_pattern("--series-pattern", wanted.pattern, one.description)]
    if not chosen and len(images) == 1 and not images[0].description:
        return images
    if not chosen:
        raise StudyError(
            f"study {study}: no SeriesDescription of an MR series matches --series-pattern {shorten(wanted.pattern)}; "
            f"there are {listed}; change the pattern, or give one of these UIDs to --series"
        )
    return chosen


def _instances(archive: Archive, study: str, series: str) -> list[str]:
    with archive.translated_errors(f"study {study}, series {series}"):
        return list_instances(archive, study, series)


def list_instances(archive: Archive, study: str, series: str) -> list[str]:
    """Return the SOPInstanceUIDs in a series.

    Args:
        archive: where it is.
        study: its StudyInstanceUID.
        series: its SeriesInstanceUID.
    """
    found = _collect_pages(
        lambda offset: archive.client.search_for_instances(study, series, offset=offset or None), "00080018"
    )
    return [_json_text(item, "00080018") for item in found]


def _collect_pages(ask: Callable[[int], Sequence[Mapping[str, Any]]], key: str) -> list[Mapping[str, Any]]:
    """Put together a list that an archive may give piece by piece, until nothing in a piece is new, or it is too long.

    Args:
        ask: takes how many entries there are so far.
        key: the tag that tells entries apart, a UID.
    """
    found: dict[str, Mapping[str, Any]] = {}
    while len(found) <= FRAMES.high:
        new = {uid: item for item in ask(len(found)) if is_uid(uid := _json_text(item, key)) and uid not in found}
        if not new:
            break
        found |= new
    return list(found.values())


def _json_text(item: Mapping[str, Any], tag: str) -> str:
    """Return a value of DICOM's JSON, "" where there is none."""
    values = item.get(tag, {}).get("Value") or [""]
    return str(values[0] if values[0] is not None else "").strip()


def _fetch_file(archive: Archive, study: str, series: str, instance: str) -> bytes | memoryview:
    """Return a DICOM file as it is stored; the client would read it and write it anew."""
    address = f"{archive.address}/studies/{study}/series/{series}/instances/{instance}"
    with archive.translated_errors(f"study {study}, image {instance}"):
        answer = archive.session.get(address, headers={"Accept": _ACCEPT_AS_STORED}, timeout=archive.seconds)
        answer.raise_for_status()
        content = single_part(answer.content, answer.headers.get("Content-Type", ""))
    if bytes(content[_PREAMBLE : _PREAMBLE + 4]) != b"DICM":
        raise StudyError(f"study {study}, image {instance}: what the archive sends is no DICOM file")
    return content


def single_part(content: bytes, content_type: str) -> bytes | memoryview:
    """Return the one part of a multipart message; a message of a bare DICOM file is that part.

    Raises:
        ValueError: it is neither.

    Source:
        RFC 2046, 5.1.1; DICOM PS3.18 8.6.1.2.1.
    """
    header = Message()
    header["Content-Type"] = content_type
    if header.get_content_type() == "application/dicom":
        return content
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/related" or not boundary:
        raise ValueError("not multipart")
    line = b"--" + boundary.encode("ascii")
    begin = content.index(b"\r\n\r\n", content.index(line)) + 4
    end = content.index(b"\r\n" + line, begin)
    if content[end + 2 + len(line) :][:2] != b"--":
        raise ValueError("more than one part")
    return memoryview(content)[begin:end]


def _check_file(path: Path, study: str, series: str) -> None:
    """Make sure that a file is of the study and series that were asked for: the results are stored with them."""
    try:
        header = read_header(path)
    except UnusableError:
        return  # for the reader of the folder to tell
    if (header.study, header.series) != (study, series):
        raise StudyError(f"study {study}: the archive sends an image of another study or series; nothing is made of it")


class _FetchProgress:
    """Tells once in a second how many files and bytes have come, and stops where they are too many."""

    def __init__(self, on_step: StepCallback, count: int) -> None:
        self._on_step, self._count, self._files, self._bytes, self._last = on_step, count, 0, 0, time.monotonic()

    def received(self, count: int) -> None:
        self._bytes += count
        if self._bytes > MAX_STUDY_BYTES:
            raise StudyError(f"its series hold more than {MAX_STUDY_BYTES // MIB} MiB; name another with --series")
        self._tell()

    def done(self) -> None:
        self._files += 1
        self._tell(last=self._files == self._count)

    def _tell(self, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self._last > 1:
            self._last = now
            self._on_step(f"{self._files} of {self._count} images fetched, {self._bytes / 1e6:.1f} MB")
