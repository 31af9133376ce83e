"""Whether torch can use the GPU; apart from `models`, whose libraries take seconds to import."""

import warnings
from functools import cache

import torch


@cache
def gpu_obstacle() -> str | None:
    """Return a sentence that says why torch computes on no GPU, or None where it does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is what is returned
        if not torch.cuda.is_available():
            try:
                torch.zeros(1, device="cuda")
            except (AssertionError, RuntimeError) as error:
                return " ".join(str(error).split()).split(". ")[0].rstrip(".")
            return "CUDA finds no device"
    has = torch.cuda.get_device_capability(0)
    oldest = min(
        (divmod(int(name.removeprefix("sm_")), 10) for name in torch.cuda.get_arch_list() if name[3:].isdigit()),
        default=has,
    )
    if has < oldest:
        needed, given = (".".join(map(str, version)) for version in (oldest, has))
        return f"{torch.cuda.get_device_name(0)} has compute capability {given}; this torch needs {needed}"
    return None
