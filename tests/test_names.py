"""Names of files and folders are bytes: whatever they are, every command does its work, and what it writes is text."""

import json
import logging
import os
import re
import unicodedata
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from synthetic_dicom import series
from tiny_segmenter import write_segmenter
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.config.data import ImagePairs
from lge_sweep.config.masks import IndexMask
from lge_sweep.csv_files import frame_text, read_frame
from lge_sweep.engine.events import Failed
from lge_sweep.engine.executors.local_worker import PrintableFormatter
from lge_sweep.engine.executors.perform import attempt
from lge_sweep.errors import ConfigError, DataError, RunsError, TrialError
from lge_sweep.ingest import read
from lge_sweep.ingest.pseudonym import pseudonym
from lge_sweep.metrics import METRICS, Counts
from lge_sweep.paths import runs_folder
from lge_sweep.study.cell_files import read_per_image
from lge_sweep.text import visible

LATIN = os.fsdecode(b"caf\xe9")
NAMES = (LATIN, "a\x1b[31mb", "new\nline", "P[red]1", "=1+1", "NA", "007", "\u202egnp", "Pérez", "x" * 60)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert all(line.isprintable() for line in done.output.split("\n")), done.output
    return done.exit_code, done.output


def picture(k: int) -> NDArray[np.uint8]:
    """A slice with a bright disk, no two alike."""
    rows, columns = np.ogrid[:64, :64]
    bright = (rows - 30) ** 2 + (columns - 30 - k % 5) ** 2 < 100 + k
    return np.asarray(bright * 200 + 20 + k % 3, dtype=np.uint8)


@pytest.fixture
def segmenter(tmp_path: Path) -> Path:
    """A folder with two networks that call the bright cavity, its name no UTF-8."""
    return write_segmenter(tmp_path / os.fsdecode(b"mod\xe8le"))


def nifti_exams(root: Path, names: Sequence[str]) -> None:
    for k, name in enumerate(names):
        (root / name / "Images").mkdir(parents=True)
        voxels = np.stack([picture(3 * k), picture(3 * k + 1)], axis=-1).astype(np.int16)
        image = nib.Nifti1Image(voxels, np.diag([1.5, 1.5, 8, 1]))
        nib.save(image, root / name / "Images" / "lge.nii.gz")


def all_text(folder: Path) -> dict[Path, str]:
    """Every text file that was written, which must be UTF-8."""
    paths = [path for path in folder.rglob("*") if path.suffix in {".csv", ".json", ".html", ".yaml"}]
    return {path: path.read_text(encoding="utf-8") for path in paths}


@pytest.mark.parametrize(
    ("kind", "case_ids", "formats"),
    [("nifti", "hash", "csv"), ("nifti", "keep", "csv,html"), ("dicom", "hash", "csv"), ("dicom", "keep", "csv,seg")],
)
def test_predict_does_every_exam_whatever_its_folder_is_called(
    tmp_path: Path, segmenter: Path, kind: str, case_ids: str, formats: str
) -> None:
    names, root, out = NAMES[:4], tmp_path / kind, tmp_path / f"out {LATIN}"
    if kind == "nifti":
        nifti_exams(root, names)
        (root / os.fsdecode(b"\xff-no-exam")).mkdir()
    else:
        for name in names:
            series(root / name, PatientID=f"MRN-{visible(name)}", StudyInstanceUID=f"1.{names.index(name)}")
    asked = ("predict", root, out, "--model", segmenter, "--case-ids", case_ids, "--format", formats)
    code, said = invoke(*asked)
    assert code == (3 if kind == "nifti" else 0), said
    assert "4 exam(s) segmented" in said
    assert ("\\xff-no-exam: holds no DICOM file and no NIfTI file" in said) == (kind == "nifti")
    burden = read_frame(out / "burden.csv", TEXTS)
    assert sorted(burden["case"]) == sorted(path.name for path in out.iterdir() if path.is_dir())
    assert len(burden) == 4
    if case_ids == "keep":
        assert set(burden["case"]) == {visible(name) for name in names}
    elif kind == "nifti":
        assert set(burden["case"]) == {pseudonym(name, b"test") for name in names}
    for path, text in all_text(out).items():
        assert all(line.isprintable() for line in text.split("\n")), path
        if path.suffix == ".json":
            json.dumps(json.loads(text), ensure_ascii=False).encode()
        if path.suffix == ".csv":
            assert re.search(r"(?m)(^|,)=", text) is None
    assert invoke(*asked)[0] == code  # known by their ids: nothing is done again, and nothing is in the way


