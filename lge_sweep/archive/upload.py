"""Give results to an archive, each once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import requests
from pydicom.dataset import Dataset

from lge_sweep.archive.connection import Archive, status_of
from lge_sweep.archive.fetch import list_instances
from lge_sweep.errors import StudyError
from lge_sweep.progress import StepCallback

_FAILURE_REASONS: dict[int, str] = {
    0x0110: "processing failure",
    0x0111: "an object of that UID is there already",
    0x0117: "invalid UID",
    0x0122: "it does not take objects of that kind (SOP class)",
    0x0124: "not authorised",
    0xA700: "out of resources",
    0xA900: "it does not fit the study",
    0xC000: "cannot understand it",
}
"""FailureReason -> what it means. Source: DICOM PS3.18 table I.2-2, PS3.4 table B.2-1."""


@dataclass(frozen=True)
class StoreOutcome:
    """What became of files that an archive was given.

    Attributes:
        sent: names of those that it took.
        there: names of those that it had.
        changed: names of those that it took with changes of its own.
    """

    sent: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a line."""
        told = [
            f"{what}: {', '.join(names)}"
            for what, names in (
                ("stored at the archive", self.sent),
                ("there already, not sent again", self.there),
                ("the archive changed elements of", self.changed),
            )
            if names
        ]
        return "; ".join(told)


def store(archive: Archive, study: str, files: Sequence[Path], on_step: StepCallback) -> StoreOutcome:
    """Give DICOM files to an archive; those that it has, by their UIDs, are not sent.

    Args:
        archive: where to.
        study: StudyInstanceUID of all of them.
        files: the files; ours, so that they can be read here.
        on_step: told what is done next.

    Raises:
        StudyError: the archive does not take one of them, or does not confirm it; the others may be stored.
        ArchiveError: the archive cannot be asked.
    """
    objects = {path.name: pydicom.dcmread(path) for path in files}
    on_step(f"asking whether it has {', '.join(objects)}")
    there = tuple(name for name, one in objects.items() if _is_stored(archive, one))
    new = {name: one for name, one in objects.items() if name not in there}
    if not new:
        return StoreOutcome(there=there)
    on_step(f"storing {', '.join(new)}")
    failed, taken = _send(archive, study, list(new.values()))
    refused, changed = [], []
    for name, one in new.items():
        uid = str(one.SOPInstanceUID)
        if uid in failed:
            refused.append(f"{name}: {_failure_phrase(failed[uid])}")
        elif uid not in taken and not _is_stored(archive, one):  # an answer that the client cannot read tells nothing
            refused.append(f"{name}: it does not say why")
        elif taken.get(uid):
            changed.append(name)
    if refused:
        raise StudyError(f"study {study}: the archive has not stored {'; '.join(refused)}")
    return StoreOutcome(tuple(new), there, tuple(changed))


def _is_stored(archive: Archive, one: Dataset) -> bool:
    with archive.translated_errors(f"study {one.StudyInstanceUID}"):
        try:
            return str(one.SOPInstanceUID) in list_instances(archive, one.StudyInstanceUID, one.SeriesInstanceUID)
        except requests.HTTPError as error:
            if status_of(error) == 404:  # what some archives say where there is no such series
                return False
            raise


def _send(archive: Archive, study: str, objects: Sequence[Dataset]) -> tuple[dict[str, int], dict[str, int]]:
    """Send objects; return by UID why some are refused, and what was changed in those that are taken (0: nothing)."""
    with archive.translated_errors(f"study {study}, storing"):
        try:
            answer = archive.client.store_instances(objects, study)
        except requests.HTTPError as error:  # it may say why
            if error.response is None or not (said := _failure_details(error.response)):
                raise
            answer = said
        failed = {
            _instance_uid(item): int(item.get("FailureReason") or 0) for item in answer.get("FailedSOPSequence", [])
        }
        taken = {
            _instance_uid(item): int(item.get("WarningReason") or 0) for item in answer.get("ReferencedSOPSequence", [])
        }
    return failed, taken


def _failure_details(response: requests.Response) -> Dataset | None:
    try:
        said = Dataset.from_json(response.text)
    except Exception:  # pydicom raises whatever odd answers lead to; the status tells enough
        return None
    return said if said.get("FailedSOPSequence") else None


def _instance_uid(item: Any) -> str:
    return str(item.get("ReferencedSOPInstanceUID") or "")


def _failure_phrase(reason: int) -> str:
    return f"{_FAILURE_REASONS.get(reason, 'it does not say why')} ({reason:04X})"
