"""Every sweep file is parsed, expanded and its first cell built; every mistake in one is explained."""

import json
from pathlib import Path

import pytest
import yaml

from lge_sweep.config import cells, configurations, load_sweep, short_configurations, short_names
from lge_sweep.config.export import json_schema
from lge_sweep.config.masks import ColourMask, IndexMask
from lge_sweep.config.schema import Shipped, SweepConfig
from lge_sweep.config.segmenter import Options
from lge_sweep.errors import ConfigError

SWEEPS = Path(__file__).parents[1] / "sweeps"
PHASES = sorted(path.stem for path in SWEEPS.glob("*.yaml"))
DATA = sorted(path.stem for path in (SWEEPS / "data").glob("*.yaml"))
PROFILES = sorted(path.stem for path in (SWEEPS / "profile").glob("*.yaml"))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_and_profile_expands_and_its_first_cell_builds(phase: str, stage: int, profile: str) -> None:
    from lge_sweep.models import build_module

    open_models = load_sweep(phase, stage, "phantom", profile).grid.model == ("selected",)
    config = load_sweep(phase, stage, "phantom", profile, ["grid.model=[segnet]"] if open_models else [])
    first = cells(config.model_copy(update={"search": None}))[0]
    module = build_module(first, config.training, pretrained=False)
    assert len(list(module.network.parameters())) > 0


@pytest.mark.parametrize("data", DATA)
def test_every_data_file_is_valid(data: str) -> None:
    config = load_sweep("phase1", 1, data, "smoke")
    assert config.data == data


@pytest.mark.parametrize("path", sorted(SWEEPS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(SWEEPS)))
def test_every_file_begins_with_source_command_time_and_expected_result(path: Path) -> None:
    header = "".join(line for line in path.read_text(encoding="utf-8").splitlines(True) if line.startswith("#"))
    for word in ("Source", "Command", "Time", "Expected"):
        assert f"# {word}" in header, f"{path.name} lacks {word}"


def test_phase_1_is_the_papers_grid_in_order() -> None:
    config = load_sweep("phase1", 2, "phantom", "paper")
    assert [cell.name for cell in cells(config)] == [
        "unet-cross_entropy-adam",
        "segnet-cross_entropy-adam",
        "deeplabv3plus_mobilenetv2-cross_entropy-adam",
        "deeplabv3plus_resnet50-cross_entropy-adam",
        "deeplabv3plus_xception-cross_entropy-adam",
    ]
    assert next(iter(short_names(cells(config)).values())) == "unet"


def test_phase_2_is_the_papers_grid_of_twenty() -> None:
    config = load_sweep("phase2", 2, "phantom", "paper", ["grid.model=[unet,segnet]", "grid.seed=[0,1]"])
    names = [cell.name for cell in cells(config)]
    assert len(names) == len(set(names)) == 2 * 5 * 2 * 2
    assert names[:3] == ["unet-weighted_ce-sgdm", "unet-weighted_ce-sgdm-seed1", "unet-weighted_ce-adam"]
    assert [cell.name for cell in configurations(cells(config))["segnet-dice_ce-adam"]] == [
        "segnet-dice_ce-adam",
        "segnet-dice_ce-adam-seed1",
    ]
    assert short_configurations(cells(config))["segnet-dice_ce-adam"] == "segnet dice_ce adam"


def test_the_paper_profile_is_table_2() -> None:
    training = load_sweep("phase1", 1, "phantom", "paper").training
    assert (training.learning_rate, training.max_epochs, training.batch_size) == (1e-4, 30, 8)
    assert (training.validation_every, training.patience, training.image_size) == (50, 3, 320)
    assert training.weight_decay == 1e-4


