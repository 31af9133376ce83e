"""Look up a name among the ones we know, and suggest the nearest when it is not there."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from lge_sweep.errors import ConfigError
from lge_sweep.text import MAX_QUOTED, shorten

_T = TypeVar("_T")


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which names are allowed, and which one was probably meant.

    Args:
        name: what the user wrote.
        known: the names that exist.

    Returns:
        A sentence fragment such as ``did you mean 'unet'? (allowed: segnet, unet)``.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name[:MAX_QUOTED].lower(), names, n=1, cutoff=0.5)
    allowed = f"allowed: {', '.join(names)}"
    return f"did you mean '{near[0]}'? ({allowed})" if near else allowed


def look_up(what: str, name: str, table: Mapping[str, _T]) -> _T:
    """Return ``table[name]``.

    Args:
        what: the kind of thing looked up, for the message ("model", "loss").
        name: the name asked for.
        table: short name -> thing.

    Raises:
        ConfigError: `name` is not in `table`; the message names the nearest one.
    """
    if name not in table:
        raise ConfigError(f"unknown {what} '{shorten(name)}': {suggest(name, table)}")
    return table[name]
