"""The digest of a sweep: all that decides results is in it, and a setting that is added renames nothing.

`fixtures/results_format.json` pins, for `RESULTS_FORMAT`, the digests of the shipped sweeps and the value at which each
setting is left out. Who edits a shipped sweep file, or adds a setting, writes it anew: `python tests/test_digest.py`.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic_core import to_jsonable_python

from lge_sweep.config import SweepConfig, load_sweep
from lge_sweep.config.base import DECIDES_NOTHING, LeftOutAt, Settings, decides, left_out_at
from lge_sweep.config.explain import models_in
from lge_sweep.config.masks import LABELS
from lge_sweep.config.pipelines import Cleaning, Pipeline, TrainingChanges, Window
from lge_sweep.study.digest import RESULTS_FORMAT, basis_digest, deciding, sweep_digest

PINNED = Path(__file__).parent / "fixtures" / "results_format.json"
SWEEPS = [
    (phase, stage, data, profile)
    for phase in ("phase1", "phase2", "phase3", "search")
    for stage in (1, 2)
    for data in ("dicom", "emidec_nifti", "emidec_png", "nnunet", "phantom", "phantom_dicom")
    for profile in ("laptop", "paper", "smoke", "tour")
    if phase == "phase1" or data == "phantom"
]


OF_STAGE_2 = ("crop_margin", "crop_margin_mm", "max_epochs", "patience", "ema", "pipeline_steps")
"""Settings of phase 3 that decide nothing about its stage 1."""


def digest(config: SweepConfig) -> str:
    return sweep_digest(config, "content")


# ------------------------------------------------------------------------------------------------ walking the schema


def schema_of(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return all settings that a model reaches, by name."""
    found = {model.__name__: model}
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            found |= schema_of(inner)
    return found


def named_fields() -> dict[str, Any]:
    """Every setting: `Model.field` -> pydantic's description of it."""
    models = schema_of(SweepConfig).items()
    return {f"{name}.{key}": field for name, model in models for key, field in model.model_fields.items()}


def sweeps_now() -> dict[str, str]:
    """The digest of each shipped sweep, as it is now."""
    return {" ".join(map(str, sweep)): digest(load_sweep(*sweep))[:10] for sweep in SWEEPS}


def left_out_now() -> dict[str, Any]:
    """The value at which each setting is left out, as it is now."""
    found = {name: value for name, field in named_fields().items() for value in left_out_at(field)}
    return {
        name: deciding(value, stage=2) if isinstance(value, Settings) else to_jsonable_python(value)
        for name, value in found.items()
    }


# ------------------------------------------------------------------------------------------------------------- pinned


def test_no_shipped_sweep_is_renamed() -> None:
    pinned = json.loads(PINNED.read_text(encoding="utf-8"))
    assert sweeps_now() == pinned["sweeps"], "is it meant? then write the fixture anew (see the top)"
    assert pinned["format"] == RESULTS_FORMAT


def test_a_changed_default_does_not_pass_as_the_old_one() -> None:
    pinned, now = json.loads(PINNED.read_text(encoding="utf-8"))["left_out_at"], left_out_now()
    changed = {name for name in pinned.keys() & now if pinned[name] != now[name]}
    assert not changed, "mark it with LeftOutAt and the old value, or raise RESULTS_FORMAT (see lge_sweep.config.base)"
    assert pinned.keys() == now.keys(), "a setting came or went: write the fixture anew (see the top)"


# ------------------------------------------------------------------------------------------------ settings that come


LEVELS = {
    "the sweep": (),
    "training": ("training",),
    "loss": ("training", "loss"),
    "source": ("source",),
    "mask": ("source", "mask"),
    "curate": ("curate",),
    "split": ("split",),
    "counts": ("split", "counts", "train"),
    "intensity": ("intensity",),
    "grid": ("grid",),
    "metrics": ("metrics",),
    "selection": ("selection",),
    "search": ("search",),
    "interval": ("search", "learning_rate"),
    "fit": ("fit",),
}


