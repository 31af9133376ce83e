"""What makes two sweeps the same, and what makes two comparable."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from lge_sweep.config import SweepConfig
from lge_sweep.config.architectures import PUBLISHED, SCRATCH
from lge_sweep.config.base import Settings, decides, left_out_at
from lge_sweep.hashing import file_digest
from lge_sweep.paths import WEIGHT_SUFFIXES

RESULTS_FORMAT = 2
"""Raised when the same settings and data would give other results than before; every sweep then gets a new name.

Releases of the program leave it as it is. So does a new setting, and a changed default (see `lge_sweep.config.base`).
"""
DRAWN = frozenset({"learning_rate", "weight_decay", "batch_size"})
"""Training options that a search draws, beside numbers inside losses and optimizers."""
VARIED = frozenset({"loss", "momentum"})
"""Training options that phase 2 varies: numbers inside losses, and the optimizers' momentum."""


def sweep_digest(config: SweepConfig, data_digest: str, builds_on: Sequence[str] = ()) -> str:
    """Return a SHA-256 of every setting that decides results, and of the content of the data and of weight files.

    Args:
        config: every setting.
        data_digest: SHA-256 of the data's content.
        builds_on: digests of what else the sweep builds on.
    """
    return _digest([data_digest, deciding(config, config.stage), _weight_digests(config), *builds_on])


def basis_digest(config: SweepConfig, data_digest: str, may_differ: Collection[str] = ()) -> str:
    """Return a SHA-256 of all that must be the same for one phase to build on another.

    That is the data's content, its split and preparation, and how networks are trained, but not what phase 2 varies.

    Args:
        config: every setting.
        data_digest: SHA-256 of the data's content.
        may_differ: further training options that may differ.
    """
    common = [deciding(settings, config.stage) for settings in (config.split, config.intensity)]
    training = deciding(config.training, config.stage)
    kept = {name: value for name, value in training.items() if name not in VARIED.union(may_differ)}
    return _digest([data_digest, *common, kept, _weight_digests(config)])


def deciding(settings: Settings, stage: int) -> dict[str, Any]:
    """Return what decides results of a stage, as plain data: the settings that are not at their defaults.

    How a field says otherwise is told in `lge_sweep.config.base`.
    """
    settings, content = settings.as_trained(), {}
    for name, field in type(settings).model_fields.items():
        if decides(field, stage):
            value = _plain(getattr(settings, name), stage)
            if value not in [_plain(absent, stage) for absent in left_out_at(field)]:
                content[name] = value
    return content


def _plain(value: object, stage: int) -> Any:
    if isinstance(value, Settings):
        return deciding(value, stage)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, stage) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, stage) for inner in value]
    return to_jsonable_python(value)


def _digest(content: Sequence[object]) -> str:
    text = json.dumps([RESULTS_FORMAT, *content], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _weight_digests(config: SweepConfig) -> list[str]:
    """Return the SHA-256 of each file with pretrained weights; of `imagenet` and `none` there are none."""
    if config.training.encoder_weights in (PUBLISHED, SCRATCH):
        return []
    weights = Path(config.training.encoder_weights)
    inside = sorted(path for path in weights.iterdir() if path.suffix in WEIGHT_SUFFIXES) if weights.is_dir() else []
    return [file_digest(path) for path in ([weights] if weights.is_file() else inside)]
