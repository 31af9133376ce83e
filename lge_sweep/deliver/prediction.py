"""What `deliver` keeps of the labels a model found, so that they are known when a viewer has saved others over them.

In `about.json` they are bytes, compressed, as text: an exam of 11 slices takes a few kilobytes.
"""

import base64
import binascii
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lge_sweep.arrays import LabelImage
from lge_sweep.atomic import read_json
from lge_sweep.deliver.result import ModelFacts
from lge_sweep.errors import DamagedError
from lge_sweep.ingest import MAX_PIXELS
from lge_sweep.labels import Label

AGAIN = "give the same `lge-sweep predict` again with another output folder, and name that with --predicted"
"""What to do where a folder does not tell what the model found."""
Size = Annotated[int, Field(ge=1)]


class _Kept(BaseModel):
    """Base of what is read of an `about.json`."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _PackedLabels(_Kept):
    shape: tuple[Size, Size, Size]
    zlib: str


class _Model(_Kept):
    name: str
    version: str
    digest: str
    data: str


class _About(_Kept):
    case: str
    images: str
    model: _Model
    labels: _PackedLabels
    digests: dict[str, str]


@dataclass(frozen=True)
class Prediction:
    """What a model found in an exam, as it was delivered.

    Attributes:
        folder: where it was delivered to.
        case: the exam's id.
        images: `images_digest` of the exam.
        model: what made the labels.
        labels: [S, H, W] uint8, values of `Label`.
        digests: file of labels in the folder -> SHA-256 of what was written.
    """

    folder: Path
    case: str
    images: str
    model: ModelFacts
    labels: LabelImage
    digests: dict[str, str]


def pack_labels(labels: LabelImage) -> dict[str, Any]:
    """Return labels as plain data.

    Args:
        labels: [S, H, W] uint8.
    """
    packed = zlib.compress(np.ascontiguousarray(labels).tobytes(), 9)
    return {"shape": list(labels.shape), "zlib": base64.b64encode(packed).decode()}


def read_prediction(about: Path) -> Prediction:
    """Read what a model found in an exam.

    Args:
        about: the exam's `about.json`; it may come from anyone.

    Raises:
        DamagedError: it is not what `deliver` writes; the message says what to do.
    """
    try:
        content = read_json(about)
        known = _About.model_validate(content)
        return Prediction(
            about.parent,
            known.case,
            known.images,
            ModelFacts(**known.model.model_dump()),
            _unpack_labels(known.labels),
            known.digests,
        )
    except DamagedError as error:
        raise DamagedError(about, error.reason, f"To go on, {AGAIN}") from error
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"])) or "it"
        why = f"{field} is not what predict writes, or an earlier version of it wrote this"
        raise DamagedError(about, why, f"To go on, {AGAIN}") from error
    except (ValueError, binascii.Error, zlib.error) as error:
        raise DamagedError(about, "the labels in it cannot be unpacked", f"To go on, {AGAIN}") from error


def _unpack_labels(packed: _PackedLabels) -> LabelImage:
    size = math.prod(packed.shape)
    if size > MAX_PIXELS:
        raise ValueError("more pixels than any exam has")
    content = zlib.decompressobj().decompress(base64.b64decode(packed.zlib, validate=True), size + 1)
    labels = np.frombuffer(content, dtype=np.uint8)
    if labels.size != size or labels.max(initial=0) >= len(Label):
        raise ValueError("other labels than its shape says")
    return labels.reshape(packed.shape)