def config_with(**settings: Any) -> SweepConfig:
    """A sweep of stage 2 on image pairs."""
    return SweepConfig.model_validate({**load_sweep("phase1", 2, "emidec_png", "smoke").model_dump(), **settings})


COUNTS = {subset: {"normal": 2, "scar": 2} for subset in ("train", "val", "test")}
SEARCH = {name: {"low": 0.4, "high": 0.6} for name in ("learning_rate", "weight_decay", "dice_share", "gamma")}
SEARCHED = config_with(phase="search", search={"batch_size": [4], **SEARCH}, split={"counts": COUNTS})
FITTED = config_with(phase="phase3", fit={})


def at(node: Any, path: tuple[str, ...]) -> Any:
    """Return what is at a path of settings and of keys of mappings."""
    for key in path:
        node = getattr(node, key) if isinstance(node, Settings) else node[key]
    return node


def replaced(node: Any, path: tuple[str, ...], value: Any) -> Any:
    """Return settings with another value at a path."""
    if not path:
        return value
    inner = replaced(at(node, path[:1]), path[1:], value)
    return node.model_copy(update={path[0]: inner}) if isinstance(node, Settings) else {**node, path[0]: inner}


def made(name: str, base: type[Settings], **fields: Any) -> type[Settings]:
    """Make a schema; where pydantic's plugin sees `create_model` called, it takes the schema for one without fields."""
    return create_model(name, __base__=base, **fields)


def extended(settings: Settings, kind: Any, default: Any, *given: Any) -> Settings:
    """Return settings of a schema that has one setting more."""
    model = made(type(settings).__name__, type(settings), added=(kind, default))
    return model.model_validate({**settings.model_dump(), **dict.fromkeys(["added"][: len(given)], *given)})


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("kind", "default", "other"), [(int | None, None, 3), (bool, False, True)])
def test_an_optional_setting_that_is_added_renames_no_sweep(level: str, kind: Any, default: Any, other: Any) -> None:
    config, path = FITTED if level == "fit" else SEARCHED, LEVELS[level]
    before = at(config, path)
    assert digest(replaced(config, path, extended(before, kind, default))) == digest(config)
    assert digest(replaced(config, path, extended(before, kind, default, other))) != digest(config)
    free = replaced(config, path, extended(before, Annotated[kind, DECIDES_NOTHING], default, other))
    assert digest(free) == digest(config)


def test_a_group_of_settings_that_is_added_renames_no_sweep() -> None:
    group = create_model("Group", __base__=Settings, rate=(float, 0.5), steps=(int, Field(3, ge=1)))
    for given, same in (((), True), (({"steps": 3},), True), (({"steps": 4},), False)):
        training = extended(SEARCHED.training, group, group(), *given)
        assert (digest(SEARCHED.model_copy(update={"training": training})) == digest(SEARCHED)) == same
        basis = [basis_digest(replaced(SEARCHED, ("training",), one), "x") for one in (SEARCHED.training, training)]
        assert (basis[0] == basis[1]) == same


def test_a_default_that_is_changed_with_a_mark_keeps_old_sweeps_apart_from_new_ones() -> None:
    old: Callable[..., Settings] = made("Old", Settings, steps=(int, 3))
    new: Callable[..., Settings] = made("New", Settings, steps=(Annotated[int, LeftOutAt(3)], 5))
    assert deciding(new(steps=3), 1) == deciding(old(), 1) == {}
    assert deciding(new(), 1) == {"steps": 5} == deciding(old(steps=5), 1)


# ------------------------------------------------------------------------------------------ every setting there is


