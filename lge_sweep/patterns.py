"""Regular expressions that others wrote, matched against names that others wrote, within a limit of time.

A few characters can make a search take longer than the universe lasts, such as `(a+)+$`. Which do cannot be told from
the expression without forbidding honest ones, so that any is allowed, and a search that takes a second is stopped: a
timer of the process interrupts it (Python's `re` heeds signals while it searches). An honest search takes microseconds.
"""

import re
import warnings

from lge_sweep.errors import ConfigError
from lge_sweep.interrupts import TimeLimitError, time_limit
from lge_sweep.text import error_text, shorten

_MAX_PATTERN = 500
_MAX_NAME = 4096
"""Characters of a name that are searched; a file's has at most 255, a SeriesDescription 64."""
MAX_SECONDS = 1.0


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a compiled regular expression.

    Raises:
        ValueError: it is none, or larger than the largest that is compiled.
    """
    if len(pattern) > _MAX_PATTERN:
        raise ValueError(f"a regular expression of {len(pattern)} characters; at most {_MAX_PATTERN} are read")
    try:
        with time_limit(MAX_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as: a set may mean something else in years to come
            return re.compile(pattern)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"not a regular expression: {error_text(error)}") from error
    except TimeLimitError:
        raise ValueError("a regular expression that takes more than a second to be read; make it simpler") from None


def search_pattern(setting: str, pattern: str, name: str) -> re.Match[str] | None:
    """Search a name for a regular expression of the settings.

    Args:
        setting: key of the setting, for the message.
        pattern: the expression, which `compile_pattern` takes.
        name: the name.

    Raises:
        ConfigError: the search took too long.
    """
    try:
        with time_limit(MAX_SECONDS):
            return re.search(pattern, name[:_MAX_NAME])
    except TimeLimitError:
        raise ConfigError(
            f"{setting}: the regular expression {shorten(pattern)} takes more than a second on the name "
            f"'{shorten(name)}'; make it simpler: what repeats should not be in what repeats, as in (a+)+"
        ) from None
