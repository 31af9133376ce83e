"""Which profile a phase is run with."""

from pathlib import Path

from lge_sweep.config import is_simulated
from lge_sweep.errors import LgeSweepError

ASKED = "as asked"
"""Why a profile is used that somebody named."""
MEANINGLESS = {"smoke": "it trains next to nothing, only to go through every step: its numbers mean nothing"}
"""Profile -> why its numbers say nothing of how networks do."""


def choose_profile(profile: str, data: str) -> tuple[str, str]:
    """Return the name of the profile to use, and why.

    Args:
        profile: a name or path, or "auto": `paper` where torch finds a CUDA device; else `tour` for simulated exams,
            and `laptop` for others.
        data: name or path of the data file.

    Raises:
        LgeSweepError: torch cannot be imported, or there is no such data file.
    """
    if profile not in ("auto", "paper"):
        warning = MEANINGLESS.get(Path(profile).stem)
        return profile, f"{ASKED}; {warning}" if warning else ASKED
    try:
        import torch

        from lge_sweep.gpu import gpu_obstacle
    except ImportError as error:
        raise LgeSweepError(f"torch cannot be imported ({error}); run 'make install' again") from error
    obstacle = gpu_obstacle()
    if profile == "paper":
        slow = f"there is no GPU that torch can use ({obstacle}): expect seconds a step; profile laptop is for that"
        return profile, f"{ASKED}; {slow}" if obstacle else f"{ASKED}, on {torch.cuda.get_device_name(0)}"
    if obstacle is None:
        return "paper", f"chosen because there is a GPU ({torch.cuda.get_device_name(0)})"
    simulated = is_simulated(data)
    return "tour" if simulated else "laptop", (
        f"chosen because {'exams are simulated and ' if simulated else ''}there is no GPU that torch can use "
        f"({obstacle}); smaller than the paper's, its numbers are not the paper's"
    )
