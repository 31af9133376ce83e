"""Read what a sweep or a pipeline has found, from the folders of the run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lge_sweep.browse.shown import ShownCases
from lge_sweep.choices import look_up, suggest
from lge_sweep.config import Cell
from lge_sweep.data import load_arrays
from lge_sweep.errors import DamagedError, RunsError
from lge_sweep.labels import SINGLE_STAGE, STAGES, stage_target
from lge_sweep.pipeline import (
    ComparisonRecord,
    EvaluationRecord,
    chosen_out_of_fold,
    read_at_size,
    rows_measured,
    shipped_on_validation,
    shipped_when_evaluated,
)
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.run_store import EvaluationFolder, RunStore
from lge_sweep.study import (
    REMEDY,
    Plan,
    load_plan,
    read_cell,
    read_per_image,
    read_predictions,
    read_record,
    read_selection,
)
from lge_sweep.text import slug

_NOT_KEPT = "an earlier version kept the labels of what is shipped alone"


def sweep_cases(folder: Path, show: str | None) -> ShownCases:
    """Read what a cell of a sweep of phase 1 or 2, or of a search, or a pipeline of phase 3 has found.

    Args:
        folder: of the sweep.
        show: the cell or the pipeline; None: the winner, or the pipeline that is shipped.

    Raises:
        ConfigError: there is no such cell or pipeline.
        RunsError: nothing was selected or compared yet, labels were not kept, or a file is damaged.
    """
    plan = load_plan(folder)
    if not plan.config.fit:
        return _cell_cases(plan, show)
    if not plan.files.comparison.is_file():
        other = "the sweep of its networks of stage 2 has the pipelines (lge-sweep status)"
        todo = other if plan.config.stage == 1 else "repeat the command of phase 3 to complete it"
        raise RunsError(f"{plan.name}: no pipelines were compared here; {todo}")
    record = read_record(ComparisonRecord, plan.files.comparison)
    shipped = default = shipped_on_validation(plan.files, record)
    if plan.files.choice.is_file():
        shipped, default = "", chosen_out_of_fold(plan.files)
    measured = _Measured(plan, plan.files, record, shipped, f"phase 3: {plan.config.data}, {plan.config.profile}")
    return measured.cases(default if show is None else show)


def evaluation_cases(store: RunStore, files: EvaluationFolder, show: str | None) -> ShownCases:
    """Read what a pipeline has found in the test subset.

    Args:
        store: the runs directory.
        files: the folder of phase 4.
        show: the pipeline; None: the one that is shipped.

    Raises:
        ConfigError: there is no such pipeline.
        RunsError: its labels were not kept, or a file is damaged.
    """
    record = read_record(EvaluationRecord, files.record)
    plan = load_plan(store.sweep(record.fits).path)
    shipped = shipped_when_evaluated(plan.files, record)
    title = f"phase 4: {plan.config.data}, {plan.config.profile}"
    return _Measured(plan, files, record, shipped, title).cases(shipped if show is None else show)


def _cell_cases(plan: Plan, show: str | None) -> ShownCases:
    finished = {cell.name: cell for cell in plan.cells if plan.cell_files(cell).outcome.is_file()}
    if show is None and not plan.files.selection.is_file():
        listed = f"; name one with --show ({suggest('', finished)})" if finished else ""
        raise RunsError(f"{plan.name}: there is no winner yet{listed}")
    wanted = read_selection(plan.files.selection).champion if show is None else show
    cell = look_up("cell", wanted, finished)
    record, files = read_cell(plan.cell_files(cell), cell, plan.name), plan.cell_files(cell)
    rows, arrays = plan.rows(record.subset), load_arrays(plan.arrays)
    codes = np.array(STAGES[cell.stage], dtype=np.uint8)
    found = read_predictions(files.predictions)
    if found.max(initial=0) >= len(codes):
        raise DamagedError(files.predictions, f"it has other classes than the {len(codes)} of the stage", REMEDY)
    shown = ShownCases(
        run=plan.name,
        title=plan.title,
        what=cell.name,
        meaning=_describe(plan, cell, show),
        subset=record.subset,
        stage=cell.stage,
        slices=plan.manifest.iloc[rows].reset_index(drop=True),
        images=arrays.images[rows],
        truth=codes[stage_target(arrays.labels[rows], cell.stage)],
        prediction=codes[found],
        per_image=read_per_image(files.per_image),
        table=files.per_image,
    )
    shown.check()
    return shown


def _describe(plan: Plan, cell: Cell, show: str | None) -> str:
    guided = "; stage 2 was given the true cavity" if cell.stage == 2 else ""
    return f"{plan.short_name(cell)}{', the winner of the sweep' if show is None else ''}{guided}"


@dataclass(frozen=True)
class _Measured:
    """Pipelines that were measured on a subset.

    Attributes:
        plan: the sweep of their networks.
        files: where they were measured.
        record: what is kept of that.
        shipped: the pipeline whose labels `files.labels` are; "": none.
        title: what was run.
    """

    plan: Plan
    files: MeasuredFolder
    record: ComparisonRecord
    shipped: str
    title: str

    def cases(self, show: str) -> ShownCases:
        """Return what a pipeline has found."""
        subset = self.record.subset
        name = {slug(known): known for known in self.record.meanings}.get(show, show)
        meaning = look_up("pipeline", name, self.record.meanings)
        rows, arrays = rows_measured(self.plan.manifest, subset), load_arrays(self.plan.arrays)
        table = self.files.subset_table(subset, name)
        shown = ShownCases(
            run=self.files.name,
            title=self.title,
            what=name,
            meaning=meaning + ", which is shipped" * (name == self.shipped),
            subset=subset,
            stage=SINGLE_STAGE,
            slices=self.plan.manifest.iloc[rows].reset_index(drop=True),
            images=arrays.images[rows],
            truth=arrays.labels[rows],
            prediction=read_at_size(self._labels(name), rows, arrays.labels.shape[1]),
            per_image=read_per_image(table),
            table=table,
        )
        shown.check()
        return shown

    def _labels(self, name: str) -> Path:
        kept = self.files.subset_labels(self.record.subset, name)
        if kept.is_file():
            return kept
        if name == self.shipped and self.files.labels.is_file():
            return self.files.labels
        again = "Phase 3, run again, keeps all, and trains nothing anew" if self.record.subset != "test" else ""
        other = f"Show that: --show {self.shipped!r}" if self.shipped else ""
        advice = ". ".join(part for part in (again, other) if part)
        raise RunsError(f"{self.files.name}: the labels of '{name}' are not there: {_NOT_KEPT}. {advice}")