TEXTS = ("case", "use", "findings", "not_checked", "model", "model_version", "model_digest")
"""Columns of burden.csv that are no numbers."""
ODD = (
    "NA", "NULL", "Na", "nan", "007", "1e5", "TRUE", "p1", "P1", "-x", "end.", "end ", " lead", "burden.csv",
    "é", unicodedata.normalize("NFD", "é"), "日" * 80, "x" * 254 + "a", "x" * 254 + "b", "P[red]1", "=1+1",
)  # fmt: skip


def test_a_kept_id_becomes_a_folder_that_every_disk_takes(tmp_path: Path, segmenter: Path) -> None:
    nifti_exams(tmp_path / "in", ODD)
    out = tmp_path / "out"
    code, said = invoke("predict", tmp_path / "in", out, "--model", segmenter, "--case-ids", "keep", "--format", "csv")
    assert code == 0, said
    folders = {path.name for path in out.iterdir() if path.is_dir()}
    burden = read_frame(out / "burden.csv", TEXTS)
    assert sorted(burden["case"]) == sorted(map(visible, ODD))
    assert len(folders) == len(ODD)
    assert len({unicodedata.normalize("NFC", name) for name in folders}) == len(folders)
    for name in folders:
        assert len(name.encode()) <= 180
        assert not name.startswith((".", "-"))
        assert not name.endswith((".", " "))
    assert folders >= {"NA", "NULL", "Na", "nan", "007", "1e5", "TRUE", "p1", "P1", "P[red]1", "=1+1", "é"}
    assert "note: its folder is called x-" in said
    assert [path for path in tmp_path.iterdir() if path.name not in {"in", "out", segmenter.name}] == []


def test_pictures_and_pairs_of_a_long_id(tmp_path: Path, segmenter: Path) -> None:
    long = "x" * 240
    nifti_exams(tmp_path / "in", [long])
    out = tmp_path / "out"
    code, said = invoke("predict", tmp_path / "in", out, "--model", segmenter, "--case-ids", "keep")
    assert code == 0, said
    assert len(list(out.glob("*/overlays/*.png"))) == 2
    data = pairs(tmp_path / "pairs", [long, "a"])
    code, said = invoke("data", "convert", tmp_path / "converted", "--data", data, "--root", tmp_path / "pairs")
    assert code == 0, said
    assert "not every disk takes its name" in said
    code, said = invoke(
        "data", "describe", "--data", tmp_path / "converted" / "converted.yaml", "--root", tmp_path / "converted"
    )
    assert (code, "2 case(s), 4 slices" in said) == (0, True), said


def pairs(root: Path, names: Sequence[str], slices: int = 2) -> Path:
    """Image pairs of cases of some names, and the data file that keeps them; both in a folder that is no UTF-8."""
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
    for k, name in enumerate(names):
        for number in range(slices):
            image = picture(slices * k + number)
            Image.fromarray(image).save(root / "images" / f"{name}_slice{number}.png")
            Image.fromarray((image > 100).astype(np.uint8)).save(root / "labels" / f"{name}_slice{number}.png")
    data = root / "data.yaml"
    data.write_text(
        "source: {kind: image_pairs, case_ids: keep, mask: {kind: index, values: {0: background, 1: cavity}}}\n"
    )
    return data


