"""Which profile a phase is run with."""

from lge_sweep.errors import LgeSweepError


def choose_profile(profile: str) -> tuple[str, str]:
    """Return the name of the profile to use, and why.

    Args:
        profile: a name or path, or "auto": `paper` where torch finds a CUDA device, else `laptop`.
    """
    if profile not in ("auto", "paper"):
        return profile, "as asked"
    try:
        import torch

        from lge_sweep.gpu import gpu_obstacle
    except ImportError as error:
        raise LgeSweepError(f"torch cannot be imported ({error}); run 'make install' again") from error
    obstacle = gpu_obstacle()
    if profile == "paper":
        slow = f"there is no GPU that torch can use ({obstacle}): expect seconds a step; profile laptop is for that"
        return profile, f"as asked; {slow}" if obstacle else f"as asked, on {torch.cuda.get_device_name(0)}"
    if obstacle is None:
        return "paper", f"chosen because there is a GPU ({torch.cuda.get_device_name(0)})"
    return "laptop", (
        f"chosen because there is no GPU that torch can use ({obstacle}); smaller than the paper's, its numbers are "
        "not the paper's"
    )
