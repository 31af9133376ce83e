"""The settings of a phase, read before the libraries that it works with are loaded: a wrong name is told of at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from lge_sweep.api.profile import choose_profile
from lge_sweep.api.study import Study
from lge_sweep.config import SweepConfig, load_sweep


@dataclass(frozen=True)
class PhaseSettings:
    """The settings of a phase.

    Attributes:
        profile: which profile it is run with, and why.
        configs: of each of its stages.
    """

    profile: str
    configs: Sequence[SweepConfig]


def read_settings(phase: str, stages: Sequence[int], study: Study) -> PhaseSettings:
    """Read the settings of a phase.

    Args:
        phase: its name.
        stages: 1, 2 or both.
        study: data, profile and settings of it.

    Raises:
        LgeSweepError: a name or a value is wrong.
    """
    profile, reason = choose_profile(study.profile, study.data)
    file = "phase3" if phase == "phase4" else phase  # what is evaluated is what those settings fitted
    configs = [
        load_sweep(file, stage, study.data, profile, study.overrides, pipelines=study.pipelines) for stage in stages
    ]
    return PhaseSettings(f"{profile}: {reason}", configs)