def test_cases_of_any_name_are_described_and_converted(tmp_path: Path) -> None:
    root, names = tmp_path / LATIN, [name for name in NAMES if "\n" not in name]  # no dot matches a line's end
    data = pairs(root, names)
    code, said = invoke("data", "describe", "--data", data, "--root", root, "--sheet", tmp_path / f"{LATIN}.png")
    assert code == 0, said
    assert "9 of 9 case(s) have findings" in said  # there is a cavity alone
    assert [name for name in names if visible(name)[:40] not in said] == []  # a long one is folded
    out = tmp_path / f"{LATIN} converted\nevil: yes"
    code, said = invoke("data", "convert", out, "--data", data, "--root", root)
    assert code == 0, said
    frame = pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)
    assert set(frame["case"]) == {visible(name) for name in names if name != "=1+1"} | {"'=1+1"}
    (converted,) = out.glob("*.yaml")
    code, said = invoke("data", "describe", "--data", converted, "--root", out)
    assert code == 0, said
    assert [name for name in names if visible(name)[:40] not in said] == []  # a long one is folded


def test_a_bad_name_in_a_report_is_one_line_of_it(tmp_path: Path) -> None:
    data = pairs(tmp_path, ["a"])
    for name in ("b\n  - forged: nothing", "c\x1b[2J", LATIN, "[red]d"):
        (tmp_path / "images" / f"{name}.png").write_bytes(b"no image")
    code, said = invoke("data", "describe", "--data", data, "--root", tmp_path)
    assert code == 2
    assert len([line for line in said.split("\n") if line.startswith("  - ")]) == 4
    assert all(visible(name) in said for name in (LATIN, "[red]d", "c\x1b[2J"))


def test_a_pattern_that_would_search_for_ever_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lge_sweep.patterns.MAX_SECONDS", 0.05)
    pairs(tmp_path, ["a" * 60])
    mask = IndexMask(values={0: "background", 1: "cavity"})
    source = ImagePairs(kind="image_pairs", case_ids="keep", case_pattern="^(?P<case>(a+)+)$", mask=mask)
    with pytest.raises(ConfigError, match=r"source\.case_pattern: the regular expression .* takes more than a second"):
        read(source, tmp_path)
    odd = ImagePairs(kind="image_pairs", case_ids="keep", case_pattern="(?P<case>a+)_slice(?P<slice>.+)", mask=mask)
    os.rename(tmp_path / "images" / f"{'a' * 60}_slice0.png", tmp_path / "images" / f"{'a' * 60}_slice².png")
    os.rename(tmp_path / "labels" / f"{'a' * 60}_slice0.png", tmp_path / "labels" / f"{'a' * 60}_slice².png")
    with pytest.raises(DataError, match="number all slices of a case in their names, or none"):  # ² is no number
        read(odd, tmp_path)


def test_ids_survive_in_the_tables_of_a_sweep(tmp_path: Path) -> None:
    cases = ["NA", "NULL", "Na", "nan", "007", "1e5", "TRUE", "-1", "=x", ""]
    rows = [
        (f"{case}_slice{k}", case, name, *[k] * len(Counts._fields), *[0.1 * k] * len(METRICS))
        for case in cases
        for k in range(2)
        for name in ("scar", "cavity")
    ]
    table = pd.DataFrame(rows, columns=["image", "case", "class", *Counts._fields, *METRICS])
    (tmp_path / "per_image.csv").write_text(frame_text(table), encoding="utf-8")
    pd.testing.assert_frame_equal(read_per_image(tmp_path / "per_image.csv"), table)


def test_a_runs_directory_that_is_no_utf_8_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunsError, match=r"caf\\xe9: the path has a byte that is no UTF-8"):
        runs_folder(tmp_path / LATIN)
    (tmp_path / LATIN).mkdir()
    monkeypatch.chdir(tmp_path / LATIN)
    code, said = invoke("status")
    assert (code, "no UTF-8" in said) == (2, True), said


def test_what_a_worker_logs_of_a_failure_obeys_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lge_sweep")

    def fail(error: Exception) -> NoReturn:
        raise error

    for error in (TrialError("\x1b[2J\n"), ValueError("\x1b[2J"), OSError(5, "bad", LATIN), DataError("\x9b", ["\r"])):
        caplog.clear()
        ended = attempt(partial(fail, error))
        (record,) = caplog.records
        written = PrintableFormatter().format(record)
        assert "FAILED" in written
        assert all(line.isprintable() for line in written.split("\n"))
        assert isinstance(ended, Failed)
        assert ended.reason.replace("\n", "").isprintable()
        ended.reason.encode()
