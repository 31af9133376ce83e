"""Bounds for tests of inputs that a program may wait for for ever."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class HangError(BaseException):
    """It takes too long; no handler of the program may catch this."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise a HangError in the main thread once the time is over."""

    def over(number: int, frame: FrameType | None) -> None:
        raise HangError

    previous = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
