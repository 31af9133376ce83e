"""Variables of the shell that change what the program does, and whether what they say can be obeyed."""

import difflib
import os
from collections.abc import Callable
from functools import partial

from lge_sweep.cli.doctor.finding import Finding, Section, broken, note
from lge_sweep.errors import LgeSweepError
from lge_sweep.paths import (
    CHECKPOINT_VARIABLE,
    DATA_VARIABLE,
    STALL_VARIABLE,
    checkpoint_interval,
    data_root,
    stall_limit,
)
from lge_sweep.text import hide_credentials, shorten

OWN = "LGE_SWEEP_"
SECRET = frozenset(
    {
        "LGE_SWEEP_SALT", "LGE_SWEEP_DICOMWEB_USER", "LGE_SWEEP_DICOMWEB_PASSWORD", "LGE_SWEEP_DICOMWEB_TOKEN",
        "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
    }
)  # fmt: skip
"""What is set is said, not to what."""
PLAIN = frozenset(
    {
        "LGE_SWEEP_RUNS", "LGE_SWEEP_EXECUTOR", "LGE_SWEEP_CLUSTER", "LGE_SWEEP_STORAGE", "LGE_SWEEP_SHARE",
        "LGE_SWEEP_EXPLAIN", DATA_VARIABLE, STALL_VARIABLE, CHECKPOINT_VARIABLE, "MLFLOW_TRACKING_URI",
        "CUDA_VISIBLE_DEVICES",
    }
)  # fmt: skip
FOR_TESTS = frozenset(f"{OWN}{name}" for name in ("SLOW_TESTS", "TEST_DATA", "NNUNET"))
CHECKS: dict[str, Callable[[], object]] = {
    STALL_VARIABLE: stall_limit,
    CHECKPOINT_VARIABLE: checkpoint_interval,
    DATA_VARIABLE: partial(data_root, None),
}
"""Variable -> what reads it, and says what is wrong with it."""


def look_at_variables() -> Section:
    """Look at those that are set."""
    is_set = [name for name in sorted(os.environ) if os.environ[name] or name == "CUDA_VISIBLE_DEVICES"]
    shown = [_shown(name) for name in is_set if name in SECRET | PLAIN]
    findings = [_unknown(name) for name in is_set if name.startswith(OWN) and name not in SECRET | PLAIN | FOR_TESTS]
    for name in sorted(CHECKS.keys() & is_set):
        try:
            CHECKS[name]()
        except LgeSweepError as error:
            findings.append(broken(f"{name} is wrong", f"{name}: {error}", f"change or unset {name}"))
    return Section("variables", ", ".join(shown) or "none of ours is set", tuple(findings))


def _shown(name: str) -> str:
    return f"{name} (secret)" if name in SECRET else f"{name}={shorten(hide_credentials(os.environ[name]))}"


def _unknown(name: str) -> Finding:
    near = difflib.get_close_matches(name, sorted(SECRET | PLAIN), n=1, cutoff=0.8)
    meant = f": did you mean {near[0]}?" if near else ""
    return note(f"{shorten(name)} is set, which nothing reads{meant}", f"unset {shorten(name)}")
