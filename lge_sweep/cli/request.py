"""What a user asked of a command, as one value."""

from dataclasses import dataclass
from pathlib import Path


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
