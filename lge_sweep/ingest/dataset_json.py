"""`dataset.json`, the description of a data set of nnU-Net v2 or of the Medical Segmentation Decathlon (MSD).

Source:
    nnU-Net: documentation/dataset_format.md and verify_dataset_integrity.py of MIC-DKFZ/nnUNet 2.8.
    MSD: https://medicaldecathlon.com, as monai.data.load_decathlon_datalist reads it.
"""

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from lge_sweep.atomic import folders_with
from lge_sweep.config.masks import CLASS_NAMES, ClassName, IndexMask
from lge_sweep.config.validation import validate
from lge_sweep.errors import ConfigError
from lge_sweep.ingest.files import check_file
from lge_sweep.ingest.limits import MIB, PIXEL_MM, SLICE_MM
from lge_sweep.ingest.volume import UnusableError
from lge_sweep.text import error_text, list_names, shorten

DATASET_JSON = "dataset.json"
_MAX_BYTES = 16 * MIB
NIFTI_ENDINGS = (".nii.gz", ".nii")
SpacingMm = Annotated[float, Field(ge=PIXEL_MM.low, le=SLICE_MM.high)] | None
LabelValue = Annotated[int, Field(ge=0, le=65535)]


class _ForeignModel(BaseModel):
    """What of a file of others is read; the rest of it is not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OwnSection(_ForeignModel):
    """What this program adds to the `dataset.json` of a data set that it writes, and no other reads."""

    unplaced: dict[str, tuple[SpacingMm, SpacingMm, SpacingMm]] = {}
    """Cases whose place in the patient is unknown -> their distances of (rows, columns, slices) in mm, where known."""


class DecathlonCase(_ForeignModel):
    """The files of a case in the training list of the Decathlon."""

    image: str
    label: str


class NnunetCase(_ForeignModel):
    """The files of a case in a `dataset.json` of nnU-Net that names them."""

    images: list[str]
    label: str


class NnunetDescription(_ForeignModel):
    """The `dataset.json` of nnU-Net v2."""

    channel_names: dict[int, str]
    labels: dict[str, LabelValue | list[LabelValue]]
    file_ending: str
    numTraining: int | None = None  # noqa: N815 - nnU-Net's own name
    dataset: dict[str, NnunetCase] | None = None
    lge_sweep: OwnSection = OwnSection()


class DecathlonDescription(_ForeignModel):
    """The `dataset.json` of the Decathlon."""

    labels: dict[LabelValue, str]
    modality: dict[str, str] = {}
    training: list[DecathlonCase]
    test: list[str | dict[str, str]] = []
    lge_sweep: OwnSection = OwnSection()


class LabelNames(NamedTuple):
    """What a `dataset.json` calls the values of its label files."""

    named: tuple[tuple[str, int | list[int]], ...]
    """Name, and its value, or the values of a region."""

    def mask(self, classes: dict[str, ClassName]) -> IndexMask:
        """Return the mapping of values to classes by their names.

        Raises:
            UnusableError: a name is not listed, or is a region; the message says what to do.
        """
        known = {name.casefold(): label for name, label in classes.items()}
        way_out = "say in source.mask what each value is, such as mask: {values: {0: background, 1: cavity}}"
        values: dict[int, ClassName] = {}
        unknown: dict[str, int] = {}
        for name, value in self.named:
            if isinstance(value, list):
                raise UnusableError(
                    f"{DATASET_JSON}: label '{shorten(name)}' is a region of the values {shorten(value)}; regions "
                    "overlap, "
                    f"and here a pixel has one class: {way_out}"
                )
            if (label := known.get(name.casefold())) is None:
                unknown[name] = value
            else:
                values[value] = label
        if "ignore" in unknown:
            raise UnusableError(
                f"{DATASET_JSON}: label 'ignore' ({unknown['ignore']}) marks pixels without a truth, which can neither "
                "be "
                f"trained on nor scored: leave such cases out, or {way_out}"
            )
        if unknown:
            template = {name: known.get(name.casefold(), "?") for name, _ in self.named}
            raise UnusableError(
                f"{DATASET_JSON}: {_label_phrase(list(unknown))} not in source.classes (known: {', '.join(classes)}); "
                "list all its "
                f"names there, such as classes: {json.dumps(template, ensure_ascii=False)}, where ? is one of "
                f"{', '.join(CLASS_NAMES.values())}"
            )
        if not values:
            raise UnusableError(f"{DATASET_JSON}: lists no label; {way_out}")
        return IndexMask(values=values)


def read_description(root: Path) -> NnunetDescription | DecathlonDescription:
    """Read the `dataset.json` of a folder.

    Raises:
        UnusableError: there is none, it is no JSON, or not what either format has; a line for every problem.
    """
    path = root / DATASET_JSON
    if not path.exists():
        inside = [folder.name for folder in folders_with(DATASET_JSON, root)]
        where = f"; there is one in {', '.join(map(shorten, inside[:3]))}" if inside else ""
        raise UnusableError(
            f"holds no {DATASET_JSON}; give the data set's own folder (DatasetNNN_Name, TaskNN_Name){where}"
        )
    try:
        check_file(path, _MAX_BYTES)
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnusableError(f"{DATASET_JSON}: cannot be read as JSON: {error_text(error)}") from error
    if not isinstance(content, dict):
        raise UnusableError(f"{DATASET_JSON}: expected names and values in braces, got {type(content).__name__}")
    return _validate(content)


def _validate(content: dict[str, Any]) -> NnunetDescription | DecathlonDescription:
    try:
        if "channel_names" not in content and "training" in content:
            return validate(DecathlonDescription, content, DATASET_JSON)
        return validate(NnunetDescription, content, DATASET_JSON)
    except ConfigError as error:
        raise UnusableError(" ".join(str(error).split())) from None


def label_names(description: NnunetDescription | DecathlonDescription) -> LabelNames:
    """Return the names of label values, which the two formats have the other way round."""
    if isinstance(description, NnunetDescription):
        return LabelNames(tuple(description.labels.items()))
    return LabelNames(tuple((name, value) for value, name in description.labels.items()))


def _label_phrase(names: list[str]) -> str:
    listed = list_names([f"'{shorten(name)}'" for name in names])
    return f"label{'s' * (len(names) > 1)} {listed} {'are' if len(names) > 1 else 'is'}"