MASKS: list[dict[str, Any]] = [
    {"kind": "index", "values": {0: "background", 1: "cavity"}},
    {"kind": "index", "labels": "emidec"},
    {"kind": "colour", "colours": {"background": [0, 0, 0]}},
    {"kind": "nifti", "labels": "emidec"},
    {"kind": "nifti", "values": {0: "background", 1: "cavity"}},
    {"kind": "seg"},
    {"kind": "rtstruct"},
    {"kind": "cvi42"},
]
SOURCES: list[dict[str, Any]] = [
    {"kind": "phantom"},
    {"kind": "image_pairs", "mask": MASKS[0]},
    {"kind": "nifti", "mask": MASKS[0]},
    {"kind": "nnunet", "mask": MASKS[0]},
    *({"kind": "dicom", "mask": mask} for mask in MASKS),
]
CONFIGS = [
    SEARCHED,
    FITTED,
    FITTED.model_copy(update={"stage": 1}),
    config_with(split={"cases": {"train": ["a"], "val": ["b"], "test": ["c"]}}),
    *(config_with(source=source) for source in SOURCES),
]
OTHERS: dict[str, Any] = {
    "ImagePairs.case_pattern": r"(?P<case>.+)_\d",
    "SplitConfig.fractions": (0.5, 0.25, 0.25),
    "SplitConfig.counts": COUNTS | {"val": {"normal": 3, "scar": 3}},
    "SplitConfig.cases": {"train": ["a", "d"], "val": ["b"], "test": ["c"]},
    "Intensity.clip_percentiles": (1, 99),
    "Grid.model": ("segnet",),
    "Grid.loss": ("focal",),
    "Grid.optimizer": ("sgdm",),
    "Fit.controls": ("single",),
    "Shipped.stage2": "cropped",
    "SelectionConfig.emphasis": {"scar": 2},
    "NnunetDataset.classes": {"LV": "cavity"},
    "ColourMask.colours": {"background": (9, 9, 9)},
    "SegMask.segments": {"LV": "cavity"},
    "RtstructMask.structures": {"LV": "cavity"},
    "Cvi42Mask.contours": {"LV": "cavity"},
    "Search.objectives": ("score", "seconds"),
    "IndexMask.values": {0: "background", 7: "cavity"},
    "NiftiMask.values": {0: "background", 7: "cavity"},
}
PLAIN: dict[Any, tuple[Any, ...]] = {bool: (False, True), int: (2, 3, 96), float: (0.3, 0.7, 3.0), str: ("other",)}


def candidates(annotation: Any) -> Iterator[Any]:
    """Yield values of a type, some of which may be against a rule."""
    if annotation in PLAIN:
        yield from PLAIN[annotation]
    elif get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif get_origin(annotation) is tuple:
        yield from ((value,) for value in candidates(get_args(annotation)[0]))
    elif annotation not in (None, type(None)) and get_origin(annotation) is not dict:
        for inner in get_args(annotation):
            yield from candidates(inner)


def another(settings: Settings, key: str) -> Any:
    """Return another valid value of a setting; None if there is none while the others are as they are."""
    name, field = f"{type(settings).__name__}.{key}", type(settings).model_fields[key]
    for value in [OTHERS[name]] if name in OTHERS else candidates(field.annotation):
        try:
            changed = getattr(type(settings).model_validate({**settings.model_dump(), key: value}), key)
        except ValidationError:
            continue
        if changed != getattr(settings, key):
            return changed
    return None


