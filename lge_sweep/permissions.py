"""Who may read results: their owner alone, or the group of their folder too. Patients' data is private by default."""

import os
import shlex
from pathlib import Path
from typing import Literal

Share = Literal["nobody", "group"]
SHARE_VARIABLE = "LGE_SWEEP_SHARE"
UMASKS: dict[str, int] = {"nobody": 0o077, "group": 0o007}
"""Whom results are shared with -> the process's umask, which all processes that it starts inherit."""
_READ_OR_ENTER_BITS = 0o555


def describe_open_folder(folder: Path) -> str:
    """Say that a folder lets in whom a new one would keep out, and how to close it; "" if it does not.

    It is not closed unasked: whoever opened it may have meant to. What is made in it from now on is private anyway.

    Args:
        folder: the runs directory; it need not exist.
    """
    mask = os.umask(UMASKS["nobody"])  # to read it is to set it
    os.umask(mask)
    open_to = folder.stat().st_mode & mask & _READ_OR_ENTER_BITS if os.name == "posix" and folder.is_dir() else 0
    if not open_to:
        return ""
    closed = "o" if mask == UMASKS["group"] else "go"
    return (
        "others on this machine can see into this folder; what is made in it from now on is private. To close it, and "
        f"what it holds from before: chmod -R {closed}-rwx {shlex.quote(str(folder))}"
    )
