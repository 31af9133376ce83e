"""Labels of others: whose they are, how they lie, what is wrong with them, and what they come to."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from program import invoke

from lge_sweep.config import load_sweep
from lge_sweep.config.data import ImagePairs, NiftiFolders, Phantom
from lge_sweep.config.masks import IndexMask
from lge_sweep.errors import ConfigError
from lge_sweep.ingest import (
    EMIDEC_CLASSES,
    ExternalLabels,
    LabelFolder,
    Volume,
    nifti_on_grid,
    parse_classes,
    read,
    read_external_labels,
    read_name_map,
)
from lge_sweep.ingest.pseudonym import SALT_VARIABLE, pseudonym
from lge_sweep.metrics import ExamGrid, measure_exam
from lge_sweep.pipeline import external

PHANTOM = Phantom(kind="phantom", cases=2)


@pytest.fixture(scope="module")
def exams() -> list[Volume]:
    """Two exams that lie somewhere, obliquely; the second lacks a slice between others."""
    affine = np.array([[0.2, -1.5, 1.0, 30.0], [1.5, 0.2, 0.5, -20.0], [0.3, 0.1, 9.0, 7.0], [0, 0, 0, 1.0]])
    whole, other = read(PHANTOM)
    count = len(other.slices)
    slots = (0, *range(2, count + 1))
    return [replace(whole, affine=affine), replace(other, affine=affine, slots=slots)]


def given(folder: Path, volumes: list[Volume], **settings: Any) -> ExternalLabels:
    options: dict[str, Any] = {"classes": EMIDEC_CLASSES, **settings}
    source = options.pop("source", PHANTOM)
    wanted = options.pop("wanted", {volume.case for volume in volumes})
    return read_external_labels(LabelFolder(folder, **options), source, volumes, wanted)


def save(folder: Path, volume: Volume, name: str | None = None, labels: Any = None, turn: bool = False) -> Path:
    """Write labels of an exam as NIfTI; turned: another order and direction of axes, with the affine of that."""
    image = nifti_on_grid(volume, volume.labels if labels is None else labels)
    if turn:
        image = image.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]]))
    path = folder / f"{name or volume.case}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def check(found: ExternalLabels, volumes: list[Volume]) -> None:
    """The labels are those of the exams, slice by slice."""
    for volume in volumes:
        for name, labels in zip(volume.slices, volume.labels, strict=True):
            np.testing.assert_array_equal(found.labels[name], labels)


@pytest.mark.parametrize("turn", [False, True])
def test_an_exams_labels_are_laid_on_it_by_position(tmp_path: Path, exams: list[Volume], turn: bool) -> None:
    for volume in exams:
        save(tmp_path, volume, turn=turn)
    found = given(tmp_path, exams)
    assert found.findings == ()
    check(found, exams)


def test_no_reflow_is_scar_and_other_numbers_can_be_said(tmp_path: Path, exams: list[Volume]) -> None:
    codes = np.where(exams[0].labels == 3, 4, exams[0].labels).astype(np.uint8)
    save(tmp_path, exams[0], labels=codes)
    check(given(tmp_path, exams[:1]), exams[:1])
    save(tmp_path, exams[0], labels=np.array([0, 10, 20, 30], dtype=np.uint8)[exams[0].labels])
    check(given(tmp_path, exams[:1], classes=parse_classes("10=cavity, 20=myocardium,30=scar")), exams[:1])
    (finding,) = given(tmp_path, exams[:1]).findings
    assert finding.startswith(f"{exams[0].case}.nii.gz: mask value 10 on ")
    assert "is not in --classes (known: 0, 1, 2, 3, 4)" in finding


def test_what_does_not_fit_is_a_finding_and_its_case_is_left_out(tmp_path: Path, exams: list[Volume]) -> None:
    first, second = exams
    save(tmp_path, replace(first, pixels=first.pixels[:, :-2], labels=first.labels[:, :-2], mvo=None))
    moved = second.affine.copy() if second.affine is not None else np.eye(4)
    moved[0, 3] += 40
    save(tmp_path, replace(second, affine=moved))
    (tmp_path / "nobody.nii.gz").write_bytes(b"")
    found = given(tmp_path, exams)
    assert found.labels == {}
    said = " ".join(found.findings)
    assert "nobody.nii.gz: is of no case of this data; call it by its case's id, or name it in --map" in said
    assert f"{first.case}.nii.gz: does not lie as its exam does (it has " in said
    assert f"{second.case}.nii.gz: does not lie as its exam does (a corner of it is" in said
    assert "give --trust-grid" in said


def test_a_map_that_lost_its_place_is_taken_voxel_by_voxel_only_if_told(tmp_path: Path, exams: list[Volume]) -> None:
    volume = exams[0]
    path = tmp_path / f"{volume.case}.nii"
    nib.save(nib.Nifti1Image(volume.labels.transpose(2, 1, 0), np.eye(4)), path)
    (finding,) = given(tmp_path, exams[:1]).findings
    assert "its header does not tell where it lies" in finding
    trusted = given(tmp_path, exams[:1], trust_grid=True)
    check(trusted, exams[:1])
    assert "voxel by voxel" in trusted.notes[0]
    unplaced = replace(volume, affine=None)  # nothing else can be done
    found = given(tmp_path, [unplaced])
    check(found, [unplaced])
    assert "taken voxel by voxel, as where its exam lies is not known" in found.notes[0]


def test_labels_that_are_mirrored_in_their_own_file_are_doubted(tmp_path: Path, exams: list[Volume]) -> None:
    save(tmp_path, exams[0], labels=exams[0].labels[:, :, ::-1])
    found = given(tmp_path, exams[:1])
    assert any("would fit its images better" in note for note in found.notes)
    assert found.findings == ()  # it is measured as it is


# ---------------------------------------------------------------------------------------------------------------- names


def test_names_are_ids_or_what_the_source_called_them_or_are_mapped(
    tmp_path: Path, exams: list[Volume], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SALT_VARIABLE, "salt of a test")
    source = NiftiFolders(kind="nifti", mask=IndexMask(labels="emidec"))
    cases = [pseudonym(name, b"salt of a test") for name in ("Case_P001", "Case_P002")]
    hidden = [replace(volume, case=case) for volume, case in zip(exams, cases, strict=True)]
    save(tmp_path, hidden[0], "Case_P001/Contours/Case_P001")  # as EMIDEC's own evaluation wants them
    save(tmp_path, hidden[1], f"{cases[1]}/labels")  # as predict writes them
    found = given(tmp_path, hidden, source=source)
    assert found.findings == ()
    check(found, hidden)
    table = tmp_path / "names.csv"
    table.write_text("file,case\nCase_P001/Contours/Case_P001.nii.gz,Case_P002\nlabels,Case_P001\nx.nii,Case_P001\n")
    swapped = given(tmp_path, hidden, source=source, names=read_name_map(table))
    assert "--map: there is no file x.nii" in swapped.findings
    assert [text.partition(":")[0] for text in swapped.findings[1:]] == [  # of other numbers of slices: none fits
        "Case_P001/Contours/Case_P001.nii.gz",
        f"{cases[1]}/labels.nii.gz",
    ]
    again = save(tmp_path, hidden[0], cases[0])
    assert any("2 files are of it" in finding for finding in given(tmp_path, hidden, source=source).findings)
    again.unlink()
    assert given(tmp_path, hidden, source=source, wanted={cases[0]}).labels.keys() == set(hidden[0].slices)


def save_slices(folder: Path, names: list[str], labels: Any) -> None:
    folder.mkdir(exist_ok=True)
    for name, one in zip(names, labels, strict=True):
        Image.fromarray(one).save(folder / f"{name}.png")


def test_slices_are_called_by_their_ids_or_all_in_the_sources_order(
    tmp_path: Path, exams: list[Volume], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SALT_VARIABLE, "salt of a test")
    volume = exams[0]
    save_slices(tmp_path / "ids", list(volume.slices), volume.labels)
    check(given(tmp_path / "ids", [volume]), [volume])
    mask = IndexMask(labels="emidec")
    source = ImagePairs(kind="image_pairs", mask=mask, case_pattern=r"^(?P<case>.+)-(?P<slice>\d+)$")
    ids = tuple(f"s{number}" for number in range(len(volume.slices)))
    hidden = replace(volume, case=pseudonym("Doe", b"salt of a test"), slices=ids)
    names = [f"Doe-{number}" for number in range(8, 8 + len(volume.slices))]  # 10 comes after 9
    save_slices(tmp_path / "own", names, volume.labels)
    check(given(tmp_path / "own", [hidden], source=source), [hidden])
    (tmp_path / "own" / f"{names[0]}.png").unlink()
    (finding,) = given(tmp_path / "own", [hidden], source=source).findings
    assert "so that which is which is unknown; give all, or --map" in finding
    named = given(tmp_path / "own", [hidden], source=source, names={name: f"s{k}" for k, name in enumerate(names) if k})
    assert sorted(named.labels) == sorted(hidden.slices[1:])
    np.testing.assert_array_equal(named.labels["s1"], volume.labels[1])


def test_slices_of_another_size_or_of_no_slice_are_findings(tmp_path: Path, exams: list[Volume]) -> None:
    volume = exams[0]
    save_slices(tmp_path, [volume.slices[0], "holiday"], [volume.labels[0, ::2], volume.labels[0]])
    first, second = sorted(given(tmp_path, [volume]).findings)
    assert first == "holiday.png: is of no slice of this data; call it by its case's id, or name it in --map"
    rows, columns = volume.labels.shape[1:]
    assert f"is {rows // 2}x{columns}, its slice {rows}x{columns}" in second


@pytest.mark.parametrize(
    "text",
    ["1", "x=scar", "1=scar,1=cavity", "1=brain", "", "70000=scar", pytest.param("9" * 5000 + "=scar", id="long")],
)
def test_classes_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--classes"):
        parse_classes(text)


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "file,case\nx,1\nx,2\n", ""])
def test_a_map_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match="--map"):
        read_name_map(path)


def test_a_folder_without_labels_is_refused(tmp_path: Path, exams: list[Volume]) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        given(tmp_path / "none", exams)
    with pytest.raises(ConfigError, match="holds no label map"):
        given(tmp_path, exams)


# ---------------------------------------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels of all exams of the phantom, as a second observer may draw them: the truth, moved by a pixel."""
    folder = tmp_path_factory.mktemp("labels") / "second observer"
    for volume in read(load_sweep("phase3", 2, "phantom", "smoke", ()).source):
        save(folder, volume, labels=np.roll(volume.labels, 1, axis=2))
    return folder


