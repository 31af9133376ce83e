"""A segmenter's folder, read: its settings and its networks, as `lge_sweep.segmenter.save` writes them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from lge_sweep.choices import look_up
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.errors import ModelError
from lge_sweep.hashing import file_digest
from lge_sweep.segmenter.cascade import DECISIONS, as_member
from lge_sweep.segmenter.heart import ExamSegmenter, HeartSegmenter
from lge_sweep.segmenter.runtime import load_onnx, load_pt2
from lge_sweep.segmenter.segment import TwoStageSegmenter
from lge_sweep.segmenter.views import Ensemble, Network

T = TypeVar("T")
SETTINGS = "settings.json"
SETTINGS_BYTES = 1 << 20
NETWORK_BYTES = 1 << 30


class Loader(NamedTuple):
    """How a runtime loads a network."""

    suffix: str
    load: Callable[[Path, int], Network]
    runs_anything: bool
    """Whether a file can run any command as it is loaded."""


LOADERS = {"onnx": Loader(".onnx", load_onnx, False), "torch": Loader(".pt2", load_pt2, True)}


def find_loader(runtime: str) -> Loader:
    """Return how a runtime loads a network.

    Raises:
        ConfigError: there is no such runtime.
    """
    return look_up("runtime", runtime, LOADERS)


def load_folder(
    folder: Path, loader: Loader, check: Callable[[Path], None] | None = None, share: int = 1
) -> ExamSegmenter:
    """Load the segmenter of a folder.

    Args:
        folder: what `write_segmenter` wrote.
        loader: how its networks are loaded.
        check: refuses a network's file by a ModelError.
        share: number of processes, each with a core of its own, among which the machine is shared; 1: it has all.

    Raises:
        ModelError: the folder is not as it was written, or a network is refused.
    """
    settings = read_settings(folder)
    networks = []
    for name in settings.networks():
        path = folder / f"{name}{loader.suffix}"
        if path.is_file() and path.stat().st_size > NETWORK_BYTES:
            raise ModelError(f"{path}: is larger than {NETWORK_BYTES >> 30} GiB, which no network of a segmenter is")
        if not path.is_file() or file_digest(path) != settings.files.get(path.name):
            raise ModelError(f"{path}: missing or not as it was written (its SHA-256 is not the one in {SETTINGS})")
        if check is not None:
            check(path)
        networks.append(_network(path, lambda path: loader.load(path, share)))
    return _assemble(networks, settings)


def _assemble(networks: Sequence[Network], settings: SegmenterSettings) -> ExamSegmenter:
    """Return the segmenter of networks, stage 1 first."""
    stage1, *others = networks
    composed = settings.composed
    if composed is None:
        return TwoStageSegmenter(stage1, others[0], settings, settings.options)
    each = len(composed.kinds)
    members = [as_member(others[k : k + each]) for k in range(0, len(others), each)]
    folds = range(0, len(members), composed.seeds)
    network = Ensemble(tuple(tuple(members[k : k + composed.seeds]) for k in folds), composed.symmetries)
    if composed.finds == "wall":
        return TwoStageSegmenter(stage1, network, settings, settings.options, composed.cleaning)
    decide = DECISIONS[composed.finds]
    return HeartSegmenter(stage1, network, settings, composed.window, composed.neighbours, composed.cleaning, decide)


def _network(path: Path, load: Callable[[Path], Network]) -> Network:
    """Load a network, of which any failure, now or when it runs, is a ModelError."""

    def attempt(what: str, step: Callable[[], T]) -> T:
        try:
            return step()
        except ModelError:
            raise
        except Exception as error:  # each runtime has dozens of its own
            cause = f"{what} ({type(error).__name__})"
            raise ModelError(
                f"{path}: {cause}: broken, or no network of a segmenter; get the folder again, or ship it again: phase3"
            ) from error

    network = attempt("cannot be loaded", lambda: load(path))
    return lambda inputs: attempt("does not run", lambda: network(inputs))


def read_settings(folder: Path) -> SegmenterSettings:
    """Read the settings of a segmenter's folder.

    Raises:
        ModelError: the folder is none of a segmenter's.
    """
    path = folder / SETTINGS
    try:
        # a pipe would be waited for, a device has no end
        problem = "" if path.is_file() else "is missing, or is no file"
        problem = problem or "is larger than 1 MiB" * (path.stat().st_size > SETTINGS_BYTES)
        content = b"" if problem else path.read_bytes()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    if problem:
        raise ModelError(
            f"{folder}: holds no segmenter ({SETTINGS} {problem}); give the folder of one, or models:/NAME@champion"
        )
    try:
        return SegmenterSettings.model_validate_json(content)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc']))[:40] or 'file'}: {e['msg'][:80]}" for e in error.errors()[:5]]
        problems = "; ".join([*told, *(["and more"] if error.error_count() > len(told) else [])])
        raise ModelError(
            f"{path}: not the settings of a segmenter of this version ({problems}); ship it again: phase3"
        ) from error
