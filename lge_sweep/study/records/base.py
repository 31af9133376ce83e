"""How records are read and written: one model a file, with a number for its format.

A record that does not fit is a `DamagedError` that names the file and the field; who can make again what it held sets
the file aside. One that a newer version of this program wrote is a `NewerFormatError`, and stays where it is.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from lge_sweep.atomic import read_json, write_json
from lge_sweep.errors import DamagedError, NewerFormatError
from lge_sweep.run_store import SweepFolder
from lge_sweep.text import shorten

_log = logging.getLogger(__name__)
REMEDY = "Run the command of its sweep again: what is damaged is set aside, and made again"
T = TypeVar("T")


class Record(BaseModel):
    """Base of all records. What a later version adds is ignored; what is there must fit.

    One that is a file of its own has a field `format`, a `Literal` of the numbers that can be read. It is raised when a
    file is written that this version could not read, or would read wrongly.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True, allow_inf_nan=False)


RecordT = TypeVar("RecordT", bound=Record)


def read_record(model: type[RecordT], path: Path, remedy: str = REMEDY) -> RecordT:
    """Read a record.

    Args:
        model: its kind.
        path: its file.
        remedy: what a user can do if it is damaged, a sentence.

    Raises:
        DamagedError: the file is not there, or is not such a record; the message says which field is wrong.
        NewerFormatError: a newer version wrote it.
    """
    try:
        content = read_json(path)
        _check_format(model, content, path)
        return model.model_validate(content)
    except DamagedError as error:
        raise DamagedError(path, error.reason, remedy) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part)[:40] for part in first["loc"][:4])
        said = shorten(first["msg"].removeprefix("Value error, "))
        if not field and first["type"] == "value_error":  # of a check over several fields, which names them
            raise DamagedError(path, said, remedy) from error
        raise DamagedError(path, f"{field or 'content'}: {said}", remedy) from error


def _check_format(model: type[Record], content: Any, path: Path) -> None:
    """Refuse a record whose format this version does not know yet."""
    readable = get_args(model.model_fields["format"].annotation) if "format" in model.model_fields else ()
    found = content.get("format") if isinstance(content, dict) else None
    if readable and type(found) is int and found > max(readable):
        raise NewerFormatError(path, found, (min(readable), max(readable)))


def write_record(path: Path, record: Record) -> None:
    """Write a record, so that a reader never sees half of it."""
    write_json(path, record.model_dump(mode="json"))


def set_damaged_aside(path: Path, read: Callable[[Path], T]) -> T | None:
    """Set a file of a sweep's folder aside if it is damaged, before it is written again, and say so.

    Args:
        path: the file, in the sweep's folder, which is in the runs directory.
        read: reads it; raises DamagedError.

    Returns:
        What `read` gives; None if there is no file, or it was damaged.
    """
    try:
        return read(path) if path.exists() else None
    except DamagedError as error:
        aside = SweepFolder(path.parent).quarantine(path)
        _log.warning("%s was damaged (%s) and is now %s; it is made again", path, error.reason, aside)
        return None
