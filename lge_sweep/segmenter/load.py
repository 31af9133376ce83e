"""Load a segmenter from its folder, or from the model registry."""

from pathlib import Path

from lge_sweep.errors import ModelError
from lge_sweep.paths import as_path
from lge_sweep.run_store import RunStore
from lge_sweep.segmenter.folder import SETTINGS, find_loader, load_folder
from lge_sweep.segmenter.heart import ExamSegmenter
from lge_sweep.segmenter.request import ModelChoice
from lge_sweep.tracking import NO_MODEL, find_model

NAME = "lge-two-stage"
"""Of the registered model."""
REGISTRY = "models:/"


def load_segmenter(
    model: str | Path, runtime: str = "onnx", runs: str | Path | None = None, trust: bool = False
) -> ExamSegmenter:
    """Load a segmenter. Nothing that lies with it is run, unless it is trusted like a program and torch loads it.

    Args:
        model: `models:/lge-two-stage@champion` or another of MLflow's registry, or a folder: that of an MLflow model,
            or one that `write_segmenter` wrote.
        runtime: `onnx`, which needs no torch, or `torch`.
        runs: the runs directory, for a model of the registry; see `RunStore.open`.
        trust: whether a model may run any command, which `torch` lets it. What is in the registry of the user's own
            runs directory may.

    Raises:
        ConfigError: there is no such runtime.
        ModelError: there is no such model, its folder is not as it was written, or it is not trusted and `torch` is
            asked for.
        RunsError: the registry cannot be opened.
    """
    return open_segmenter(ModelChoice(str(model), runtime, as_path(runs), trust))[1]


def open_segmenter(choice: ModelChoice) -> tuple[Path, ExamSegmenter]:
    """As `load_segmenter`; returns the folder of its files, too."""
    model, runtime = choice.model, choice.runtime
    loader, trusted = find_loader(runtime), choice.trust or is_own(model, choice.runs)
    if loader.runs_anything and not trusted:
        suffix = loader.suffix
        raise ModelError(
            f"{model}: the runtime '{runtime}' loads {suffix} files, and a {suffix} file can run any command as it is "
            "loaded. Take the runtime 'onnx', which segments as well and runs nothing else; or add --trust "
            "(trust=True), only if you made this model, or trust who made it as you would trust a program"
        )
    folder = find_segmenter(model, choice.runs)
    if trusted:
        return folder, load_folder(folder, loader)
    from lge_sweep.segmenter.foreign import check_network  # imports onnx

    return folder, load_folder(folder, loader, check_network)


def is_registered(model: str | Path) -> bool:
    """Whether a model is named by its place in the registry, and not by its folder."""
    return str(model).startswith(REGISTRY)


def is_own(model: str | Path, runs: Path | None = None) -> bool:
    """Whether a model is of the registry in the user's own runs directory; to that of a server others may write.

    Args:
        model: as for `load_segmenter`.
        runs: the runs directory.
    """
    return is_registered(model) and RunStore.open(runs).database is not None


def find_segmenter(model: str | Path, runs: Path | None = None) -> Path:
    """Return the folder of a segmenter's files.

    Args:
        model: as for `load_segmenter`.
        runs: the runs directory, for a model of the registry.

    Raises:
        ModelError: there is no such model.
        RunsError: the registry cannot be opened.
    """
    folder = _fetch(str(model), RunStore.open(runs)) if is_registered(model) else Path(model)
    return next((path.parent for path in folder.glob(f"artifacts/*/{SETTINGS}")), folder)  # in an MLflow model


def _fetch(model: str, store: RunStore) -> Path:
    if not store.is_tracked:
        raise ModelError(f"{model}: there is no registry in {store.root}; {NO_MODEL}")
    return find_model(store, model)
