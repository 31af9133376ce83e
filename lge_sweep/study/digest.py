"""What makes two sweeps the same, and what makes two comparable."""

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import lge_sweep
from lge_sweep.config import SweepConfig
from lge_sweep.config.data import Source
from lge_sweep.config.masks import IndexMask, NiftiMask
from lge_sweep.hashing import file_digest
from lge_sweep.paths import WEIGHT_SUFFIXES

STAGE2_ONLY = {"crop_margin", "crop_margin_mm", "max_epochs", "patience", "ema"}
"""Settings of a fit that its folds of stage 1 do not depend on."""


def sweep_digest(config: SweepConfig, data_digest: str, more: Sequence[str] = ()) -> str:
    """Return a SHA-256 of every setting, the content of the data and of weight files, and this program's version.

    Args:
        config: every setting.
        data_digest: SHA-256 of the data's content.
        more: digests of what else the sweep builds on.
    """
    # more trials go on with the same search, more controls with the same fits, another pipeline is shipped from them,
    # and the folds of stage 1 are the same for all; sweeps that are neither are what they were before there were these
    free = {"search": {"trials"}, "fit": {"shipped", "controls"} | (STAGE2_ONLY if config.stage == 1 else set())}
    exclude: dict[str, Any] = {name: True if getattr(config, name) is None else parts for name, parts in free.items()}
    exclude["training"] = _unused(config)
    if config.source.kind == "image_pairs" and config.source.case_ids == "keep":
        exclude["source"] = {"case_ids"}  # there was only this
    config = config.model_copy(update={"source": _as_trained(config.source)})
    settings = config.model_dump(mode="json", exclude=exclude)
    weights = settings["training"]["encoder_weights"]
    content = [lge_sweep.__version__, settings, data_digest, _file_digests(Path(weights)), *more]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


DRAWN = frozenset({"learning_rate", "weight_decay", "batch_size"})
"""Training options that a search draws, beside numbers inside losses and optimizers."""


def basis_digest(config: SweepConfig, data_digest: str, but: Collection[str] = ()) -> str:
    """Return a SHA-256 of all that must be the same for one phase to build on another.

    That is the data's content, its split and preparation, and how networks are trained, but not what phase 2 varies
    (numbers inside losses and the optimizers' momentum).

    Args:
        config: every setting.
        data_digest: SHA-256 of the data's content.
        but: further training options that may differ.
    """
    training = config.training.model_dump(mode="json", exclude={"loss", "momentum", *but, *_unused(config)})
    content = [
        data_digest, config.split.model_dump(mode="json"), config.intensity.model_dump(mode="json"), training,
        _file_digests(Path(training["encoder_weights"])),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _as_trained(source: Source) -> Source:
    """Name label codes by their values, and no-reflow as scar: what is trained sees no difference."""
    mask = getattr(source, "mask", None)
    if not isinstance(mask, IndexMask | NiftiMask):
        return source
    values = {value: "scar" if name == "mvo" else name for value, name in mask.classes.items()}
    return source.model_copy(update={"mask": mask.model_copy(update={"labels": None, "values": values})})


def _unused(config: SweepConfig) -> set[str]:
    """Training options that came later and are off: what was trained before is what would be trained now."""
    return {"ema"} if config.training.ema is None else set()


def _file_digests(weights: Path) -> list[str]:
    if str(weights) in {"imagenet", "none"}:
        return []
    inside = sorted(path for path in weights.iterdir() if path.suffix in WEIGHT_SUFFIXES) if weights.is_dir() else []
    return [file_digest(path) for path in ([weights] if weights.is_file() else inside)]
