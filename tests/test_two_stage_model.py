"""The segmenter as files: exported networks, its folder, the model registry, and a process that lacks this package."""

import io
import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from guard import new_user
from mlflow.entities import LoggedModelStatus, Metric
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.config import Cell
from lge_sweep.config.architectures import ARCHITECTURES
from lge_sweep.config.data import Intensity
from lge_sweep.config.schema import Training
from lge_sweep.config.segmenter import Options, SegmenterSettings
from lge_sweep.errors import ConfigError, ModelError, RunsError
from lge_sweep.hashing import file_digest
from lge_sweep.labels import STAGES
from lge_sweep.models import build_module
from lge_sweep.models.exchange_formats import export
from lge_sweep.models.probabilities import Segmenter
from lge_sweep.pipeline.register import register_segmenter
from lge_sweep.run_store import RunStore
from lge_sweep.segmenter import NAME, TwoStageSegmenter, load_segmenter
from lge_sweep.segmenter.runtime import load_onnx, load_pt2, torch_network
from lge_sweep.segmenter.save import write_segmenter
from lge_sweep.tracking import Tracker
from lge_sweep.tracking.registry import find_champion, promote

S = 64
OPTIONS = Options(confine_scar=True, rotations=True, crop_margin=8)
SETTINGS = SegmenterSettings(size=S, intensity=Intensity(clip_percentiles=(1, 99)), options=OPTIONS)


def lively(model: str, stage: int, width: float = 0.1) -> Segmenter:
    """A random network whose answers differ from pixel to pixel: statistics that are not 0 and 1, balanced scores."""
    training = Training(width=width, encoder_weights="none")
    network = Segmenter(build_module(Cell(stage, model, "cross_entropy", "adam", stage), training)).eval()
    random = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.1, generator=random)
            layer.running_var.uniform_(0.1, 0.5, generator=random)
            layer.weight.data.uniform_(0.8, 1.5, generator=random)
            layer.bias.data.normal_(0, 0.2, generator=random)
    head = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
    assert head.bias is not None
    with torch.no_grad():
        scores = network.network((slices(4).float() - network.mean) / network.deviation)
        spread = scores.std(dim=(0, 2, 3), keepdim=True)
        head.weight.div_(spread.reshape(-1, 1, 1, 1))
        head.bias.sub_(scores.mean(dim=(0, 2, 3))).div_(spread.flatten())
    return network


