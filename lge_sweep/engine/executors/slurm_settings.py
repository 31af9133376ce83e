"""What SLURM is asked for: the file that `--cluster` names."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from lge_sweep.config.base import Settings
from lge_sweep.config.loader import read_yaml
from lge_sweep.config.validation import validate
from lge_sweep.errors import ConfigError
from lge_sweep.paths import user_path

_NO_WORD = re.compile(r"[\s'\"\x00-\x1f]")


def _word(text: str) -> str:
    if not text or _NO_WORD.search(text):
        raise ValueError("expected one word without spaces and quotes, as a line of #SBATCH takes it")
    return text


def _minutes(given: object) -> object:
    """Read a time as SLURM writes it: M:SS, H:MM:SS, D-H, D-H:MM, D-H:MM:SS; begun minutes count."""
    if not isinstance(given, str) or given.isdecimal():
        return given
    days, dash, rest = given.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdecimal() for part in parts) or len(parts) > 3 or (dash and not days.isdecimal()):
        raise ValueError("expected minutes, or hours, minutes and seconds as in '4:00:00' or '1-12:00:00'")
    numbers = [int(part) for part in parts]
    if dash or len(numbers) == 3:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    else:
        hours, minutes, seconds = 0, *numbers
    return 24 * 60 * int(days or 0) + 60 * hours + minutes + (seconds > 0)


def _lines(given: object) -> object:
    return [given] if isinstance(given, str) else given


Word = Annotated[str, StringConstraints(max_length=200), AfterValidator(_word)]
"""A value of an `#SBATCH` line."""


class SlurmSettings(Settings):
    """One job a cell. What is not named is SLURM's, or the cluster's, own."""

    partition: Word | None = None
    """Where to run; the cluster's default if none is named."""
    account: Word | None = None
    """Who is charged."""
    qos: Word | None = None
    """Quality of service."""
    time: Annotated[int, BeforeValidator(_minutes)] = Field(240, ge=1, le=14 * 24 * 60)
    """Most minutes of a job, or its time as SLURM writes it, `4:00:00`; one that needs more goes back into the queue.

    It goes on from its checkpoint.
    """
    cpus_per_task: int = Field(2, ge=1, le=256)
    """Processors of a cell; that many threads compute."""
    mem_gb: float | None = Field(None, gt=0, le=4096)
    """Memory of a cell."""
    gres: Word | None = None
    """Generic resources, such as `gpu:1`."""
    constraint: Word | None = None
    """Features that a node must have."""
    exclude: Word | None = None
    """Nodes that are not to be used."""
    requeues: int = Field(10, ge=0, le=1000)
    """How often a job that ran out of time may go on."""
    signal_seconds: int = Field(90, ge=5, le=3600)
    """How long before its end a job is told, to go back into the queue."""
    setup: Annotated[tuple[Annotated[str, StringConstraints(max_length=1000)], ...], BeforeValidator(_lines)] = ()
    """Lines of shell before the program, such as `module load cuda`."""

    def parameters(self) -> dict[str, object]:
        """Return them as submitit names them."""
        own = self.model_dump(exclude={"requeues", "signal_seconds", "setup", "mem_gb"}, exclude_none=True)
        memory = {} if self.mem_gb is None else {"mem": f"{round(self.mem_gb * 1024)}M"}
        return {
            **own,
            **memory,
            "signal_delay_s": self.signal_seconds,
            "setup": list(self.setup),
            "additional_parameters": {"requeue": True},
        }


def read_slurm_settings(named: str) -> SlurmSettings:
    """Read the file that a user has named; defaults if none is named.

    Raises:
        ConfigError: it cannot be read, or a setting is unknown or against a rule.
    """
    if not named:
        return SlurmSettings()
    path = user_path(named)
    where = f"--cluster {path}"
    if not path.is_file():
        raise ConfigError(f"{where}: no such file; expected a YAML file of what a job asks for, see docs/cluster.md")
    return validate(SlurmSettings, read_yaml(path) if path.stat().st_size else {}, where)
