"""What ends a command, or a step of it, from outside: signals, and a limit of time."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Let a cluster's SIGTERM, or a terminal that is closed, raise KeyboardInterrupt, so that work is left in order.

    Under `nohup` SIGHUP is ignored, and stays so.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for name in names if signal.getsignal(number := getattr(signal, name)) != signal.SIG_IGN]
    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Let a child that is started here not hear Ctrl-C, which reaches the whole group; its parent ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


SOON = 0.01
"""Seconds until it is tried again where an interruption would be lost."""


class TimeLimitError(BaseException):
    """A step took longer than it may; no `except` of a library on the way hides it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt Python code that takes longer; only a process's first thread can be interrupted so.

    Raises:
        TimeLimitError: it took longer.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    message, over = f"it takes longer than {seconds:.0f} s", False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal over
        if _is_deleting(frame):
            signal.setitimer(signal.ITIMER_REAL, SOON)
            return
        over = True
        raise TimeLimitError(message)

    previous, began = signal.signal(signal.SIGALRM, interrupt), time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except Exception as error:
        if over:  # pydicom takes whatever happens while it reads an item's tag for an error of the file
            raise TimeLimitError(message) from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if left:  # of a limit around this one
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 0.001), interval)


def _is_deleting(frame: FrameType | None) -> bool:
    """Whether an object is being deleted, where Python prints what is raised and goes on."""
    while frame:
        if frame.f_code.co_name == "__del__" or frame.f_code.co_filename.endswith(("weakref.py", "_weakrefset.py")):
            return True
        frame = frame.f_back
    return False
