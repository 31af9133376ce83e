"""A study as one value: the data, the profile, where results go; and its phases, as a program runs them."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lge_sweep.errors import ConfigError
from lge_sweep.paths import as_path
from lge_sweep.progress import ProgressCallback
from lge_sweep.run_store import RunStore
from lge_sweep.text import shorten

if TYPE_CHECKING:  # they load pandas
    from lge_sweep.api.pipelines import Pipelines
    from lge_sweep.api.ranking import Ranking

OF_ALL_PHASES = ("source.", "curate.", "split.", "intensity.", "training.")
"""Settings that one phase must share with the next."""
OF_FITS = ("fit.", "metrics.")
"""Settings that phases 3 and 4 share."""
SettingsGiven = Mapping[str, object] | Sequence[str]
"""Settings that win over the files: name -> plain value, such as `{"training.max_epochs": 5}`; or `KEY=VALUE` texts."""
_STAGES = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Study:
    """All phases on one data set with one profile, in one runs directory.

    Each phase does what the command of its name does, by the same code: the same ledger, folders, tables and models.
    What is finished is not done again, by whomever it was done; what was stopped goes on where it was. Nothing is
    printed. A program that is a file needs the guard `if __name__ == "__main__":`, because trainings are processes of
    their own, which import it.

    Attributes:
        data: name or path of a data file; "phantom": simulated exams.
        root: folder of the images; None: as `LGE_SWEEP_DATA` says.
        profile: name or path of a profile file; "auto": `paper` with a GPU, else `tour` for simulated exams, and
            `laptop` for others.
        settings: of all its phases; see `SettingsGiven` and docs/settings.md.
        workers: cells trained at the same time; None: as many as pay.
        executor: where cells are trained: "local", "slurm" or "ray"; None: here, or as `LGE_SWEEP_EXECUTOR` says.
        cluster: address or file that the executor needs.
        gpus_per_trial: GPUs of a cell, a share of one or several; None: one where there are GPUs.
        runs: folder for all results; None: as `LGE_SWEEP_RUNS` says, else `runs` here.
        allow_incomplete: go on although cells failed.
        pipelines: name or path of a file of pipelines past the paper, of phases 3 and 4.

    >>> study = Study(profile="laptop", settings={"training.max_epochs": 5, "grid.model": ["unet"]})
    >>> study.overrides
    ('training.max_epochs=5', 'grid.model=[unet]')
    >>> study.command("phase2", stage=1)
    'lge-sweep phase2 --stage 1 --data phantom --profile laptop --set training.max_epochs=5'
    """

    data: str = "phantom"
    root: str | Path | None = None
    profile: str = "auto"
    settings: SettingsGiven = ()
    workers: int | None = None
    executor: str | None = None
    cluster: str | None = None
    gpus_per_trial: float | None = None
    runs: str | Path | None = None
    allow_incomplete: bool = False
    pipelines: str | None = None

    @property
    def overrides(self) -> tuple[str, ...]:
        """Its settings as `KEY=VALUE` texts.

        Raises:
            ConfigError: a value is no plain data.
        """
        if isinstance(self.settings, Mapping):
            return tuple(f"{key}={_as_yaml(key, value)}" for key, value in self.settings.items())
        return tuple(self.settings)

    @property
    def image_root(self) -> Path | None:
        """Folder of the images, if it was named."""
        return as_path(self.root)

    def store(self) -> RunStore:
        """Return the runs directory."""
        return RunStore.open(as_path(self.runs))

    def command(self, phase: str, stage: int, more: Sequence[str] = ()) -> str:
        """Return the command that runs another phase on the same data with the same profile.

        Args:
            phase: the other phase.
            stage: of which stage; 0 for a phase of both.
            more: further `KEY=VALUE` settings, which win over the user's.
        """
        options = ["--stage", str(stage)] * bool(stage) + ["--data", self.data, "--profile", self.profile]
        options += ["--root", str(self.root)] * bool(self.root) + ["--runs", str(self.runs)] * bool(self.runs)
        options += ["--pipelines", self.pipelines] if self.pipelines and phase == "phase3" else []
        shared = (*OF_ALL_PHASES, *OF_FITS) if phase == "phase3" else OF_ALL_PHASES
        kept = [setting for setting in self.overrides if setting.startswith(shared)]
        settings = [word for setting in (*kept, *more) for word in ("--set", setting)]
        return shlex.join(["lge-sweep", phase, *options, *settings])

    def phase1(
        self,
        *,
        stages: Sequence[int] = _STAGES,
        settings: SettingsGiven = (),
        on_progress: ProgressCallback | None = None,
    ) -> "dict[int, Ranking]":
        """Train and measure all architectures, rank them, keep the best two of each stage.

        Args:
            stages: 1: cavity. 2: myocardium and scar, given the true cavity.
            settings: of this phase, beside those of the study, such as `{"grid.model": ["unet", "segnet"]}`.
            on_progress: told what happened last, how many cells of a sweep are done, and how many there are.

        Returns:
            Stage -> its ranking.

        Raises:
            ConfigError: a name or a value is wrong.
            DataError: the data cannot be used.
            RunsError: the runs directory cannot be used, or another program is using it.
            SelectionError: cells failed, or nothing can be selected.

        Source: paper sections III.F and III.G.
        """
        return self._rank("phase1", stages, settings, on_progress)

    def phase2(
        self,
        *,
        stages: Sequence[int] = _STAGES,
        settings: SettingsGiven = (),
        on_progress: ProgressCallback | None = None,
    ) -> "dict[int, Ranking]":
        """Train losses by optimizers for the architectures of phase 1; select and register one configuration a stage.

        Args:
            stages: as for `phase1`.
            settings: of this phase, beside those of the study; `{"grid.model": ["unet"]}` names architectures that
                phase 1 need not have selected.
            on_progress: as for `phase1`.

        Returns:
            Stage -> its ranking.

        Raises:
            InheritError: phase 1 has not selected on this data with this profile; the message has its command.
            LgeSweepError: as `phase1`.

        Source: paper sections III.H and III.I.
        """
        return self._rank("phase2", stages, settings, on_progress)

    def search(
        self,
        *,
        stages: Sequence[int] = _STAGES,
        settings: SettingsGiven = (),
        on_progress: ProgressCallback | None = None,
    ) -> "dict[int, Ranking]":
        """Let Optuna draw loss, optimizer and training options instead of training a grid.

        Args:
            stages: as for `phase1`.
            settings: of this phase, beside those of the study, such as `{"search.trials": 40}`.
            on_progress: as for `phase1`.

        Returns:
            Stage -> its ranking.

        Raises:
            LgeSweepError: as `phase2`.
        """
        return self._rank("search", stages, settings, on_progress)

    def phase3(
        self, *, settings: SettingsGiven = (), ship_again: bool = False, on_progress: ProgressCallback | None = None
    ) -> "Pipelines":
        """Fit the two selected networks into one pipeline, beside its controls, and ship what the settings ask for.

        The champion of the registry is then `models:/lge-two-stage@champion`, for `load_segmenter` and `predict`.

        Args:
            settings: of this phase and of phase 4, beside those of the study.
            ship_again: make it the champion although it has been shipped before, and another has taken its place.
            on_progress: as for `phase1`; told of the labelling, too.

        Returns:
            The pipelines on the validation subset.

        Raises:
            InheritError: phase 2 has not selected both stages; the message has its command.
            LgeSweepError: as `phase1`.

        Source: paper section III.J; folds and controls are ours.
        """
        from lge_sweep.api.fits import pipelines_of_phase3

        return pipelines_of_phase3(self._with(settings), ship_again, on_progress)

    def phase4(self, *, settings: SettingsGiven = (), on_progress: ProgressCallback | None = None) -> "Pipelines":
        """Evaluate the shipped pipeline on the test subset: once; after that it is read back, and not looked at again.

        Args:
            settings: those that phase 3 was given.
            on_progress: told what labels the subset next, how many have, and how many there are.

        Returns:
            The pipelines on the test subset.

        Raises:
            InheritError: phase 3 is not complete; the message has its command.
            LgeSweepError: as `phase1`.

        Source: paper section III.K, Tables VI to VIII.
        """
        from lge_sweep.api.fits import pipelines_of_phase4

        return pipelines_of_phase4(self._with(settings), on_progress)

    def _rank(
        self, phase: str, stages: Sequence[int], settings: SettingsGiven, on_progress: ProgressCallback | None
    ) -> "dict[int, Ranking]":
        if not stages:
            raise ConfigError("stages: expected 1, 2 or both, got none")
        from lge_sweep.api.sweeps import rankings_of

        return rankings_of(self._with(settings), phase, stages, on_progress)

    def _with(self, settings: SettingsGiven) -> "Study":
        """Return the study with further settings, which win."""
        return replace(self, settings=(*self.overrides, *replace(self, settings=settings).overrides))


def _as_yaml(key: str, value: object) -> str:
    """Write a setting's value as YAML, on a line."""
    import yaml  # which --help does without

    try:
        written = yaml.safe_dump([_plain(value)], default_flow_style=True, width=math.inf, allow_unicode=True)
    except TypeError as error:
        raise ConfigError(
            f"{shorten(key)}: expected text, a number, True, False, None, or lists or dicts of them, got {error}"
        ) from None
    return written.strip()[1:-1]


def _plain(value: object) -> object:
    """Return what YAML can say, in new lists and dicts: one that is there twice would get a name in YAML."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    raise TypeError(type(value).__name__)