def run(folder: Path, runs: Path, *options: str) -> Any:
    return invoke("evaluate", str(folder), "--profile", "smoke", "--runs", str(runs), *options)


def test_what_others_drew_is_measured_once_recorded_and_shown_again(labels: Path, tmp_path: Path) -> None:
    done = run(labels, tmp_path)
    assert done.exit_code == 0, done.output
    assert "second observer on the val subset of phantom: 3 patients, in 3-D" in done.output
    assert "Nothing of ours is beside it" in done.output
    assert not (tmp_path / "test_access.json").exists()
    folder = tmp_path / "evaluate-second_observer"
    table = pd.read_csv(folder / "patients_val.csv")
    config = load_sweep("phase3", 2, "phantom", "smoke", ())
    manifest = {volume.case: volume for volume in read(config.source)}
    slices = pd.read_csv(folder / "scar_slices_val.csv")
    for case, rows in table.groupby("case"):
        volume = manifest[str(case)]
        used = [volume.slices.index(name) for name in slices.loc[slices["case"] == case, "slice"]]
        truth = volume.labels[used]
        grid = ExamGrid(volume.spacing_mm or (0, 0, 0), tuple(used))
        want = measure_exam(np.roll(truth, 1, axis=2), truth, grid, config.metrics.nsd_tolerance_mm)
        np.testing.assert_allclose(rows["dice"], want["dice"])
        np.testing.assert_allclose(rows["hd95_mm"], want["hd95_mm"])
        assert rows["error_ml"].abs().max() == pytest.approx(0, abs=1e-9)
    before = (folder / "evaluation_val.json").read_bytes()
    again = run(labels, tmp_path)
    assert "measured before; shown again, not measured again" in again.output
    assert (folder / "evaluation_val.json").read_bytes() == before
    looked = run(labels, tmp_path, "--subset", "test")
    assert "Test subset: first look at this test subset." in looked.output
    assert "first look" in run(labels, tmp_path, "--subset", "test").output  # the same look, shown again
    other = run(labels, tmp_path, "--subset", "test", "--name", "another")
    assert "look 2 at this test subset, which is no longer untouched; before: evaluate-second_observer" in other.output
    accesses = json.loads((tmp_path / "test_access.json").read_text())["accesses"]
    assert [access["pipeline"] for access in accesses] == ["evaluate-second_observer", "evaluate-another"]
    (tmp_path / "test_access.json").unlink()  # what is there was a look, whatever the record says
    assert "look 3 at this test subset" in run(labels, tmp_path, "--subset", "test", "--name", "third").output


