"""The round trip through a real archive: Debian's Orthanc, which asks for a password."""

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orthanc
import pydicom
import pytest
from deliveries import check_dicom
from fuzz_inputs import write_model
from typer.testing import CliRunner, Result

from lge_sweep.archive.address import PASSWORD, USER
from lge_sweep.cli import app

pytestmark = pytest.mark.skipif(bool(orthanc.obstacle()), reason=orthanc.obstacle())


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[orthanc.Orthanc]:
    with orthanc.running(tmp_path_factory.mktemp("orthanc")) as archive:
        yield archive


@pytest.fixture(scope="module")
def study(archive: orthanc.Orthanc, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Upload a simulated study: a localizer, the LGE series and a SEG; return its UID."""
    folder = tmp_path_factory.mktemp("phantom") / "exams"
    made = CliRunner().invoke(app, ["phantom", str(folder), "--format", "dicom", "--cases", "1"])
    assert made.exit_code == 0, made.output
    assert archive.upload(folder) == 7
    return str(pydicom.dcmread(next(folder.rglob("LGE_SA/*.dcm"))).StudyInstanceUID)


@pytest.fixture
def predict(archive: orthanc.Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv(USER, orthanc.NAME)
    monkeypatch.setenv(PASSWORD, orthanc.SECRET)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    model = write_model(tmp_path / "model")

    def run(study: str, *more: str) -> Result:
        command = ["predict", "--dicomweb", archive.dicomweb, "--study", study, "--model", str(model)]
        done = CliRunner().invoke(app, [*command, "--format", "sr,csv", *more, str(tmp_path / "out")])
        assert list((tmp_path / "tmp").iterdir()) == []
        assert orthanc.SECRET not in done.output
        return done

    return run


def test_an_exam_goes_there_and_back(
    archive: orthanc.Orthanc, study: str, predict: Callable[..., Result], tmp_path: Path
) -> None:
    before = archive.held()
    done = predict(study, "--store")
    assert done.exit_code == 0, done.output
    assert "5 of 5 images fetched" in done.output
    assert "stored at the archive: labels.dcm, report.dcm" in done.output
    held = archive.held()
    assert {uid: content for uid, content in held.items() if uid in before} == before
    new = {uid: pydicom.dcmread(io.BytesIO(content)) for uid, content in held.items() if uid not in before}
    written = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, (tmp_path / "out").glob("*/*.dcm"))}
    assert set(new) == set(written)
    assert {one.SOPClassUID.name for one in new.values()} == {"Segmentation Storage", "Comprehensive 3D SR Storage"}
    for uid, one in new.items():
        assert one == written[uid]
        assert one.StudyInstanceUID == study
    (seg,) = [one for one in new.values() if "PixelData" in one]
    assert np.any(seg.pixel_array)
    (report,) = (tmp_path / "out").glob("*/report.dcm")
    check_dicom(report, "Comprehensive3DSR")

    again = predict(study, "--store")
    assert again.exit_code == 0, again.output
    assert "there already, not sent again: labels.dcm, report.dcm" in again.output
    assert archive.held() == held


def test_a_study_that_is_not_there(predict: Callable[..., Result]) -> None:
    done = predict("1.2.3.4")
    assert done.exit_code == 2
    assert "study 1.2.3.4: the archive has no such study, or nothing in it" in done.output


@pytest.mark.parametrize("known", [True, False])
def test_who_is_not_known_gets_nothing(
    study: str, predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    if known:
        monkeypatch.setenv(PASSWORD, "another")
    else:
        monkeypatch.delenv(USER)
        monkeypatch.delenv(PASSWORD)
    done = predict(study)
    assert done.exit_code == 2
    assert ("does not accept the credentials" if known else "wants to know who asks") in done.output


def test_an_archive_that_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with orthanc.running(tmp_path / "short") as ended:
        pass
    model = write_model(tmp_path / "model")
    command = ["predict", "--dicomweb", ended.dicomweb, "--study", "1.2.3", "--model", str(model)]
    done = CliRunner().invoke(app, [*command, str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "cannot be reached (Connection refused); does it run, and is it this address?" in done.output
