"""Folders of segmenters from elsewhere: whatever is wrong with them is one ModelError."""

import json
import os
from pathlib import Path
from random import Random
from typing import Any

import fuzz_inputs
import numpy as np
import onnx
import pytest
from bounded import at_most
from fuzz_inputs import STRANGE_NETWORKS, network, write_exam, write_model
from onnx import helper, numpy_helper
from typer.testing import CliRunner

from lge_sweep.cli import app


def predict(folder: Path) -> str:
    """Segment an exam with the model in a folder; return the one message that it ends in."""
    write_exam(folder)
    with at_most(60):
        done = CliRunner().invoke(app, fuzz_inputs.predict(folder, folder / "model"))
    assert done.exit_code == 2, (done.output, done.exception)
    assert done.output.count("error: ") == 1
    return done.output.partition("error: ")[2]


@pytest.mark.parametrize("number", range(len(STRANGE_NETWORKS)))
@pytest.mark.parametrize("stage", [1, 2])
def test_a_network_that_is_none(tmp_path: Path, stage: int, number: int) -> None:
    write_model(tmp_path / "model", {f"stage{stage}.onnx": STRANGE_NETWORKS[number](stage)})
    told = predict(tmp_path)
    wrong = f"stage {stage}'s network must give"
    assert f"stage{stage}.onnx: cannot be loaded" in told or f"stage{stage}.onnx: does not run" in told or wrong in told


@pytest.mark.parametrize("seed", range(20))
def test_a_network_of_broken_bytes(tmp_path: Path, seed: int) -> None:
    content = network(1)
    write_model(tmp_path / "model", {"stage1.onnx": content[: len(content) * seed // 20]})
    assert "stage1.onnx: cannot be loaded" in predict(tmp_path)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"size": -32}, "size: Input should be greater than or equal to 32"),
        ({"size": 2048}, "size: Input should be less than or equal to 1024"),
        ({"size": 64}, "stage1.onnx: does not run"),
        ({"size": "x" * 9000}, "size: Input should be a valid integer"),
        ({"size": float("nan")}, "size: Input should be a finite number"),
        ({"intensity": {"clip_percentiles": [float("nan"), 1]}}, "intensity.clip_percentiles.0: Input should be"),
        ({"intensity": {"clip_percentiles": [99, 1]}}, "the lower percentile must be below the upper one"),
        ({"options": []}, "options: Input should be"),
        ({"files": {}}, "stage1.onnx: missing or not as it was written"),
        ({"files": {"stage1.onnx": 7}}, "files.stage1.onnx: Input should be a valid string"),
        ({f"k{k}": k for k in range(500)}, "and more"),
        ({"x" * 9000: 1}, "xxx: Extra inputs are not permitted"),
        ({"facts": {"data": "x" * (1 << 20)}}, "is larger than 1 MiB"),
    ],
)
def test_settings_that_are_none(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    write_model(tmp_path / "model", **settings)
    said = predict(tmp_path)
    assert told in said
    assert len(said) < 1500


@pytest.mark.parametrize("name", ["settings.json", "stage1.onnx"])
@pytest.mark.parametrize("kind", ["missing", "pipe", "device", "folder"])
def test_a_file_that_is_none(tmp_path: Path, name: str, kind: str) -> None:
    path = write_model(tmp_path / "model") / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    said = predict(tmp_path)
    assert ("holds no segmenter" in said) if name == "settings.json" else (f"{name}: missing or not as it" in said)


@pytest.mark.parametrize("seed", range(20))
def test_settings_of_broken_bytes(tmp_path: Path, seed: int) -> None:
    path = write_model(tmp_path / "model") / "settings.json"
    content = json.dumps(json.loads(path.read_bytes()), indent=seed % 3)
    path.write_bytes(content.encode()[: Random(seed).randrange(len(content))])
    assert "settings.json: not the settings of a segmenter" in predict(tmp_path)


def test_a_sound_folder_is_used(tmp_path: Path) -> None:
    write_exam(tmp_path)
    done = CliRunner().invoke(app, fuzz_inputs.predict(tmp_path))
    assert done.exit_code == 0, done.output


def endless(stage: int) -> bytes:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"])], "body",
        [helper.make_tensor_value_info(name, kind, []) for name, kind in (("k", 7), ("go", 9))],
        [helper.make_tensor_value_info("on", 9, [])],
    )  # fmt: skip
    trips = numpy_helper.from_array(np.array(1 << 62, dtype=np.int64), "trips")
    loop = helper.make_node("Loop", ["trips", ""], [], body=body)
    nodes = [loop, helper.make_node("Identity", ["near"], ["p"])]
    return network(stage, (nodes, ["b", stage + 1, 32, 32], [trips]))


def with_functions(stage: int) -> bytes:
    model = onnx.load_model_from_string(network(stage))
    opset = [helper.make_opsetid("", 13)]
    model.functions.append(
        helper.make_function("of.others", "twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], opset)
    )
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("content", "told"),
    [(endless(1), "its operator Loop can run without end"), (with_functions(1), "1 functions of its own")],
)
def test_a_network_that_may_run_for_ever(tmp_path: Path, content: bytes, told: str) -> None:
    write_model(tmp_path / "model", {"stage1.onnx": content})
    assert told in predict(tmp_path)


def test_a_network_larger_than_any(tmp_path: Path) -> None:
    """It is not read to find its digest: a sparse file of terabytes is a few bytes on the disk."""
    path = write_model(tmp_path / "model") / "stage1.onnx"
    os.truncate(path, 1 << 40)
    assert "stage1.onnx: is larger than 1 GiB" in predict(tmp_path)
