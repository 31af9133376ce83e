"""The folders of a runs directory, each with the names of its files; see `lge_sweep.run_store`."""

from dataclasses import dataclass
from pathlib import Path

from lge_sweep.atomic import quarantine
from lge_sweep.text import slug


@dataclass(frozen=True)
class Folder:
    """What has a folder of its own in a runs directory."""

    path: Path

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path.name


class MeasuredFolder(Folder):
    """Where pipelines were measured."""

    def subset_table(self, subset: str, pipeline: str) -> Path:
        """Return the file of a pipeline's metrics on a subset, a row an image and class."""
        return self.path / subset / f"{slug(pipeline)}.csv"

    def subset_labels(self, subset: str, pipeline: str) -> Path:
        """Return the file of a pipeline's labels of a subset, of which that table is."""
        return self.path / subset / f"{slug(pipeline)}.labels.npz"

    def cases_page(self, shown: str) -> Path:
        """Return the file of the page that shows labels case by case: those of a cell, or of a pipeline."""
        return self.path / f"cases_{slug(shown)}.html"

    def patient_table(self, table: str, subset: str) -> Path:
        """Return the file of a table of a subset's patients, of all pipelines: see `lge_sweep.pipeline.patients`."""
        return self.path / f"{table}_{subset}.csv"

    def patients_record(self, subset: str) -> Path:
        """Return the file that says how a subset's patients were measured; written last."""
        return self.path / f"patients_{subset}.json"

    @property
    def tables(self) -> Path:
        """All tables, to read; of phase 3 those of patients."""
        return self.path / "tables.md"

    def table(self, name: str) -> Path:
        """Return the file of a table."""
        return self.path / f"{slug(name)}.csv"

    @property
    def labels(self) -> Path:
        """What is shipped made of the subset."""
        return self.path / "labels.npz"


class CellFolder(Folder):
    """The files of a cell.

    >>> CellFolder(Path("runs/s/cells/unet")).outcome.as_posix()
    'runs/s/cells/unet/outcome.json'
    """

    @property
    def sweep(self) -> "SweepFolder":
        """The folder of its sweep."""
        return SweepFolder(self.path.parent.parent)

    @property
    def outcome(self) -> Path:
        """What it came to; written last: a cell whose folder has it is finished."""
        return self.path / "outcome.json"

    @property
    def best(self) -> Path:
        """The weights with the lowest validation loss."""
        return self.path / "best.pt"

    @property
    def history(self) -> Path:
        """The training's losses, a row a step."""
        return self.path / "history.csv"

    @property
    def per_image(self) -> Path:
        """Metrics, a row an image and class."""
        return self.path / "per_image.csv"

    @property
    def predictions(self) -> Path:
        """Labels of the subset that it was measured on."""
        return self.path / "predictions.npz"

    @property
    def results(self) -> tuple[Path, ...]:
        """What a finished cell has beside its outcome and its figures."""
        return self.best, self.history, self.per_image, self.predictions

    @property
    def checkpoint(self) -> Path:
        """What an interrupted training is resumed from."""
        return self.path / "resume.ckpt"

    @property
    def usage(self) -> Path:
        """What its training took of the machine; it may be gone, and nothing else is lost."""
        return self.path / "usage.csv"

    @property
    def log(self) -> Path:
        """What its worker printed."""
        return self.path / "log.txt"


class SweepFolder(MeasuredFolder):
    """The files of a sweep.

    >>> sweep = SweepFolder(Path("runs/phase1-stage1"))
    >>> sweep.settings.as_posix(), sweep.cell("unet").path.as_posix()
    ('runs/phase1-stage1/sweep.yaml', 'runs/phase1-stage1/cells/unet')
    """

    @property
    def runs(self) -> Path:
        """The runs directory."""
        return self.path.parent

    @property
    def settings(self) -> Path:
        """Every setting, resolved; a folder that has it is a sweep's."""
        return self.path / "sweep.yaml"

    @property
    def manifest(self) -> Path:
        """The slices, a row each."""
        return self.path / "manifest.csv"

    @property
    def plan(self) -> Path:
        """Facts that are not settings."""
        return self.path / "plan.json"

    @property
    def override(self) -> Path:
        """A person's choice over the rule's."""
        return self.path / "override.json"

    @property
    def selection(self) -> Path:
        """What was selected and why; written when the sweep is complete."""
        return self.path / "selection.json"

    @property
    def ranking(self) -> Path:
        """The configurations, best first."""
        return self.path / "ranking.csv"

    @property
    def comparisons(self) -> Path:
        """The winner against each other configuration."""
        return self.path / "comparisons.csv"

    @property
    def front(self) -> Path:
        """Of a search with several objectives: its finished trials, those of its front first."""
        return self.path / "front.csv"

    @property
    def comparison(self) -> Path:
        """Of phase 3: how the pipelines do on the validation subset."""
        return self.path / "comparison.json"

    @property
    def choice(self) -> Path:
        """Of the pipelines past the paper: which one serves best out of fold."""
        return self.path / "choice.json"

    def out_of_fold(self, pipeline: str, digest: str) -> Path:
        """Return the file of what a pipeline's networks find in cases that they never saw."""
        return self.path / "out_of_fold" / f"{slug(pipeline)}-{digest}.npz"

    @property
    def shipped(self) -> Path:
        """Of phase 3: which pipeline was shipped last."""
        return self.path / "shipped.json"

    def segmenter(self, digest: str) -> Path:
        """Return the folder of a segmenter that phase 3 has shipped."""
        return self.path / "shipped" / digest

    def cell(self, name: str) -> CellFolder:
        """Return the folder of a cell."""
        return CellFolder(self.path / "cells" / name)

    def finished(self) -> list[CellFolder]:
        """Return the folders of all finished cells, in the order of their names."""
        return [CellFolder(path.parent) for path in sorted(self.path.glob("cells/*/outcome.json"))]

    def quarantine(self, path: Path) -> Path:
        """Move a damaged file or folder of the sweep to the runs directory's `damaged`; returns where it is."""
        return quarantine(path, self.runs)


class ExternalFolder(MeasuredFolder):
    """The files of what somebody else's labels were measured to be.

    >>> ExternalFolder(Path("runs/evaluate-nnunet")).record("val").name
    'evaluation_val.json'
    """

    def record(self, subset: str) -> Path:
        """Return the file that says what was measured on a subset; written last."""
        return self.path / f"evaluation_{subset}.json"

    def subset_tables(self, subset: str) -> Path:
        """Return the file of all tables of a subset, to read."""
        return self.path / f"tables_{subset}.md"


class EvaluationFolder(MeasuredFolder):
    """The files of an evaluation on the test subset.

    >>> EvaluationFolder(Path("runs/phase4-emidec")).table("stage2_fitted on truth").name
    'stage2_fitted_on_truth.csv'
    """

    @property
    def record(self) -> Path:
        """What the test subset said; written last: an evaluation whose folder has it is finished."""
        return self.path / "evaluation.json"

    @property
    def methods(self) -> Path:
        """Everything that was measured on the test subset side by side, labels of others too; made anew each time."""
        return self.path / "methods.md"

    def earlier(self) -> list["EvaluationFolder"]:
        """Return the folders of the evaluations that this one replaced."""
        return [EvaluationFolder(path) for path in sorted((self.path / "earlier").glob("*"))]

    def next_earlier(self) -> "EvaluationFolder":
        """Return the folder that this evaluation gets when another replaces it."""
        return EvaluationFolder(self.path / "earlier" / str(1 + len(self.earlier())))

    def figure(self, name: str) -> Path:
        """Return the file of a figure."""
        return self.path / f"{name}.png"
