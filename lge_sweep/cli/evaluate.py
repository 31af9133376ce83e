"""Measure anybody's label maps, and print them beside ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lge_sweep.api import choose_profile
from lge_sweep.cli.progress_bar import progress_bar
from lge_sweep.cli.tables.external import print_external
from lge_sweep.cli.terminal import Terminal
from lge_sweep.config import load_sweep
from lge_sweep.engine import hold_runs
from lge_sweep.errors import ConfigError
from lge_sweep.ingest import EMIDEC_CLASSES, LabelFolder, list_label_maps, parse_classes, read_name_map
from lge_sweep.pipeline import ExternalRequest, evaluate_external, show_external
from lge_sweep.run_store import RunStore
from lge_sweep.text import slug, visible
from lge_sweep.tracking import Tracker


@dataclass(frozen=True, kw_only=True)
class ExternalOptions:
    """What the user asked for.

    Attributes:
        folder: the label maps.
        name: what to call them; None: as the folder.
        subset: "val" or "test".
        classes: what numbers mean; None: EMIDEC's.
        names: a table that names files; None: none.
        allow_missing: measure what can be.
        trust_grid: take NIfTI files voxel by voxel.
        data: name or path of a data file.
        root: folder of the images.
        profile: name or path of a profile file, or "auto".
        settings: `KEY=VALUE` overrides.
        runs: folder for all results.
    """

    folder: Path
    name: str | None
    subset: Literal["val", "test"]
    classes: str | None
    names: Path | None
    allow_missing: bool
    trust_grid: bool
    data: str
    root: Path | None
    profile: str
    settings: Sequence[str]
    runs: Path | None


def run_evaluate(console: Terminal, options: ExternalOptions) -> None:
    """Measure label maps, show them in MLflow, and print them beside our pipelines.

    Args:
        console: where to print.
        options: what the user asked for.

    Raises:
        LgeSweepError: something the user can act on.
    """
    name = visible(options.name if options.name is not None else options.folder.resolve().name)
    if not slug(name).strip("_-."):
        raise ConfigError(f"--name: expected a name with letters or digits, got '{name}'")
    folder = LabelFolder(
        options.folder,
        EMIDEC_CLASSES if options.classes is None else parse_classes(options.classes),
        {} if options.names is None else read_name_map(options.names),
        options.trust_grid,
    )
    list_label_maps(folder.path)  # a mistyped folder is told of before exams are read, which can take minutes
    request = ExternalRequest(name=name, folder=folder, subset=options.subset, allow_missing=options.allow_missing)
    profile, _ = choose_profile(options.profile, options.data)
    config = load_sweep("phase3", 2, options.data, profile, options.settings)
    store = RunStore.open(options.runs)
    store.root.mkdir(parents=True, exist_ok=True)
    with hold_runs(store):
        with progress_bar(console, "evaluating") as on_progress:
            evaluation = evaluate_external(store.root, config, options.root, request, on_progress)
        tracker = Tracker(store)
        show_external(tracker, config, evaluation)
    print_external(console, evaluation)