def slices(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    coarse = torch.randint(0, 256, (count, 3, 8, 8), generator=generator).float()
    return torch.nn.functional.interpolate(coarse, size=(S, S), mode="bilinear").to(torch.uint8)


def exam() -> NDArray[np.float32]:
    """Smooth noise of other shape and unit than the networks' frame."""
    grey = slices(5)[:, 0, :50].numpy().astype(np.float32) * 37 - 1000
    return np.concatenate([grey, grey[:, :, ::-1]], axis=2)


@pytest.fixture(scope="module")
def networks() -> tuple[Segmenter, Segmenter]:
    return lively("unet", 1), lively("residual_unet", 2)


@pytest.fixture(scope="module")
def folder(networks: tuple[Segmenter, Segmenter], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "final"
    write_segmenter(path, networks, SETTINGS.model_copy(update={"facts": {"stage1": "a", "stage2": "b"}}))
    return path


@pytest.fixture(scope="module")
def expected(networks: tuple[Segmenter, Segmenter]) -> NDArray[np.uint8]:
    """What the networks give in torch, never exported."""
    first, second = (torch_network(network) for network in networks)
    labels = TwoStageSegmenter(first, second, SETTINGS, OPTIONS).segment(exam()).labels
    assert len(np.unique(labels)) == 4  # the tests below compare something
    return labels


SLOW_TO_EXPORT = (
    "unet", "residual_unet", "deeplabv3plus_mobilenetv2", "deeplabv3plus_resnet50", "deeplabv3plus_xception"
)  # fmt: skip
"""Torch takes their graphs apart for up to half a minute. SegNet is tried every time: its pooling with indices is what
no other network has. The two U-Nets are those of `folder`, whose labels are compared with torch's every time."""


@pytest.mark.parametrize(
    "model",
    [pytest.param(model, marks=pytest.mark.slow if model in SLOW_TO_EXPORT else ()) for model in ARCHITECTURES],
)
def test_exported_networks_agree_with_torch(model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network = lively(model, 2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    capfd.readouterr()
    export(network, S, tmp_path / "network.pt2", tmp_path / "network.onnx")
    assert capfd.readouterr() == ("", "")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    runtimes = load_pt2(tmp_path / "network.pt2"), load_onnx(tmp_path / "network.onnx")
    for count in (1, 3):
        inputs = slices(count).numpy()
        with torch.inference_mode():
            wanted = network(slices(count)).numpy()
        assert wanted.shape == (count, len(STAGES[2]), S, S)
        assert wanted.std(axis=(0, 2, 3)).min() > 0.05
        for run in runtimes:
            got = run(inputs)
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4)
            assert (got.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= 0.999


def test_files_are_sound_and_name_no_folder(folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        (image,), (probabilities,) = model.graph.input, model.graph.output
        sizes = [
            [axis.dim_param or axis.dim_value for axis in v.type.tensor_type.shape.dim] for v in (image, probabilities)
        ]
        assert sizes == [["slices", 3, S, S], ["slices", len(STAGES[int(path.stem[-1])]), S, S]]
    here = Path(torch.__file__).parent, Path(__file__).parents[1]
    for path in folder.iterdir():
        assert not any(str(place).encode() in path.read_bytes() for place in here)


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_folder_gives_what_the_networks_give(folder: Path, expected: NDArray[np.uint8], runtime: str) -> None:
    loaded = load_segmenter(folder, runtime, trust=True)
    assert isinstance(loaded, TwoStageSegmenter)
    assert (loaded.frame.size, loaded.frame.intensity, loaded.options) == (S, SETTINGS.intensity, OPTIONS)
    assert (loaded.segment(exam()).labels == expected).mean() >= 0.999


def test_a_margin_in_mm_is_served(folder: Path, expected: NDArray[np.uint8], tmp_path: Path) -> None:
    """Pixels of 1 mm: those of the frame have 50/64 by 128/64 mm, so that 6.2 mm are 8 of them."""
    from lge_sweep.segmenter.served import load  # tells MLflow about itself

    shutil.copytree(folder, tmp_path / "mm")
    settings = json.loads((folder / "settings.json").read_text())
    settings["options"] |= {"crop_margin": None, "crop_margin_mm": 6.2}
    (tmp_path / "mm" / "settings.json").write_text(json.dumps(settings))
    predict = load(tmp_path / "mm", {"runtime": "onnx", "pixel_mm": [1, 1]})
    assert (predict(exam()) == expected).mean() > 0.999
    with pytest.raises(ModelError, match=r"must be told the size of the pixels: .*pixel_mm"):
        load(tmp_path / "mm", {"runtime": "onnx", "pixel_mm": None})


def test_a_folder_is_plain_data_and_whole(
    folder: Path, networks: tuple[Segmenter, Segmenter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = json.loads((folder / "settings.json").read_text())
    assert sorted(path.name for path in folder.iterdir()) == sorted([*written["files"], "settings.json"])
    assert written["facts"] == {"stage1": "a", "stage2": "b"}
    with pytest.raises(ModelError, match="is there already"):
        write_segmenter(folder, networks, SETTINGS)

    def full(*arguments: object) -> None:
        Path(str(arguments[-1])).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lge_sweep.segmenter.save.export", full)
    with pytest.raises(ModelError, match="No space left on device"):
        write_segmenter(tmp_path / "new", networks, SETTINGS)
    assert not list(tmp_path.iterdir())


def test_a_broken_folder_is_explained(folder: Path, tmp_path: Path) -> None:
    def broken(name: str, content: bytes | None) -> Path:
        copy = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        copy.mkdir()
        for path in folder.iterdir():
            (copy / path.name).write_bytes(path.read_bytes())
        (copy / name).unlink() if content is None else (copy / name).write_bytes(content)
        return copy

    settings = json.loads((folder / "settings.json").read_text())
    wrong = json.dumps({**settings, "size": 65, "colour": "red"}).encode()
    for name, content, message in (
        ("stage2.onnx", None, "stage2.onnx: missing or not as it was written"),
        ("stage1.onnx", (folder / "stage2.onnx").read_bytes(), "stage1.onnx: missing or not as it was written"),
        ("settings.json", None, "holds no segmenter"),
        ("settings.json", wrong, r"size: Input should be a multiple of 16; colour: Extra inputs are not permitted"),
    ):
        with pytest.raises(ModelError, match=message):
            load_segmenter(broken(name, content))
    with pytest.raises(ConfigError, match="unknown runtime 'onx': did you mean 'onnx'"):
        load_segmenter(folder, "onx")


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def hostile(folder: Path, copy: Path, where: str) -> Path:
    """Return a copy of a segmenter's folder whose first pt2 file writes `sprung` beside it, with fitting digests."""
    shutil.copytree(folder, copy)
    trap, sprung = io.BytesIO(), copy.parent / "sprung"
    torch.save(Trap(sprung), trap)
    with zipfile.ZipFile(folder / "stage1.pt2") as before, zipfile.ZipFile(copy / "stage1.pt2", "w") as after:
        (root,) = {name.partition("/")[0] for name in before.namelist()}
        files = {name.removeprefix(f"{root}/"): before.read(name) for name in before.namelist()}
        if where == "expression":
            graph, symbol = files["models/model.json"].decode(), "Symbol('"
            assert symbol in graph
            files["models/model.json"] = graph.replace(symbol, f"[open('{sprung}', 'w').close()] and {symbol}").encode()
        elif where == "constants":
            entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
            files["data/constants/model_constants_config.json"] = json.dumps({"config": {"x": entry}}).encode()
            files["data/constants/opaque_obj_0"] = pickle.dumps(Trap(sprung))
        elif where == "weights":
            content = json.loads(files["data/weights/model_weights_config.json"])
            first = next(iter(content["config"].values()))
            first["use_pickle"] = True
            files["data/weights/model_weights_config.json"] = json.dumps(content).encode()
            files[f"data/weights/{first['path_name']}"] = trap.getvalue()
        elif where == "compiled":
            files["data/aotinductor/model/model.so"] = b"\x7fELF"
        else:
            files[where] = trap.getvalue()
        for name, content in files.items():
            after.writestr(f"{root}/{name}", content)
    return fitting(copy)


def fitting(folder: Path) -> Path:
    """Write a folder's digests anew, as whoever made its files can."""
    settings = json.loads((folder / "settings.json").read_text())
    settings["files"] = {name: file_digest(folder / name) for name in settings["files"]}
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder


HOSTILE = ["expression", "constants", "weights", "data/weights/model.pt", "data/sample_inputs/model.pt", "compiled"]


@pytest.mark.parametrize("where", HOSTILE)
def test_no_code_of_a_foreign_folder_is_run(folder: Path, tmp_path: Path, where: str) -> None:
    copy = hostile(folder, tmp_path / "foreign", where)
    with pytest.raises(ModelError, match=r"foreign: .*can run any command.* Take the runtime 'onnx'.* add --trust"):
        load_segmenter(copy, "torch")
    done = CliRunner().invoke(app, ["predict", "no-exam", "out", "--model", str(copy), "--runtime", "torch"])
    assert (done.exit_code, "can run any command" in done.output) == (2, True)
    load_segmenter(copy, "onnx")
    assert not (tmp_path / "sprung").exists()


def test_trust_is_what_keeps_a_hostile_folder_from_running(folder: Path, tmp_path: Path) -> None:
    """The attack of the test above is one: with --trust it works."""
    copy = hostile(folder, tmp_path / "foreign", "expression")
    command = ["predict", "no-exam", "out", "--model", str(copy), "--runtime", "torch", "--trust"]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, "no-exam" in done.output) == (2, True)
    assert (tmp_path / "sprung").exists()


def outside(location: str, inside: str) -> onnx.ModelProto:
    """An ONNX graph x + w whose w lies in another file, if one is named."""
    tensor = onnx.numpy_helper.from_array(np.zeros(4, np.float32), "w")
    if location:
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "16")):
            tensor.external_data.add(key=key, value=value)
    image, total = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4]) for name in "xy")
    constant = [onnx.helper.make_node("Constant", [], ["w"], value=tensor)] if inside == "node" else []
    nodes = [*constant, onnx.helper.make_node("Add", ["x", "w"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "g", [image], [total], [] if constant else [tensor])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("inside", ["weights", "node"])
@pytest.mark.parametrize("location", ["../secret", "absolute", "link", "linked/secret", "beside", "here", "dev/zero"])
def test_a_network_reads_nothing_outside_its_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str, inside: str
) -> None:
    copy = shutil.copytree(folder, tmp_path / "foreign")
    for secret in (tmp_path / "secret", tmp_path / "here", copy / "beside"):
        secret.write_bytes(bytes(16))
    (copy / "link").symlink_to(tmp_path / "secret")
    (copy / "linked").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    named = str(tmp_path / "secret") if location == "absolute" else location
    (copy / "stage1.onnx").write_bytes(outside(named, inside).SerializeToString())
    with pytest.raises(ModelError, match=r"stage1.onnx: cannot be loaded"):
        load_segmenter(fitting(copy))
    (copy / "stage1.onnx").write_bytes(outside("", inside).SerializeToString())
    load_segmenter(fitting(copy))  # it was the place that was refused


def test_a_network_of_foreign_operators_loads_no_library(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "foreign")
    model = onnx.load(copy / "stage1.onnx")
    model.graph.node[0].domain = "com.foreign"
    model.opset_import.append(onnx.helper.make_opsetid("com.foreign", 1))
    model.metadata_props.add(key="custom_ops_library", value=str(tmp_path / "library.so"))
    onnx.save(model, copy / "stage1.onnx")
    with pytest.raises(ModelError, match=r"stage1.onnx: its operator com.foreign.\w+ .* is of others"):
        load_segmenter(fitting(copy))
    with pytest.raises(ModelError, match=r"stage1.onnx: cannot be loaded"):
        load_segmenter(fitting(copy), trust=True)


CLEAN = """
import ast, importlib.machinery, json, sys
from importlib.metadata import packages_distributions
from pathlib import Path

runs, place = sys.argv[1:3]

class OnlyTheModels:
    "An lge_sweep that is installed here does not count."
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "lge_sweep":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, [path for path in sys.path if path.startswith(runs)])
        if spec is None:
            raise ModuleNotFoundError(name)
        return spec

sys.meta_path.insert(0, OnlyTheModels)
try:
    import lge_sweep
except ModuleNotFoundError:
    pass
else:
    sys.exit("lge_sweep is there without the model")

import mlflow, numpy

exam, name = numpy.load("exam.npy"), "models:/lge-two-stage@champion"
mlflow.set_tracking_uri(place)
numpy.save("onnx.npy", mlflow.pyfunc.load_model(name).predict(exam))
assert "torch" not in sys.modules
config = {"runtime": "torch", "pixel_mm": [1.4, 1.4]}
numpy.save("torch.npy", mlflow.pyfunc.load_model(name, model_config=config).predict(exam))
assert sys.modules["lge_sweep"].__file__.startswith(runs)
used = set()
for module in [module for key, module in sys.modules.items() if key.startswith("lge_sweep")]:
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Import):
            used |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            used.add(node.module.split(".")[0])
known = packages_distributions()
Path("used.json").write_text(json.dumps([known[name] for name in used & known.keys() & sys.modules.keys()]))
from mlflow.models import predict
Path("exam.json").write_text(json.dumps({"inputs": exam.tolist()}))
predict(name, input_path="exam.json", content_type="json", env_manager="local", output_path="served.json")
"""


@pytest.fixture(scope="module")
def registered(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("registry") / "r?n=1 s é#%&"
    runs.mkdir()
    tracker = Tracker(RunStore(runs))
    tracker.open_run("final-run", "final", {}, {}).finish()
    facts = {"collapsed": "no"}
    version = register_segmenter(
        tracker, folder, "final-run", "phase4-x", facts=facts, about="A segmenter of random numbers"
    )
    again = register_segmenter(
        tracker, folder, "final-run", "phase4-x", facts=facts, about="A segmenter of random numbers"
    )
    assert (version.number, again.number) == ("1", "1")  # registered once
    said = promote(tracker, NAME, version, "phase4-x/", new=True, remedy="lge-sweep phase4")
    assert said == f"Registered as {NAME} version 1, the champion: models:/{NAME}@champion."
    return runs


def test_the_model_predicts_in_a_process_without_this_package(registered: Path, folder: Path, tmp_path: Path) -> None:
    # MLflow's own telemetry is for whoever runs MLflow to decide
    user = new_user(tmp_path / "user", [registered], MLFLOW_DISABLE_TELEMETRY="true")
    place = user.results
    np.save(place / "exam.npy", exam())
    command = [
        sys.executable,
        "-B",
        "-W",
        "ignore",
        "-c",
        CLEAN,
        str(registered.resolve()),
        RunStore(registered).tracking_uri,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=place, timeout=300, check=False, env=user.environment
    )
    assert done.returncode == 0, done.stderr
    assert user.offences() == []
    assert [path for path in user.home.rglob("*") if path.is_file()] == []
    for runtime in ("onnx", "torch"):
        labels = np.load(place / f"{runtime}.npy")
        assert labels.dtype == np.uint8
        assert np.array_equal(labels, load_segmenter(folder, runtime, trust=True).segment(exam()).labels)
    served = json.loads((place / "served.json").read_text())["predictions"]
    assert np.array_equal(served, np.load(place / "onnx.npy"))
    requirements = next(registered.rglob("requirements.txt")).read_text().split()
    names = {line.split("==")[0].lower() for line in requirements if "==" in line}
    assert len(names) == len(requirements)  # all pinned
    for packages in json.loads((place / "used.json").read_text()):
        assert {package.lower() for package in packages} & (names | {"pydantic_core", "lge_sweep", "torch"})


def test_the_registry_gives_the_segmenter(registered: Path, folder: Path) -> None:
    predict = ["predict", "no-exam", "out", "--runtime", "torch", "--runs", str(registered)]
    assert "no-exam: " in CliRunner().invoke(app, predict).output  # one's own registry needs no --trust
    loaded = load_segmenter(f"models:/{NAME}@champion", "onnx", registered)
    assert np.array_equal(loaded.segment(exam()).labels, load_segmenter(folder).segment(exam()).labels)
    for name in ("models:/lge-two-stage/7", "models:/nothing@champion"):
        with pytest.raises(ModelError, match=f"{name}: not to be had"):
            load_segmenter(name, "onnx", registered)


def test_nothing_registered_is_pickled_or_a_patients(registered: Path) -> None:
    files = [path for path in registered.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {
        ".py",
        ".pyi",
        ".j2",
        ".json",
        ".yaml",
        ".txt",
        ".onnx",
        ".pt2",
        ".db",
        ".typed",
        "",
    }
    example = json.loads(next(registered.rglob("input_example.json")).read_text())
    assert not np.array(example["inputs"] if isinstance(example, dict) else example).any()


def test_a_model_shows_the_metrics_of_its_run_without_asking_for_their_histories(
    registered: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's own way asks for each, which of phase 3's 500 took minutes from a server."""
    monkeypatch.setattr(MlflowClient, "get_metric_history", lambda *_, **__: pytest.fail("a call a metric"))
    tracker = Tracker(RunStore(registered))
    run = tracker.open_run("measured", "measured", {}, {"a": 1})
    run.tracker.client.log_batch(run.id, [Metric("dice", value, 1000, step) for step, value in enumerate((0.5, 0.75))])
    made = register_segmenter(tracker, folder, "measured", "phase4-m", facts={"collapsed": "no"}, about="Measured")
    version = tracker.client.get_model_version(NAME, made.number)
    assert (version.run_id, version.tags) == (run.id, made.tags)
    assert {"collapsed", "lge.key"} <= made.tags.keys()
    assert str(version.description).startswith("Measured. Input: ")
    model = tracker.client.get_logged_model(str(version.source).removeprefix("models:/"))
    assert (model.status, model.source_run_id, model.params) == (LoggedModelStatus.READY, run.id, {"a": "1"})
    assert [(metric.key, metric.value, metric.step) for metric in model.metrics or ()] == [("dice", 0.75, 1)]
    outputs = tracker.client.get_run(run.id).outputs
    assert outputs is not None
    assert [output.model_id for output in outputs.model_outputs] == [model.model_id]


def test_who_gives_way_to_whom(registered: Path, folder: Path) -> None:
    tracker = Tracker(RunStore(registered))
    with pytest.raises(RunsError, match="no run of nowhere"):
        register_segmenter(tracker, folder, "nowhere", "phase4-y", facts={"collapsed": "no"}, about="x")
    collapsed = register_segmenter(tracker, folder, "final-run", "phase4-z", facts={"collapsed": "scar"}, about="x")
    said = promote(tracker, NAME, collapsed, "phase4-z/", new=True, remedy="lge-sweep phase4")
    assert "it collapsed, so version 1" in said
    other = register_segmenter(tracker, folder, "final-run", "phase4-y", facts={"collapsed": "no"}, about="x")
    said = promote(tracker, NAME, other, "phase4-y/", new=False, remedy="lge-sweep phase4")
    assert said.endswith("stays champion. To change that: lge-sweep phase4")
    said = promote(tracker, NAME, other, "phase4-y/", new=True, remedy="lge-sweep phase4")
    assert "the champion in place of version 1" in said
    champion = find_champion(tracker, NAME)
    assert champion is not None
    assert champion.tags["stage1"] == "a"
    assert champion.number == other.number
