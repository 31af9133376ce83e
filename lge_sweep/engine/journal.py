"""The file of the ledger, and what to do when it is damaged: keep what can be read, set the whole aside, say so.

Optuna replays a journal from its first record; one that cannot be read makes all that follow it meaningless. What the
lost part said of finished cells is in their folders, from which the sweep's next run takes it up.
"""

import json
import logging
import os
import tempfile
from collections.abc import Generator
from contextlib import suppress
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalStorage

from lge_sweep.atomic import quarantine, write_bytes
from lge_sweep.errors import DamagedError
from lge_sweep.text import error_text

REMEDY = (
    "Run a sweep's command again: what can be read of it is kept, and finished cells are taken up from their folders"
)
_log = logging.getLogger(__name__)


class _Rows(JournalFileBackend):
    """A journal without what its trials were drawn from, which takes Optuna as long to read as all the rest twice."""

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the records from a number on."""
        for record in super().read_logs(log_number_from):
            if "distributions" in record:
                record["distributions"], record["params"] = {}, {}
            yield record


def open_journal(path: Path, drawn: bool = True) -> JournalStorage:
    """Open the journal of a runs directory for reading, without disturbing a driver.

    Args:
        path: the file.
        drawn: whether it is to be known what trials were drawn from.

    Raises:
        DamagedError: it cannot be read.
    """
    try:
        whole = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        if whole and not _is_record(whole[-1]):  # which Optuna takes for one that is being written
            raise ValueError("a line is no record")
        return JournalStorage(JournalFileBackend(str(path)) if drawn else _Rows(str(path)))
    except OSError as error:
        raise DamagedError(path, str(error.strerror)) from error
    except Exception as error:  # a record that does not fit the others: Optuna raises whatever comes
        raise DamagedError(path, f"{type(error).__name__}: {error_text(error)}", REMEDY) from error


def mend_journal(path: Path) -> None:
    """Leave a journal that can be replayed: cut a torn last line, and of a damaged one keep what can be read.

    The caller holds the runs directory. A lock that a killed driver held is removed.
    """
    with suppress(FileNotFoundError):
        os.unlink(f"{path}.lock")
    if not path.is_file():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    torn = bool(lines) and not lines[-1].endswith(b"\n")  # by a driver that was killed while it wrote
    records = _replayable(_records(lines))
    if len(records) == len(lines):
        return
    if torn and len(records) == len(lines) - 1:
        os.truncate(path, sum(len(line) for line in records))
        return
    aside = quarantine(path, path.parent)
    write_bytes(path, b"".join(records))
    _log.warning(
        "%s was damaged: %d of its %d records could be kept; the whole is in %s. Finished cells are taken up from "
        "their folders.", path, len(records), len(lines), aside,
    )  # fmt: skip


def _records(lines: list[bytes]) -> list[bytes]:
    """Return the records of a journal up to the first line that is none; text before the first is left out."""
    return list(takewhile(_is_record, dropwhile(lambda line: not _is_record(line), lines)))


def _is_record(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line)["op_code"], int)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _replayable(records: list[bytes]) -> list[bytes]:
    """Return the longest beginning of a journal that Optuna replays: a part of one that it replays, is replayed."""
    if _replays(records):
        return records
    good, bad = 0, len(records)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if _replays(records[:middle]) else (good, middle)
    return records[:good]


def _replays(records: list[bytes]) -> bool:
    with tempfile.NamedTemporaryFile(suffix=".log") as file:
        file.write(b"".join(records))
        file.flush()
        try:
            JournalStorage(JournalFileBackend(file.name))
        except Exception:  # a record that does not fit the others: Optuna raises whatever comes
            return False
    return True
