"""What was measured on this machine, kept beside the runs; knows no torch, so that a driver can read it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import filelock
from pydantic import BaseModel, Field, ValidationError

from lge_sweep.atomic import write_text

WAIT = 5.0
"""Seconds between two words of a process that waits for another's measurement."""
_log = logging.getLogger(__name__)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Speeds(BaseModel):
    """`speeds.json`, beside the runs: what was measured here. It may be removed; it is measured again."""

    format: Literal[1] = 1
    seconds: dict[str, dict[str, Positive]] = Field(default_factory=dict)
    """Machine, network and shape -> seconds of a step in each way that was tried."""
    refused: dict[str, dict[str, str]] = Field(default_factory=dict)
    """The same -> why a way could not be taken."""
    steps_a_second: dict[str, dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]] = Field(
        default_factory=dict
    )
    """Machine, network and shape -> steps a second of all workers together, by how they share the machine; 0 where they
    do not fit."""


@contextmanager
def alone(path: Path, heartbeat: Callable[[], object]) -> Iterator[None]:
    """Let one process at a time do something with `speeds.json`, where the folder allows a lock.

    Args:
        path: the file.
        heartbeat: called again and again while another is waited for.
    """
    lock = filelock.FileLock(path.with_suffix(".lock"))
    while True:
        heartbeat()
        try:
            lock.acquire(timeout=WAIT)
            break
        except filelock.Timeout:
            continue
        except OSError as error:
            _log.info("%s: %s; measured without it", lock.lock_file, error.strerror)
            break
    try:
        yield
    finally:
        lock.release()


def read_speeds(path: Path) -> Speeds:
    """Read what was measured; what cannot be read is measured again."""
    try:
        return Speeds.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Speeds()


def keep_speeds(path: Path, speeds: Speeds) -> None:
    """Write down what was measured; where that cannot be, it is measured again."""
    try:
        write_text(path, speeds.model_dump_json(indent=1))
    except OSError as error:
        _log.info("%s: %s; it is measured again next time", path, error.strerror)
