"""Read files whose decoders may kill the process: in a child, which may die, hang or grow in its place.

Seen with GDCM 3.2.6 on JPEG streams of which a few bytes were changed: every third made it call `abort`.
"""

import multiprocessing
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lge_sweep.ingest.limits import MIB
from lge_sweep.ingest.volume import UnusableError
from lge_sweep.interrupts import TimeLimitError, ignoring_interrupts, time_limit

_P = ParamSpec("_P")
_T = TypeVar("_T")
_UNCOMPRESSED = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
"""Transfer syntaxes of which nothing is decoded. A deflated file is none: there is no bound to what it expands to."""
DECODE_SECONDS = 5
"""Time for a file, and as much again for each 4 MiB of it: a hundred times what decoding takes."""
PLAIN_SECONDS = 8
"""Time for a file of plain numbers; the header of 10,000 frames takes half of it."""
_IDLE_SECONDS = 60
"""Seconds without a file after which the child ends."""
_MAX_CHILD_BYTES = 1024 * MIB
"""Bytes that the child may take for a file."""


def read_safely(function: Callable[Concatenate[Path, _P], _T], path: Path, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call `function(path, ...)`: here for a DICOM file of plain numbers, else in a child process.

    Args:
        function: raises nothing but UnusableError.
        path: the file.
        args: what else the function is given.
        kwargs: by name.

    Raises:
        UnusableError: by the function; or the child died of the file, or took too long.
    """
    if _is_uncompressed(path):
        try:
            with time_limit(PLAIN_SECONDS + path.stat().st_size / (64 * MIB)):
                return function(path, *args, **kwargs)
        except TimeLimitError as error:
            raise UnusableError(f"cannot be read: {error}; its header holds more than that of any exam") from None
    answer = _in_child(partial(function, path, *args, **kwargs), DECODE_SECONDS * (1 + path.stat().st_size / (4 * MIB)))
    if isinstance(answer, UnusableError):
        raise answer
    return answer  # type: ignore[no-any-return]  # what `function` returned


def _is_uncompressed(path: Path) -> bool:
    try:
        return read_file_meta_info(path).get("TransferSyntaxUID") in (None, *_UNCOMPRESSED)
    except Exception:  # broken, or no DICOM: for the function to report
        return True


# ------------------------------------------------------------------------------------------------------------- parent

_child: "tuple[multiprocessing.context.SpawnProcess, Connection] | None" = None
"""It is kept for the next file, as its libraries take a second to load; it ends when it has long been idle."""


def _in_child(task: Callable[[], Any], seconds: float) -> Any:
    """Let the child do a task; return what it gives or the error that it raises."""
    global _child
    if _child is None or not _child[0].is_alive():
        _child = _start()
    process, connection = _child
    try:
        connection.send(task)
        if connection.poll(seconds):
            return connection.recv()
        problem = f"takes more than {seconds:.0f} s to decode"
    except (EOFError, OSError):
        problem = "what decodes it was killed by what it holds"
    process.kill()
    process.join()
    connection.close()
    _child = None
    raise UnusableError(f"{problem}: broken, or made to do harm; export it again, or leave it out")


def _start() -> "tuple[multiprocessing.context.SpawnProcess, Connection]":
    context = multiprocessing.get_context("spawn")
    connection, remote = context.Pipe()
    process = context.Process(target=_serve, args=(remote,), name="lge-sweep-decoder", daemon=True)
    with ignoring_interrupts():  # from its first moment on
        process.start()
    remote.close()
    connection.recv()  # its libraries are loaded: from now on time is the file's
    return process, connection


# -------------------------------------------------------------------------------------------------------------- child


def _serve(connection: Connection) -> None:
    """Do tasks until the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # C libraries print what they think of a file, and may quote it
        os.dup2(nowhere, stream)
    from lge_sweep.ingest import dicom_pixels  # noqa: F401  # loaded before the first file's time begins

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump takes seconds and holds the patient's images
    _limit_memory()
    connection.send("ready")
    with suppress(EOFError, OSError):
        while connection.poll(_IDLE_SECONDS):
            task = connection.recv()
            try:
                answer = task()
            except UnusableError as error:
                answer = error
            connection.send(answer)


def _limit_memory() -> None:
    """Let the process grow by no more than `_MAX_CHILD_BYTES`, where the system can tell how large it is (Linux)."""
    if sys.platform != "linux":
        return
    found = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "every Linux tells VmData"
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(found[1]) * 1024 + _MAX_CHILD_BYTES, most))
