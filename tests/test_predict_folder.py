"""A folder of exams, segmented by several processes: the same as by one, whatever becomes of them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from deliveries import rows_of
from processes import is_alive
from program import invoke
from synthetic_dicom import grey, series
from tiny_segmenter import write_segmenter

from lge_sweep.atomic import atomic_folder
from lge_sweep.errors import ModelError
from lge_sweep.hashing import file_digest
from lge_sweep.ingest import Exam, FoundExam, find_exams, nifti_exams
from lge_sweep.ingest.exams import read_exams
from lge_sweep.segmenter import ModelChoice, PredictRequest, PredictResult, ReadOptions, predict_exams
from lge_sweep.segmenter.crew import EXAMS_EACH, MEMORY_EACH, Crew, crew_size
from lge_sweep.segmenter.predict import prepare

SHAPE = (24, 24)
Progress = list[tuple[str, int, int]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_segmenter(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six exams, of which one cannot be read and another only at its turn."""
    folder = tmp_path_factory.mktemp("exams")
    for k in (1, 2, 10):
        series(folder / f"P{k}", grey(3, SHAPE) + np.uint16(k), StudyInstanceUID=f"1.2.{k}", PatientID=f"P{k}")
    for name in ("N3.nii", "N4.nii"):
        nib.save(
            nib.Nifti1Image(grey(3, SHAPE).transpose(2, 1, 0).astype(np.int16), np.diag([2, 2, 8, 1])), folder / name
        )
    series(folder / "P5", grey(3, SHAPE) * np.uint16(0), StudyInstanceUID="1.2.5", PatientID="P5")
    (folder / "P6").mkdir()
    (folder / "P6" / "IM0.dcm").write_bytes(b"no DICOM")
    return folder


def predict(exams: Path, output: Path, model: Path, processes: int) -> tuple[PredictResult, Progress]:
    """Segment exams; their folders' names are kept."""
    told: Progress = []
    request = PredictRequest(
        output=output,
        model=ModelChoice(str(model)),
        formats=("nifti", "csv", "png"),
        reading=ReadOptions(case_ids="keep"),
        processes=processes,
    )
    return predict_exams(exams, request, lambda *step: told.append(step)), told


def test_several_processes_do_what_one_does(exams: Path, model: Path, tmp_path: Path) -> None:
    (one, told), (two, also) = (predict(exams, tmp_path / str(size), model, size) for size in (1, 2))
    assert [delivery.folder.name for delivery in one.deliveries] == ["N3", "N4", "P1", "P2", "P10"]
    assert [d.folder.name for d in two.deliveries] == [d.folder.name for d in one.deliveries]
    assert [(d.notes, d.findings) for d in two.deliveries] == [(d.notes, d.findings) for d in one.deliveries]
    assert [problem.partition(":")[0] for problem in one.problems] == ["P6/IM0.dcm", "P5"]
    assert two.problems == one.problems
    assert also[-1] == told[-1] == ("done", 5, 5)
    assert [step[:2] for step in also] == [step[:2] for step in told]
    first, second = ({path.relative_to(root): file_digest(path) for path in root.rglob("*.*")} for root in
                     (tmp_path / "1", tmp_path / "2"))  # fmt: skip
    assert second == first
    again, _ = predict(exams, tmp_path / "2", model, 2)
    assert [delivery.folder for delivery in again.deliveries] == [delivery.folder for delivery in two.deliveries]
    assert set(two.seconds) == {"model", "finding exams", "reading", "networks", "files"}
    assert set(again.seconds) == {"model", "finding exams", "reading"}


def test_an_exam_that_was_not_finished_is_not_counted(exams: Path, model: Path, tmp_path: Path) -> None:
    """A killed process leaves the hidden folder in which it wrote, with all files but for the name."""
    cases = [delivery.folder.name for delivery in predict(exams, tmp_path, model, 1)[0].deliveries]
    table = (tmp_path / "burden.csv").read_text()
    assert [row["case"] for row in rows_of(tmp_path / "burden.csv")] == sorted(cases)
    with suppress(OSError), atomic_folder(tmp_path / "P1") as unfinished:
        shutil.copytree(tmp_path / "P1", unfinished, dirs_exist_ok=True)
        again, _ = predict(exams, tmp_path, model, 1)
        assert (tmp_path / "burden.csv").read_text() == table
        assert [delivery.folder.name for delivery in again.deliveries] == cases
        assert list(tmp_path.glob(".P1-*/about.json"))  # the test would not fail without