def test_a_profile_changes_phase_3_and_no_other_phase(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("fit: {max_epochs: 7, shipped: {rotations: true}}\n")
    assert load_sweep("phase2", 2, "phantom", str(path)).fit is None
    empty = tmp_path / "empty.yaml"
    empty.write_text("fit:\n")
    assert load_sweep("phase3", 2, "phantom", str(empty)).fit == load_sweep("phase3", 2, "phantom", "paper").fit
    fit = load_sweep("phase3", 2, "phantom", str(path), ["fit.shipped.stage2=cropped"]).fit
    assert fit is not None
    plain = load_sweep("phase3", 2, "phantom", "paper").fit
    assert plain is not None
    assert plain.shipped == Shipped()  # nothing past the paper
    assert fit == plain.model_copy(
        update={"max_epochs": 7, "shipped": Shipped(rotations=True, stage2="cropped")}
    )  # all else is what the phase's file says
    training = load_sweep("phase3", 2, "phantom", str(path)).training
    assert fit.stage2_training(training) == training.model_copy(update={"max_epochs": 7})
    assert plain.stage2_training(training) == training


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ("[croped]", r"fit.controls.0: unknown control 'croped': did you mean 'cropped'"),
        ("[single+cropped]", r"fit.controls.0: unknown control 'single\+cropped'; single stands alone"),
        ("[cropped+no_guidance]", r"fit.controls.0: write cropped\+no_guidance as no_guidance\+cropped"),
        ("[predicted]", r"fit.controls.0: predicted is always fitted, and is no control"),
        ("[cropped, cropped]", r"fit.controls: names a value twice: cropped, cropped"),
    ],
)
def test_controls_are_named_by_what_they_are_fitted_on(controls: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_sweep("phase3", 2, "phantom", "smoke", [f"fit.controls={controls}"])


def test_a_margin_has_one_unit() -> None:
    with pytest.raises(ConfigError, match="fit: give crop_margin, in pixels, or crop_margin_mm, not both"):
        load_sweep("phase3", 2, "phantom", "smoke", ["fit.crop_margin=8", "fit.crop_margin_mm=20"])
    fit = load_sweep("phase3", 2, "phantom", "smoke", ["fit.crop_margin_mm=20"]).fit
    assert fit is not None
    assert fit.segmenter_options("no_guidance+cropped", 64) == Options(guided=False, crop_margin_mm=20)


def test_a_name_that_cannot_be_a_folders_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my 'data'.yaml"
    path.write_text((SWEEPS / "data" / "phantom.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ConfigError, match="becomes part of a folder's"):
        load_sweep("phase1", 1, str(path), "smoke")


def test_seeds_are_named_where_they_are_not_0() -> None:
    config = load_sweep("phase1", 1, "phantom", "smoke", ["grid.seed=[0, 7]", "grid.model=[unet]"])
    assert [cell.name for cell in cells(config)] == ["unet-cross_entropy-adam", "unet-cross_entropy-adam-seed7"]
    assert list(short_names(cells(config)).values()) == ["seed 0", "seed 7"]


def test_set_wins_over_the_files() -> None:
    config = load_sweep("phase1", 1, "phantom", "paper", ["training.max_epochs=5", "split.unit=slice"])
    assert (config.training.max_epochs, config.split.unit) == (5, "slice")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.max_epoch=5", r"training.max_epoch: unknown setting: did you mean 'max_epochs'"),
        ("trainin.max_epochs=5", r"trainin: unknown setting: did you mean 'training'"),
        ("training.max_epochs=many", r"training.max_epochs: .*integer.*got 'many'"),
        ("training.image_size=100", r"training.image_size: .*multiple of 16, got 100"),
        ("training.precision=b16", r"training.precision: unknown value 'b16': did you mean 'bf16'"),
        ("grid.model=[unett]", r"grid.model.0: unknown value 'unett': did you mean 'unet'"),
        ("grid.model=[unet, unet]", r"grid.model: names a value twice"),
        ("grid.loss=[dicee]", r"grid.loss.0: unknown value 'dicee'"),
        ("source.case=5", r"source.case: unknown setting: did you mean 'cases'"),
        ("source.kind=mri", r"source: .*'image_pairs', 'nifti', .*'phantom'"),
        ("split.fractions=[0.5, 0.1, 0.1]", r"split: fractions must sum to 1, got 0.7"),
        ("intensity.clip_percentiles=[99, 1]", r"intensity: the lower percentile must be below"),
        ("selection.emphasis={scars: 2}", r"selection.emphasis: unknown class 'scars': did you mean 'scar'"),
        ("data=emidec_png", r"--set data=emidec_png: use --data"),
        ("training.learning_rate=.inf", r"--set training.learning_rate=.inf: .*not a finite number"),
        ("training.learning_rate=inf", r"training.learning_rate: .*finite number, got .inf."),
        ("selection.emphasis={background: 0, cavity: 0, myocardium: 0, scar: 0}", r"leaves no class"),
        ("training.max_epochs", r"--set training.max_epochs: expected KEY=VALUE"),
        ("training.max_epochs=[", r"the value is not YAML"),
    ],
)
def test_a_wrong_setting_is_explained(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_sweep("phase1", 1, "phantom", "smoke", [override])


COLOURS = r"colours: \{background: \[0, 0, 0\], cavity: \[255, 255, 0\], myocardium: .*\}"


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (
            "colour, values: {1: cavity}",
            r"mask.values: not a setting of kind colour \(kinds that have it: index\); kind colour has " + COLOURS,
        ),
        ("colour, values: {1: cavity}", "mask.colours: this setting is required, such as " + COLOURS),
        ("index, colours: {cavity: [1, 2, 3]}", r"kind index has labels, values: \{0: background, 1: cavity, .*\}"),
        (
            "colour, colour: {cavity: [1, 2, 3]}",
            r"mask.colour: unknown setting: did you mean 'colours'\? \(allowed: colo",
        ),
        ("index, value: {1: cavity}", r"did you mean 'values'\? \(allowed: kind, labels, values\)"),
        ('colour, colours: {"255,0,0": cavity}', r"mask.colours.255,0,0: unknown value '255,0,0': .*" + COLOURS),
        (
            "colour, colours: {cavity: yellow}",
            r"mask.colours.cavity: .* tuple, got 'yellow'; expected such as " + COLOURS,
        ),
        ("colour, colours: [[255, 255, 0]]", r"mask.colours: .* dictionary.*; expected such as " + COLOURS),
        ("index, values: cavity", r"mask.values: .*; expected such as values: \{0: background"),
    ],
)
def test_settings_of_another_kind_and_of_a_wrong_shape_are_explained_with_the_right_form(
    tmp_path: Path, mask: str, message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"source: {{kind: image_pairs, mask: {{kind: {mask}}}}}", encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        load_sweep("phase1", 1, str(path), "smoke")
    assert "did you mean 'values'? (allowed: colours" not in str(caught.value)


def test_the_examples_of_settings_are_valid() -> None:
    colours, values = (
        kind.model_fields[name].examples or [{}] for kind, name in ((ColourMask, "colours"), (IndexMask, "values"))
    )
    assert ColourMask.model_validate({"kind": "colour", "colours": colours[0]})
    assert IndexMask.model_validate({"kind": "index", "values": values[0]})


def test_all_mistakes_of_a_file_come_in_one_message(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("training: {max_epoch: 1, batch_size: one}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_sweep("phase1", 1, "phantom", str(path))
    assert str(path) in str(error.value)
    assert "max_epoch" in str(error.value)
    assert "batch_size" in str(error.value)


@pytest.mark.parametrize(
    ("phase", "data", "profile", "message"),
    [
        ("phase1", "phantm", "smoke", "no data named 'phantm' .*did you mean 'phantom'"),
        ("phase1", "phantom", "smok", "no profile named 'smok' .*did you mean 'smoke'"),
        ("phase1", "phantom", "no/such.yaml", "no/such.yaml: no such file"),
    ],
)
def test_an_unknown_file_is_explained(phase: str, data: str, profile: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_sweep(phase, 1, data, profile)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [\n", "\x00"])
def test_a_file_that_is_not_settings_is_explained(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_sweep("phase1", 1, "phantom", str(path))


def test_settings_can_be_written_and_read_back() -> None:
    config = load_sweep("phase1", 2, "emidec_png", "paper")
    again = SweepConfig.model_validate(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json"))))
    assert again == config


def test_every_setting_says_what_it_means() -> None:
    schema = json_schema()
    for name, definition in schema["$defs"].items():
        for key, field in definition.get("properties", {}).items():
            described = field.get("description") or "$ref" in field or key == "kind"
            assert described, f"{name}.{key} has no description"


def test_the_schema_that_editors_read_is_current() -> None:
    """`make schema` writes it; every sweep file names it in its first line."""
    assert json.loads((SWEEPS / "schema.json").read_text(encoding="utf-8")) == json_schema()
    for path in SWEEPS.rglob("*.yaml"):
        reference = path.read_text(encoding="utf-8").splitlines()[0].split("$schema=")[1]
        assert (path.parent / reference).resolve() == (SWEEPS / "schema.json").resolve()
