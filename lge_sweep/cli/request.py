"""What a user asked of a command, as one value."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

OF_ALL_PHASES = ("source.", "curate.", "split.", "intensity.", "training.")
"""Settings that one phase must share with the next."""
OF_FITS = ("fit.", "metrics.")
"""Settings that phases 3 and 4 share."""


@dataclass(frozen=True, kw_only=True)
class PhaseRequest:
    """A phase of the study.

    Attributes:
        data: name or path of a data file.
        root: folder of the images.
        profile: name or path of a profile file, or "auto".
        settings: `KEY=VALUE` overrides.
        workers: cells trained at the same time; None: as many as pay.
        executor: where cells are trained; None: on this machine, or as the environment says.
        cluster: address or file that the executor needs.
        gpus_per_trial: GPUs of a cell, a share of one or several; None: one where there are GPUs.
        runs: folder for all results.
        allow_incomplete: go on although cells failed.
        pipelines: name or path of a file of pipelines past the paper, of phases 3 and 4.
    """

    data: str
    root: Path | None
    profile: str
    settings: Sequence[str]
    workers: int | None = None
    executor: str | None = None
    cluster: str | None = None
    gpus_per_trial: float | None = None
    runs: Path | None
    allow_incomplete: bool
    pipelines: str | None = None

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
        kept = [setting for setting in self.settings if setting.startswith(shared)]
        settings = [word for setting in (*kept, *more) for word in ("--set", setting)]
        return shlex.join(["lge-sweep", phase, *options, *settings])


@dataclass(frozen=True, kw_only=True)
class SelectRequest:
    """A new selection in a finished sweep.

    Attributes:
        override: configuration (or cell) to select whatever the rule says; kept until withdrawn.
        reason: why.
        withdraw: go back to the rule's choice.
        allow_incomplete: select although cells have no result.
    """

    override: str | None = None
    reason: str = ""
    withdraw: bool = False
    allow_incomplete: bool = False


@dataclass(frozen=True)
class ReportRequest:
    """The report of a study.

    Attributes:
        sweep: a sweep of the study; None: data and profile say which.
        data: name or path of a data file.
        profile: name or path of a profile file, or "auto".
        output: folder to write; None: one in the runs directory.
        images: whether pictures of patients are wanted.
    """

    sweep: str | None
    data: str
    profile: str
    output: Path | None
    images: bool


@dataclass(frozen=True)
class BrowseRequest:
    """The page of a run's cases.

    Attributes:
        run: folder or name of a sweep or of a phase 4, or the id of a sweep's MLflow run.
        show: a cell of the sweep, or a pipeline; None: the winner, or what is shipped.
        output: file to write; None: one in the run's folder.
        mlflow: whether it is put among the artifacts of the run in MLflow, too.
    """

    run: str
    show: str | None
    output: Path | None
    mlflow: bool