def die(problems: list[str]) -> Exam | None:
    """Read an exam as what is killed by it does."""
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def test_labels_that_somebody_saved_over_are_left_and_said_to_be(
    exams: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given again, predict neither writes over a correction nor lists it as if it was its own."""
    words = ("predict", str(exams / "P1"), str(tmp_path / "out"), "--model", str(model), "--format", "seg,nifti,csv")
    for _ in range(2):
        done = invoke(*words)
        assert done.exit_code == 0, done.output
        assert "left as it is" not in done.output
    (saved,) = tmp_path.glob("out/*/labels.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((*SHAPE, 3), dtype=np.uint8), np.eye(4)), saved)
    before = file_digest(saved)
    again = " ".join(invoke(*words).output.split())
    assert "labels.nii.gz: there already and left as it is: somebody has saved over it since it was written" in again
    assert "labels.dcm and" not in again
    assert file_digest(saved) == before
    saved.with_name("labels.dcm").write_bytes(b"another")
    assert "labels.dcm and labels.nii.gz: there already" in " ".join(invoke(*words).output.split())

    def refused(_: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("lge_sweep.deliver.exam_files.file_digest", refused)
    done = invoke(*words)
    assert (done.exit_code, "labels.dcm cannot be read (Permission denied)" in done.output) == (3, True), done.output


def test_a_process_that_dies_of_an_exam_costs_that_exam_alone(exams: Path, model: Path, tmp_path: Path) -> None:
    setup = prepare(PredictRequest(output=tmp_path / "out", model=ModelChoice(str(model)), formats=("csv",))).setup
    assert setup is not None
    good = [exam for exam in find_exams(exams, "keep").exams if exam.case in ("P1", "P2")]
    deadly = [FoundExam(name, 9, die) for name in ("bad", "worse")]
    told: list[tuple[int, bool]] = []
    with Crew(setup, 2) as crew:
        outcomes = crew.work([deadly[0], good[0], deadly[1], good[1]], lambda *step: told.append(step))
        pids = [member.process.pid or 0 for member in crew.members]
    assert [bool(outcome.delivery) for outcome in outcomes] == [False, True, False, True]
    why = "cannot be segmented or written (the process at it died, signal 9; was memory short?)"
    assert [outcome.problems for outcome in outcomes] == [[f"bad: {why}"], [], [f"worse: {why}"], []]
    assert [step[0] for step in told] == [0, 1, 2, 3]
    assert not any(map(is_alive, pids))


def test_a_model_that_was_replaced_meanwhile_is_refused(exams: Path, model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    setup = prepare(PredictRequest(output=tmp_path / "out", model=ModelChoice(str(folder)))).setup
    assert setup is not None
    settings = folder / "settings.json"
    settings.write_text(settings.read_text() + "\n")
    with pytest.raises(ModelError, match="another model was put there meanwhile"), Crew(setup, 1) as crew:
        crew.work(find_exams(exams, "keep").exams, lambda *step: None)


STOPPED = """
import sys
from pathlib import Path
from lge_sweep.cli.reporting import reporting
from lge_sweep.segmenter import ModelChoice, PredictRequest, predict_exams
if __name__ == "__main__":
    request = PredictRequest(output=Path(sys.argv[2]), model=ModelChoice(sys.argv[3]), processes=2)
    with reporting():
        predict_exams(Path(sys.argv[1]), request, lambda *step: print(step, flush=True))
"""


def test_ctrl_c_stops_all_at_once_and_leaves_nothing_unfinished(exams: Path, model: Path, tmp_path: Path) -> None:
    script, output = tmp_path / "script.py", tmp_path / "out"
    script.write_text(STOPPED)
    words = [sys.executable, str(script), str(exams), str(output), str(model)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        group = process.pid
        os.killpg(group, signal.SIGINT)
        began = time.monotonic()
        _, said = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert b"stopped; run the same command again" in said
    while time.monotonic() - began < 20:  # multiprocessing's own helper ends a moment later
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("processes are left")
    assert not list(output.glob(".*"))


def test_as_many_processes_as_there_are_cores_and_exams_are_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PHYS_PAGES": 100, "SC_PAGE_SIZE": MEMORY_EACH}[name])
    assert [crew_size(exams) for exams in (0, 1, EXAMS_EACH, 2 * EXAMS_EACH, 100)] == [1, 1, 1, 2, 4]
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PHYS_PAGES": 2, "SC_PAGE_SIZE": MEMORY_EACH}[name])
    assert crew_size(100) == 2


def test_what_is_not_kept_is_read_again(exams: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, problems = read_exams(exams, "keep")
    monkeypatch.setattr(nifti_exams, "_KEPT_BYTES", 0)
    found = find_exams(exams, "keep")
    readers = [exam.reader for exam in found.exams if exam.case.startswith("N")]
    assert [getattr(reader, "grid", "") for reader in readers] == [None, None]
    again = [exam.read()[0] for exam in found.exams]
    for one, other in zip(kept, filter(None, again), strict=True):
        assert (one.case, one.notes) == (other.case, other.notes)
        assert np.array_equal(one.pixels, other.pixels)
    assert not any(isinstance(exam.reader, partial) for exam in found.exams if exam.case.startswith("N"))
    assert len(problems) == 2
