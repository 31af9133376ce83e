"""What `make bench` says is so: both sides of a comparison find the same, the table and the file hold what was found.

Nothing is timed here.
"""

import argparse
import io
import shlex
import subprocess
from pathlib import Path

import bench
import cell as cell_section
import cells
import evaluation
import floor
import inference
import memory
import numpy as np
import peer
import pytest
import refinement
import startup
import step
import sweep
import trivial_cell
from doc_pages import ROOT
from rich.console import Console
from section import (
    Figure,
    Options,
    Section,
    add_options,
    print_sections,
    ratios,
    read_options,
    read_sections,
    write_json,
)
from slices import make_errors, simulate_slices

from lge_sweep.config.architectures import BASELINE
from lge_sweep.config.schema import Training
from lge_sweep.engine.executors import worker
from lge_sweep.labels import Label


def test_every_section_can_be_asked_to_measure() -> None:
    modules = (sweep, cell_section, step, evaluation, refinement, inference, startup, memory)
    assert {module.__name__ for module in modules} == set(bench.SECTIONS)


def test_predictions_have_errors_of_several_kinds() -> None:
    _, labels, pixel_mm = simulate_slices(6, 96)
    prediction = make_errors(labels)
    assert labels.shape == (6, 96, 96)
    assert pixel_mm == pytest.approx(1.6 * 192 / 96)
    assert set(np.unique(prediction)) <= {int(label) for label in Label}
    assert all((prediction != labels).any(axis=(1, 2)))
    assert (prediction == labels).mean() > 0.9


def test_the_peer_of_evaluation_finds_the_same() -> None:
    section = evaluation.compare(3, 64, 1)
    assert [len(figure.values) for figure in section.figures] == [1, 1, 1]


def test_an_evaluation_that_is_not_the_same_is_not_timed() -> None:
    values = {"dice": np.array([[0.5, np.nan]])}
    evaluation.check_same(values, {"dice": np.array([[0.5 + 5e-7, np.nan]])})
    for other in ([[0.5 + 2e-6, np.nan]], [[0.5, 0.0]]):
        with pytest.raises(AssertionError):
            evaluation.check_same(values, {"dice": np.array(other)})


def test_the_peer_of_refinement_gives_the_same_pixels() -> None:
    assert refinement.compare(4, 64, 1).figures[2].name == "peer / ours"


def test_a_step_is_measured_in_each_memory_format() -> None:
    training = step.as_profile(64, width=0.05, batch_size=2, precision="fp32")
    figures = list(step.measure_model("unet", training, rounds=2, compiled=False))
    assert [figure.name for figure in figures] == ["unet, 32-true, channels_last", "unet, 32-true, contiguous"]
    assert all(len(figure.values) == 2 and min(figure.values) > 0 for figure in figures)


def test_a_cell_and_the_floor_take_turns(tmp_path: Path) -> None:
    plan = cell_section.plan_cells(64, 2, tmp_path)
    turns = cell_section.take_turns(plan, plan.cells[0], 1)
    assert turns.all[0] > turns.training[0] > 0
    assert turns.floor[0] > 0


def test_the_floor_trains() -> None:
    training = Training(image_size=64, batch_size=2, width=0.05, encoder_weights="none")
    assert floor.train("unet", training, steps=1, validation=2) > 0


def test_the_peer_reads_pairs_and_splits_by_case(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        for case in range(8):
            for number in range(2):
                picture = np.full((20, 24), case % 3, dtype=np.uint8)
                cv2.imwrite(str(tmp_path / folder / f"c{case}_slice{number}.png"), picture)
    training, validation = peer.split(tmp_path, 3)
    assert (len(training), validation) == (12, ["c0_slice0.png", "c0_slice1.png", "c7_slice0.png"])
    image, target = peer.Slices(tmp_path, ["c1_slice0.png"], 16, augment=True)[0]
    assert (image.shape, target.unique().tolist()) == ((3, 16, 16), [1])


def test_a_ratio_is_to_the_floor_around_it() -> None:
    floors = [dict.fromkeys(BASELINE, seconds) for seconds in (1.0, 3.0, 1.0)]
    times = sweep.Times(floor=floors, ours=[20.0, 30.0])
    assert times.floor_around() == [10.0, 10.0]
    assert ratios("", times.ours, times.floor_around()).values == [2.0, 3.0]


def test_growth_is_the_slope_of_memory() -> None:
    assert memory.slope([100.0, 102.0, 104.0]) == pytest.approx(2)
    assert np.isnan(memory.slope([100.0]))


def test_the_table_and_the_file_hold_every_figure(tmp_path: Path) -> None:
    sections = [
        Section("one: a title", [Figure("a thing", "s", [0.25, 0.5, 123.4])], ["a note"], {"size": 96}),
        Section("two: nothing", [], []),
    ]
    output = io.StringIO()
    print_sections(sections, Console(file=output))
    lines = [line.split() for line in output.getvalue().splitlines()]
    assert ["a", "thing", "s", "0.25", "0.50", "123", "3"] in lines
    assert "one: a note" in output.getvalue()
    write_json(tmp_path / "new" / "bench.json", sections, {"cpu": "x"})
    assert read_sections(tmp_path / "new" / "bench.json") == sections


def test_an_unknown_section_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["bench.py", "--only", "sweep,speed"])
    with pytest.raises(SystemExit):
        bench.main()
    assert "no section speed; there are sweep, cell, step, evaluation" in capsys.readouterr().err


def test_a_section_is_given_what_is_chosen() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    assert read_options(parser.parse_args([])) == Options()
    chosen = ["--full", "--root", "here", "--workers", "2", "--steps", "8", "--size", "64", "--rounds", "3"]
    assert read_options(parser.parse_args(chosen)) == Options(True, Path("here"), 2, 8, 64, 3)


@pytest.mark.parametrize(("words", "workers"), [([], None), (["workers=auto", "full=1"], None), (["workers=2"], 2)])
def test_make_bench_says_what_the_benchmark_takes(words: list[str], workers: int | None) -> None:
    made = subprocess.run(
        ["make", "-n", "-o", ".venv/installed", "bench", *words],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    parser = argparse.ArgumentParser()
    add_options(parser)
    # inside `make test`, make also says which directory it enters
    (command,) = [line for line in made.stdout.replace("\\\n", " ").splitlines() if "benchmarks/bench.py" in line]
    assert read_options(parser.parse_args(shlex.split(command)[2:])) == Options(full="full=1" in words, workers=workers)


def test_what_executes_cells_is_made_to_do_them_at_once() -> None:
    before = vars(worker)["run_worker"]  # a name that it has imported
    with cells.trivial():
        assert vars(worker)["run_worker"] is trivial_cell.run_trivial_worker
    assert vars(worker)["run_worker"] is before