def test_what_is_missing_ends_the_command_before_anything_is_looked_at(labels: Path, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    split = ("--subset", "test")
    files = sorted(labels.glob("*.nii.gz"))
    for path in files:
        (folder / path.name).symlink_to(path)
    whole = run(folder, tmp_path / "runs", *split, "--name", "all")
    assert whole.exit_code == 0, whole.output
    measured = pd.read_csv(tmp_path / "runs/evaluate-all/patients_test.csv")["case"].unique().tolist()
    (folder / f"{measured[0]}.nii.gz").unlink()
    Path(folder / "extra.nii.gz").symlink_to(files[0])
    runs = tmp_path / "others"
    refused = run(folder, runs, *split)
    assert refused.exit_code == 2
    said = " ".join(refused.output.split())
    assert f"case {measured[0]}: has no labels that can be used" in said
    assert "extra.nii.gz: is of no case of this data" in said
    assert "--allow-missing" in said
    assert not (runs / "test_access.json").exists()
    assert not list(runs.glob("evaluate-*"))
    allowed = run(folder, runs, *split, "--allow-missing")
    assert allowed.exit_code == 0, allowed.output
    assert "labels on the test subset of phantom: 5 patients" in allowed.output
    assert pd.read_csv(runs / "evaluate-labels/patients_test.csv")["case"].unique().tolist() == measured[1:]
    assert f"Not measured, for want of labels: {measured[0]}" in (runs / "evaluate-labels/tables_test.md").read_text()


@pytest.mark.parametrize(("made", "said"), [(False, "no such folder"), (True, "holds no label map")])
def test_the_folder_is_looked_at_before_exams_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bool, said: str
) -> None:
    def nothing(*given: Any) -> None:
        raise AssertionError("exams are read")

    monkeypatch.setattr(external, "read", nothing)
    folder = tmp_path / "labels"
    if made:
        folder.mkdir()
        (folder / "notes.txt").write_text("nothing")
    refused = run(folder, tmp_path / "runs")
    assert (refused.exit_code, said in refused.output) == (2, True), refused.output
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("allowed", [False, True])
def test_too_few_cases_are_said_whatever_is_allowed(labels: Path, tmp_path: Path, allowed: bool) -> None:
    """`--allow-missing` was advised, and then refused with the same findings, for want of a second case."""
    folder = tmp_path / "labels"
    folder.mkdir()
    tried = run(labels, tmp_path / "runs")
    assert tried.exit_code == 0, tried.output
    patients = pd.read_csv(next((tmp_path / "runs").glob("evaluate-*/patients_val.csv")))["case"].unique()
    (folder / f"{patients[0]}.nii.gz").symlink_to(labels / f"{patients[0]}.nii.gz")
    refused = run(folder, tmp_path / "others", *["--allow-missing"] * allowed)
    assert refused.exit_code == 2, refused.output
    said = " ".join(refused.output.split())
    assert "only 1 of the 3 cases of the val subset would be left; at least 2 are needed" in said
    assert "--allow-missing" not in said
    assert f"case {patients[1]}: has no labels that can be used" in said


def test_a_subset_of_one_case_is_too_small_without_findings(labels: Path, tmp_path: Path) -> None:
    split = "split.counts={train: {normal: 2, scar: 2}, val: {normal: 0, scar: 1}, test: {normal: 1, scar: 1}}"
    refused = run(labels, tmp_path, "--set", split)
    assert refused.exit_code == 2, refused.output
    assert "the val subset has only 1 case(s); at least 2 are needed" in " ".join(refused.output.split())
    measured = run(labels, tmp_path, "--set", split, "--subset", "test")
    assert measured.exit_code == 0, measured.output


def test_other_labels_under_a_name_that_is_taken_are_refused(labels: Path, tmp_path: Path) -> None:
    assert run(labels, tmp_path, "--name", "a").exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.glob("evaluate-a/*") if path.is_file()}
    other = tmp_path / "other"
    for volume in read(load_sweep("phase3", 2, "phantom", "smoke", ()).source):
        save(other, volume)
    done = run(other, tmp_path, "--name", "a")
    assert done.exit_code == 2
    assert "give another --name" in " ".join(done.output.split())
    assert {path: path.read_bytes() for path in before} == before