def walk(node: Any, stage: int, path: tuple[str, ...] = (), free: bool = False) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every setting, the settings that it is in, and whether it is marked as deciding nothing."""
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from walk(inner, stage, (*path, key), free)
    if isinstance(node, Settings):
        for key, field in type(node).model_fields.items():
            marked = free or not decides(field, stage)
            yield (*path, key), node, marked
            yield from walk(getattr(node, key), stage, (*path, key), marked)


OF_PIPELINES = {model.__name__ for model in (Pipeline, Window, TrainingChanges, Cleaning)}


def test_every_setting_is_in_the_digest_unless_it_is_marked() -> None:
    """Each setting is given another valid value: the digest is another, too."""
    seen, marked = set(), set()
    for config in CONFIGS:
        base = digest(config)
        for path, settings, free in walk(config, config.stage):
            name = f"{type(settings).__name__}.{path[-1]}"
            changed = another(settings, path[-1])
            if changed is None:
                continue
            assert (digest(replaced(config, path, changed)) == base) == free, f"{name} of stage {config.stage}"
            seen.add(name)
            marked |= {(config.stage, name)} if free else set()
    groups = {name for name, field in named_fields().items() if models_in(field.annotation)}
    only = {name for name, field in named_fields().items() if len(set(candidates(field.annotation))) == 1}
    kinds = {name for name in only if name.endswith(".kind")}
    # of pipelines past the paper each network's cell is named by what decides it: `pipeline.parts.cell_name`
    of_cells = {name for name in named_fields() if name.split(".")[0] in OF_PIPELINES}
    assert named_fields().keys() - seen - groups - kinds - of_cells == set()
    shipped = {
        f"Shipped.{name}" for name in ("stage2", "inner_cavity", "wall_first", "confine_scar", "rotations", "pipeline")
    }
    of_stage_2 = {f"Fit.{name}" for name in OF_STAGE_2}
    always = {"Search.trials", "Fit.controls", *shipped}
    assert {name for stage, name in marked if stage == 2} == always
    assert {name for stage, name in marked if stage == 1} == always - {"Search.trials"} | of_stage_2


# -------------------------------------------------------------------------------------------------------------- meaning


@pytest.mark.parametrize("kind", ["index", "nifti"])
def test_label_codes_by_name_or_by_value_are_one_sweep_and_no_reflow_is_scar(kind: str) -> None:
    def with_mask(**mask: Any) -> SweepConfig:
        return config_with(source={"kind": "dicom", "mask": {"kind": kind, **mask}})

    named = digest(with_mask(labels="emidec"))
    assert digest(with_mask(values=LABELS["emidec"])) == named
    assert digest(with_mask(values=LABELS["emidec"] | {4: "scar"})) == named
    assert digest(with_mask(values=LABELS["emidec"] | {4: "background"})) != named
    assert digest(with_mask(labels="acdc")) != named


def test_data_weights_and_what_a_sweep_builds_on_are_in_the_digest(tmp_path: Path) -> None:
    base = config_with()
    assert sweep_digest(base, "other content") != digest(base)
    assert sweep_digest(base, "content", ["a network"]) != digest(base)
    (tmp_path / "resnet50.pth").write_bytes(b"1")
    for weights in (tmp_path, tmp_path / "resnet50.pth"):
        config = replaced(base, ("training", "encoder_weights"), str(weights))
        before = digest(config), basis_digest(config, "content")
        (tmp_path / "resnet50.pth").write_bytes(b"2")
        assert not {digest(config), basis_digest(config, "content")} & set(before)
        (tmp_path / "resnet50.pth").write_bytes(b"1")


def test_phases_meet_whatever_phase_2_varies() -> None:
    base = config_with()
    for path, value, same in (
        (("training", "loss", "gamma"), 3.0, True),
        (("training", "momentum"), 0.5, True),
        (("training", "learning_rate"), 0.5, False),
        (("training", "ema"), 0.9, False),
        (("split", "seed"), 3, False),
        (("intensity", "clip_percentiles"), (1, 99), False),
        (("selection", "keep"), 7, True),
    ):
        changed = replaced(base, path, value)
        assert (basis_digest(changed, "content") == basis_digest(base, "content")) == same, path
    slower = replaced(base, ("training", "learning_rate"), 0.5)
    assert basis_digest(slower, "x", {"learning_rate"}) == basis_digest(base, "x", {"learning_rate"})


if __name__ == "__main__":
    pinned = {"format": RESULTS_FORMAT, "left_out_at": left_out_now(), "sweeps": sweeps_now()}
    PINNED.write_text(json.dumps(pinned, indent=1) + "\n", encoding="utf-8")
