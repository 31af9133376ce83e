"""Whole pipelines side by side, read from the folder that they were measured in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pandas as pd

from lge_sweep.api.find import result_file
from lge_sweep.pipeline import (
    ComparisonRecord,
    EvaluationRecord,
    chosen_out_of_fold,
    comparison_frame,
    read_comparison,
    shipped_on_validation,
    shipped_when_evaluated,
)
from lge_sweep.run_folders import MeasuredFolder, SweepFolder
from lge_sweep.run_store import EvaluationFolder, RunStore
from lge_sweep.study import load_plan, read_record

if TYPE_CHECKING:
    from lge_sweep.browse import ShownCases


@dataclass(frozen=True, eq=False)
class Pipelines:
    """The paper's pipeline beside its controls, classical thresholds and what is shipped. A notebook shows `table`.

    Attributes:
        folder: of phase 3 or 4; tables and figures are in it.
        subset: "val", "test", or "out_of_fold": cases that their networks never saw.
        selected: the pipeline that is shipped; out of fold the one that serves best.
        table: a row a pipeline, the paper's first: see `lge_sweep.pipeline.comparison_frame`.
        meanings: pipeline -> what it is.
        test_access: of the test subset how untouched it was, in words; else "".
        out_of_fold: of phase 3 with pipelines past the paper, these; else None.
    """

    folder: Path
    subset: str
    selected: str
    table: pd.DataFrame = field(repr=False)
    meanings: Mapping[str, str] = field(repr=False)
    test_access: str = ""
    out_of_fold: "Pipelines | None" = None

    @classmethod
    def read(cls, files: MeasuredFolder) -> Self:
        """Read them from the folder of phase 3's fits or of phase 4.

        Raises:
            RunsError: no pipelines were compared there yet, or a file is damaged.
        """
        record: ComparisonRecord
        if isinstance(files, EvaluationFolder):
            record = tested = read_record(EvaluationRecord, files.record)
            plan = load_plan(RunStore(files.path.parent).sweep(tested.fits).path)
            selected, access = shipped_when_evaluated(plan.files, tested), tested.test_access
        else:
            plan, access = load_plan(files.path), ""
            record, files = read_record(ComparisonRecord, result_file(plan)), plan.files
            past = plan.files.choice.is_file()
            selected = chosen_out_of_fold(plan.files) if past else shipped_on_validation(plan.files, record)
        comparison = read_comparison(plan, files, record)
        return cls(
            folder=files.path,
            subset=comparison.subset,
            selected=selected,
            table=comparison_frame(comparison),
            meanings=comparison.meanings,
            test_access=access,
        )

    def cases(self, show: str | None = None) -> "ShownCases":
        """Read the slices of the subset, with truth and prediction.

        Args:
            show: the pipeline, as in `table`; None: the selected one.

        Raises:
            ConfigError: there is no such pipeline.
            RunsError: its labels were not kept, or a file is damaged.
        """
        from lge_sweep.api.cases import read_cases

        return read_cases(self._files, show)

    def write_page(self, show: str | None = None, output: str | Path | None = None) -> Path:
        """Write one HTML file to look at the cases, worst first; it holds pictures of them all.

        Args:
            show: as for `cases`.
            output: the file; None: `cases_<pipeline>.html` in `folder`.

        Returns:
            The file.

        Raises:
            ConfigError: there is no such pipeline.
            RunsError: the page cannot be written, labels were not kept, or a file is damaged.
        """
        from lge_sweep.api.cases import page_of

        return page_of(self._files, show, output)

    @property
    def _files(self) -> MeasuredFolder:
        return EvaluationFolder(self.folder) if self.subset == "test" else SweepFolder(self.folder)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        said = f"{self.subset} subset; selected: {self.selected}"
        return f"<p>{escape(said)}</p>{self.table.round(4).to_html(index=False, na_rep='-')}"
