"""Exams of an archive: what is fetched and stored, what is told where it fails, and what never leaves or stays."""

import json
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
import pytest
import requests
from deliveries import rows_of
from fake_archive import JSON, FakeArchive, Reply, Request, serving
from fuzz_inputs import write_model
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from synthetic_dicom import SECRETS, classic, grey, write
from typer.testing import CliRunner, Result
from urllib3.util import Retry

from lge_sweep.archive import connection, fetch
from lge_sweep.archive.address import PASSWORD, TOKEN, USER, read_address, read_credentials, read_uid
from lge_sweep.archive.connection import Archive
from lge_sweep.archive.fetch import single_part
from lge_sweep.cli import app
from lge_sweep.errors import ArchiveError, ConfigError
from lge_sweep.ingest.limits import MIB
from lge_sweep.segmenter import archived

STUDY, LGE, CINE, OTHER = "1.2.20240506", "1.2.3.1", "1.2.3.2", "1.2.99"
SECRET = "kept:to/them?selves"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (USER, PASSWORD, TOKEN, "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    quick = Retry(total=2, connect=1, status_forcelist=(503,), allowed_methods=("GET",), raise_on_status=False)
    monkeypatch.setattr(connection, "RETRIES", quick)


def study(folder: Path, uid: str = STUDY, patient: str = "MRN4711") -> Path:
    """Write a study of an LGE series, a cine and a screenshot that says LGE."""
    pixels = grey(3, (24, 20), 256)
    about = {"StudyInstanceUID": uid, "PatientID": patient}
    for k in range(3):
        write(classic(pixels[k], k, series=LGE + uid[1:], **about), folder / f"lge{k}.dcm")
    for k in range(4):
        cine = classic(pixels[0], 0, series=CINE + uid[1:], SeriesDescription="cine SA", TriggerTime=float(k), **about)
        write(cine, folder / f"cine{k}.dcm")
    shot = classic(pixels[0], 0, series="1.2.3.3" + uid[1:], SeriesDescription="LGE report", Modality="SC", **about)
    write(shot, folder / "shot.dcm")
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FakeArchive]:
    with serving(FakeArchive().put_folder(study(tmp_path / "held"))) as archive:
        yield archive


@pytest.fixture
def predict(tmp_path: Path, model: Path, archive: FakeArchive) -> Callable[..., Result]:
    """Run the command on the archive's study; afterwards no image may lie in the temporary folder."""

    def run(*more: str, url: str = "", formats: str = "csv", studies: tuple[str, ...] = (STUDY,)) -> Result:
        asked = [word for uid in studies for word in ("--study", uid)]
        command = ["predict", "--dicomweb", url or archive.address, *asked, "--model", str(model), *more]
        command += ["--format", formats] if formats else []
        done = CliRunner().invoke(app, [*command, str(tmp_path / "out")])
        assert list((tmp_path / "tmp").iterdir()) == []
        assert not any(secret in done.output for secret in (*SECRETS[:4], *SECRETS[6:], SECRET)), done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


def delivered(tmp_path: Path, name: str = "burden.csv") -> list[Path]:
    return sorted((tmp_path / "out").glob(f"*/{name}"))


# -------------------------------------------------------------------------------------------------------------- asking


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://archive.example/dicom-web/", "https://archive.example/dicom-web"),
        ("https://archive.example:8443", "https://archive.example:8443"),
        ("http://127.0.0.1:8042/dicom-web", "http://127.0.0.1:8042/dicom-web"),
        ("http://localhost/a", "http://localhost/a"),
        ("http://[::1]:8042/a", "http://[::1]:8042/a"),
    ],
)
def test_addresses(url: str, root: str) -> None:
    assert read_address(url) == root


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"https://me:{SECRET}@archive.example/", "holds a user, a password or parameters"),
        ("https://me@archive.example/", "holds a user, a password or parameters"),
        ("https://archive.example/?token=kept:to", "holds a user, a password or parameters"),
        ("ftp://archive.example/", "expected the root of a DICOMweb service"),
        ("archive.example", "expected the root of a DICOMweb service"),
        ("https://", "expected the root of a DICOMweb service"),
        ("https://archive.example:port/", "not an address"),
        ("https://[archive/", "not an address"),
        ("https://archive.example/\x1b[31m", "ASCII letters"),
        ("https://arch\u0456ve.example/", "ASCII letters"),
        (
            "http://archive.example/dicom-web",
            "ssh -L 8042:127.0.0.1:80 archive.example, then http://127.0.0.1:8042/dicom-w",
        ),
        ("http://10.0.0.7:8042/", "is another machine"),
    ],
)
def test_addresses_that_are_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")) as caught:
        read_address(url)
    assert "kept:to" not in str(caught.value)


def test_another_machine_may_be_asked_unencrypted_if_told() -> None:
    assert read_address("http://10.0.0.7:8042/a", plain_http=True) == "http://10.0.0.7:8042/a"
    with pytest.raises(ConfigError, match="holds a user"):
        read_address(f"http://me:{SECRET}@10.0.0.7/", plain_http=True)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({USER: "me"}, f"{PASSWORD} is not set"),
        ({PASSWORD: SECRET}, f"{USER} is not set"),
        ({USER: "me", PASSWORD: SECRET, TOKEN: "abc"}, "both"),
        ({TOKEN: "abc\r\nX-Other: 1"}, "holds a line end"),
        ({USER: "me:you", PASSWORD: SECRET}, "a colon"),
    ],
)
def test_credentials_that_are_refused(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read_credentials(environment)
    assert not {SECRET, "abc"} & set(str(caught.value).split())


def test_credentials_are_sent_to_the_archive_and_shown_nowhere(
    archive: FakeArchive, predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(USER, "Änne")
    monkeypatch.setenv(PASSWORD, SECRET)
    assert predict().exit_code == 0
    assert {request.headers["Authorization"] for request in archive.asked} == {
        "Basic w4RubmU6a2VwdDp0by90aGVtP3NlbHZlcw=="
    }
    monkeypatch.delenv(USER)
    monkeypatch.delenv(PASSWORD)
    monkeypatch.setenv(TOKEN, "abc.def")
    archive.asked.clear()
    assert predict().exit_code == 0
    assert {request.headers["Authorization"] for request in archive.asked} == {"Bearer abc.def"}
    assert SECRET not in repr(read_credentials({USER: "me", PASSWORD: SECRET}))


def test_neither_netrc_nor_an_unencrypted_proxy_is_used(
    archive: FakeArchive, predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password theirs\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert predict().exit_code == 0
    assert not any("Authorization" in request.headers for request in archive.asked)


@pytest.mark.parametrize("uid", ["", "1", "1.2/../3", "1.2..3", "1.2.x", "1." + "2" * 63, "1.2\n.3", "../1.2"])
def test_uids_that_are_none(uid: str) -> None:
    with pytest.raises(ConfigError, match="is no UID"):
        read_uid("--study", uid)


# ------------------------------------------------------------------------------------------------------------ fetching


def test_only_the_lge_series_is_fetched_and_the_result_is_that_of_the_files(
    archive: FakeArchive, predict: Callable[..., Result], tmp_path: Path, model: Path
) -> None:
    done = predict(formats="csv,sr")
    assert done.exit_code == 0, done.output
    assert "3 of 3 images fetched" in done.output
    fetched = [path for path in archive.paths() if path.count("/") == 7]
    assert len(fetched) == 3
    assert all(f"/series/{LGE}" in path for path in fetched)
    assert archive.paths("POST") == []
    folder = tmp_path / "from disk"
    for k in range(3):
        (folder / f"{k}.dcm").parent.mkdir(exist_ok=True)
        (folder / f"{k}.dcm").write_bytes((tmp_path / "held" / f"lge{k}.dcm").read_bytes())
    again = CliRunner().invoke(
        app, ["predict", str(folder), str(tmp_path / "out2"), "--model", str(model), "--format", "csv,sr"]
    )
    assert again.exit_code == 0, again.output
    (one,), (other,) = (list((tmp_path / name).glob("*/labels.dcm")) for name in ("out", "out2"))
    assert rows_of(one.with_name("burden.csv")) == rows_of(other.with_name("burden.csv"))
    assert pydicom.dcmread(one).SOPInstanceUID == pydicom.dcmread(other).SOPInstanceUID
    assert one.parent.name == other.parent.name


def test_files_come_as_they_are_stored(archive: FakeArchive, tmp_path: Path) -> None:
    wanted = fetch.SeriesQuery((), "LGE")
    fetch.fetch_study(
        Archive(archive.address, read_credentials({})), STUDY, wanted, tmp_path / "got", lambda text: None
    )
    got = {path.stem: path.read_bytes() for path in (tmp_path / "got").rglob("*.dcm")}
    assert got == {uid: content for uid, content in archive.files.items() if uid in got}
    assert len(got) == 3


@pytest.mark.parametrize("page", [1, 2, 3])
def test_lists_that_come_in_pieces(archive: FakeArchive, predict: Callable[..., Result], page: int) -> None:
    archive.page = page
    assert "3 of 3 images fetched" in predict().output


def test_a_series_by_name(archive: FakeArchive, predict: Callable[..., Result]) -> None:
    wrong = predict("--series", "1.2.3.4")
    assert wrong.exit_code == 2
    there = ", ".join(
        f"'{name}' ({modality}, {uid + STUDY[1:]})"
        for name, modality, uid in (
            ("cine SA", "MR", CINE),
            ("LGE SA PSIR", "MR", LGE),
            ("LGE report", "SC", "1.2.3.3"),
        )
    )
    assert f"has none of the series of --series; there are {there}; give one of these UIDs" in wrong.output
    named = predict("--series", CINE + STUDY[1:])
    assert "looks like a cine" in named.output  # it was fetched, and read as any other
    pattern = predict("--series-pattern", "T1 map")
    assert pattern.exit_code == 2
    assert "no SeriesDescription of an MR series matches --series-pattern T1 map; there are" in pattern.output
    assert f"there are {there}; change the pattern, or give one of these UIDs to --series" in pattern.output
    advised = pattern.output.partition("'LGE SA PSIR' (MR, ")[2].partition(")")[0]
    assert predict("--series", advised).exit_code == 0


def test_what_is_fetched_twice_is_not_segmented_twice(
    archive: FakeArchive, predict: Callable[..., Result], tmp_path: Path
) -> None:
    assert predict().exit_code == 0
    (before,) = [path.stat().st_mtime_ns for path in delivered(tmp_path)]
    assert predict().exit_code == 0
    assert [path.stat().st_mtime_ns for path in delivered(tmp_path)] == [before]


def test_one_bad_study_does_not_keep_the_others_from_being_done(
    archive: FakeArchive, predict: Callable[..., Result], tmp_path: Path
) -> None:
    archive.put_folder(study(tmp_path / "second", "1.2.20240507", "MRN5"))
    done = predict(studies=(OTHER, STUDY, "1.2.20240507", STUDY))
    assert done.exit_code == 3
    assert "2 exam(s) segmented" in done.output
    assert f"study {OTHER}: the archive has no such study" in done.output
    assert len(delivered(tmp_path)) == 2


def test_when_the_archive_goes_away_what_was_done_is_kept(
    archive: FakeArchive, predict: Callable[..., Result], tmp_path: Path
) -> None:
    archive.odd = lambda request, reply: Reply(500) if OTHER in request.path else reply
    done = predict(studies=(STUDY, OTHER, "1.2.98"))
    assert done.exit_code == 3
    assert "failed (500); ask who runs it" in done.output
    again = "not done; run the same command again when the archive answers"
    assert [f"study {uid}: {again}" in done.output for uid in (STUDY, OTHER, "1.2.98")] == [False, True, True]


def test_a_study_whose_results_could_not_be_stored_is_not_called_undone(
    archive: FakeArchive, storing: Callable[..., Result]
) -> None:
    archive.odd = lambda request, reply: Reply(500) if request.method == "POST" else reply
    done = storing("--store", studies=(STUDY, OTHER))
    assert done.exit_code == 3
    assert "the results are in" in done.output
    assert f"study {STUDY}: not done" not in done.output
    assert f"study {OTHER}: not done; run the same command again" in done.output


def test_a_folder_in_the_way_is_named_and_is_not_the_archives_fault(
    predict: Callable[..., Result], tmp_path: Path
) -> None:
    assert predict().exit_code == 0
    (folder,) = [path.parent for path in delivered(tmp_path)]
    done = predict(formats="html")
    assert done.exit_code == 2
    assert "error: no exam of archive http://127.0.0.1:" in done.output
    assert f"folder {folder} is there already, in other formats (" in done.output
    assert len(delivered(tmp_path)) == 1


# ------------------------------------------------------------------------------------------------------- what may fail


def images_of(reply: Callable[[Reply], Reply]) -> Callable[[Request, Reply], Reply]:
    return lambda request, good: reply(good) if request.path.count("/") == 7 else good


def another(study_uid: str) -> bytes:
    dataset = classic(grey(1, (24, 20))[0], 0, series=LGE, StudyInstanceUID=study_uid)
    path = Path(tempfile.gettempdir()).parent / "another.dcm"
    write(dataset, path)
    return b"--b\r\n\r\n" + path.read_bytes() + b"\r\n--b--"


ODD: dict[str, tuple[Callable[[Request, Reply], Reply], str]] = {
    "who": (lambda *_: Reply(401), f"wants to know who asks (401); set {USER} and {PASSWORD}, or {TOKEN}"),
    "forbidden": (lambda *_: Reply(403), "does not allow it (403)"),
    "nothing there": (lambda *_: Reply(404), "has nothing there (404); is the address the root"),
    "broken": (lambda *_: Reply(500, b"Doe^Jane"), "failed (500); ask who runs it"),
    "busy": (lambda *_: Reply(503), "is too busy (503); try later"),
    "teapot": (lambda *_: Reply(418), "refuses it (418)"),
    "a page": (lambda *_: Reply(200, b"<html>Doe</html>", "text/html"), "answers, but not as DICOMweb does"),
    "not a list": (lambda *_: Reply(200, b'{"a": 1}'), "the archive has no such study, or nothing in it"),
    "numbers": (lambda *_: Reply(200, b"[1, 2]"), "answers, but not as DICOMweb does"),
    "a word": (lambda *_: Reply(200, b'"Doe"'), "answers, but not as DICOMweb does"),
    "null": (lambda *_: Reply(200, b"null"), "answers, but not as DICOMweb does"),
    "deep": (lambda *_: Reply(200, b"[" * 100_000), "answers, but not as DICOMweb does"),
    "empty": (lambda *_: Reply(200, b""), "the archive has no such study, or nothing in it"),
    "no content": (lambda *_: Reply(204), "the archive has no such study, or nothing in it"),
    "elsewhere": (
        lambda *_: Reply(302, headers={"Location": "https://u:p@login.example/x?MRN4711"}),
        "sends on to https://login.example, which is not followed",
    ),
    "a path": (
        lambda *_: Reply(200, json.dumps([{"0020000E": {"Value": ["../../x"]}}]).encode()),
        "the archive has no such study",
    ),
    "no image": (
        images_of(lambda good: good._replace(content=b"--b\r\n\r\n" + b"x" * 200 + b"\r\n--b--")),
        "is no DICOM file",
    ),
    "cut": (images_of(lambda good: good._replace(content=good.content[:-10])), "answers, but not as DICOMweb does"),
    "cut off": (
        images_of(lambda good: good._replace(content=good.content[:500], headers={"Content-Length": "9999"})),
        "cannot be reached",
    ),
    "two parts": (images_of(lambda good: good._replace(content=good.content[:-2] + b"\r\n")), "not as DICOMweb does"),
    "json": (images_of(lambda good: good._replace(kind=JSON)), "answers, but not as DICOMweb does"),
    "not as stored": (images_of(lambda good: Reply(406)), "cannot send DICOM files as they are stored (406)"),
    "deleted": (images_of(lambda good: Reply(404)), "has nothing there (404)"),
    "another": (images_of(lambda good: good._replace(content=another(OTHER))), "an image of another study or series"),
}


@pytest.mark.parametrize("name", ODD)
def test_whatever_goes_wrong_ends_in_one_line(
    archive: FakeArchive, predict: Callable[..., Result], tmp_path: Path, name: str
) -> None:
    archive.odd, said = ODD[name]
    done = predict()
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert len([line for line in done.output.splitlines() if not line.startswith("[")]) <= 2
    assert delivered(tmp_path) == []


def test_wrong_credentials(
    archive: FakeArchive, predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, SECRET)
    archive.odd = lambda *_: Reply(401)
    done = predict()
    assert done.exit_code == 2
    assert "does not accept the credentials of" in done.output


def test_nobody_there(predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    done = predict(url="http://127.0.0.1:9/dicom-web")
    assert done.exit_code == 2
    assert "archive http://127.0.0.1:9/dicom-web: cannot be reached (Connection refused)" in done.output
    secure = predict(url="https://127.0.0.1:9/dicom-web")
    assert "cannot be reached (Connection refused)" in secure.output


def test_no_certificate(archive: FakeArchive, predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    done = predict(url=archive.address.replace("http", "https"))
    assert done.exit_code == 2
    assert "seems to speak plain http, not TLS" in done.output
    assert "REQUESTS_CA_BUNDLE" not in done.output
    refused = requests.exceptions.SSLError(ssl.SSLCertVerificationError(1, "certificate verify failed"))
    trusted = pytest.raises(ArchiveError, match="REQUESTS_CA_BUNDLE")
    with Archive(archive.address, read_credentials()) as asked, trusted, asked.translated_errors("study 1"):
        raise refused
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    done = predict(url="https://127.0.0.1:9/dicom-web")
    assert done.exit_code == 2
    assert "REQUESTS_CA_BUNDLE names no file with certificates" in done.output


def test_no_answer(archive: FakeArchive, predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TIMEOUT_SECONDS", (1.0, 0.1))
    monkeypatch.setattr(connection, "RETRIES", 0)

    def slow(request: Request, reply: Reply) -> Reply:
        time.sleep(0.5)
        return reply

    archive.odd = slow
    assert "no answer for 60 s" in predict().output


@pytest.mark.parametrize("limit", ["MAX_LIST_BYTES", "MAX_FILE_BYTES"])
def test_answers_that_are_too_large(
    archive: FakeArchive, predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(connection, limit, 100 if limit == "MAX_LIST_BYTES" else 100 - MIB)
    done = predict()
    assert done.exit_code == 2
    assert f"study {STUDY}" in done.output
    assert "sends more than 0 MiB at once" in done.output


def test_lists_without_an_end_and_without_a_beginning(archive: FakeArchive, predict: Callable[..., Result]) -> None:
    def more(request: Request, reply: Reply) -> Reply:
        first = len(archive.asked) * 4000
        uids = [{"00080018": {"Value": [f"1.2.{first + k}"]}} for k in range(4000)]
        return reply._replace(content=json.dumps(uids).encode()) if "/instances" in request.path else reply

    archive.odd = more
    assert "images; expected 1 to 10000; name another with --series" in predict().output
    archive.odd = lambda request, reply: reply._replace(content=b"[]") if "/instances" in request.path else reply
    assert "its series hold 0 images; expected 1 to 10000" in predict().output


def test_a_study_that_is_too_large(
    archive: FakeArchive, predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_STUDY_BYTES", 4000)
    done = predict()
    assert done.exit_code == 2
    assert f"study {STUDY}, image" in done.output
    assert "name another with --series" in done.output


def test_a_stop_leaves_nothing_behind(
    archive: FakeArchive, predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stopped(*_: Any) -> None:
        assert len(list((tmp_path / "tmp").glob("*/*/*/*.dcm"))) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "_check_file", stopped)
    done = predict()
    assert done.exit_code == 130
    assert "run the same command again" in done.output
    assert delivered(tmp_path) == []


def test_images_lie_where_nobody_else_sees_them_and_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    old, new = (tmp_path / "tmp" / f"{archived.PREFIX}{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / "image.dcm").write_bytes(b"")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    with archived._private_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert sorted(folder.parent.iterdir()) == sorted([new, folder])


@pytest.mark.parametrize(
    ("content", "kind", "part"),
    [
        (b"--b\r\nA: x\r\n\r\nwhole\r\n--b--", "multipart/related; boundary=b", b"whole"),
        (b"before\r\n--b\r\n\r\n\r\n--b--\r\nafter", 'Multipart/Related; boundary="b"', b""),
        (b"--a b\r\nA: x\r\n\r\n--a\r\n--a b--", 'multipart/related; boundary="a b"', b"--a"),
        (b"bare", "application/dicom; transfer-syntax=1.2", b"bare"),
        (b"--b\r\nA: x\r\n\r\ncut", "multipart/related; boundary=b", None),
        (b"--b\r\nA: x", "multipart/related; boundary=b", None),
        (b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--", "multipart/related; boundary=b", None),
        (b"", "", None),
        (b"--b\r\n\r\none\r\n--b--", "multipart/related", None),
    ],
)
def test_the_part_of_a_message(content: bytes, kind: str, part: bytes | None) -> None:
    if part is None:
        with pytest.raises(ValueError, match=r"multipart|part|not found"):
            single_part(content, kind)
    else:
        assert bytes(single_part(content, kind)) == part


# ------------------------------------------------------------------------------------------------------------- storing


@pytest.fixture
def storing(predict: Callable[..., Result]) -> Callable[..., Result]:
    """As `predict`, with what can be stored."""
    return partial(predict, formats="csv,sr")


def test_seg_and_report_are_stored_once(archive: FakeArchive, storing: Callable[..., Result], tmp_path: Path) -> None:
    before = set(archive.files)
    done = storing("--store")
    assert done.exit_code == 0, done.output
    assert "stored at the archive: labels.dcm, report.dcm" in done.output
    assert archive.paths("POST") == [f"/dicom-web/studies/{STUDY}"]
    files = {pydicom.dcmread(path).SOPInstanceUID: path.read_bytes() for path in (tmp_path / "out").glob("*/*.dcm")}
    assert {uid: archive.files[uid] for uid in set(archive.files) - before} == files
    assert len(files) == 2
    again = storing("--store")
    assert "asking whether it has labels.dcm, report.dcm" in again.output
    assert "storing" in done.output
    assert not [word for word in ("segmenting", "storing") if word in again.output]
    assert "there already, not sent again: labels.dcm, report.dcm" in again.output
    assert len(archive.paths("POST")) == 1
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            path.unlink()
    for folder in (tmp_path / "out").iterdir():
        folder.rmdir()
    made_anew = storing("--store")
    assert "there already, not sent again: labels.dcm, report.dcm" in made_anew.output


def test_what_one_of_two_lacks_is_stored(archive: FakeArchive, storing: Callable[..., Result], tmp_path: Path) -> None:
    assert storing().exit_code == 0
    archive.put(delivered(tmp_path, "labels.dcm")[0].read_bytes())
    done = storing("--store")
    assert "stored at the archive: report.dcm; there already, not sent again: labels.dcm" in done.output


def test_a_correction_is_not_stored_as_what_the_model_found(
    archive: FakeArchive, storing: Callable[..., Result], tmp_path: Path
) -> None:
    assert storing().exit_code == 0
    (path,) = delivered(tmp_path, "labels.dcm")
    labels = pydicom.dcmread(path)
    labels.SOPInstanceUID, labels.Manufacturer = generate_uid(), "a viewer"
    labels.save_as(path)
    done = storing("--store")
    assert done.exit_code == 3, done.output
    assert f"study {STUDY}: {path} is not what predict wrote: somebody saved over it" in " ".join(done.output.split())
    assert archive.paths("POST") == []


def answer(failed: dict[str, int], warned: dict[str, int], files: list[Path]) -> bytes:
    said = Dataset()
    said.FailedSOPSequence, said.ReferencedSOPSequence = [], []
    for path in files:
        item, one = Dataset(), pydicom.dcmread(path)
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
        if path.name in failed:
            item.FailureReason = failed[path.name]
            said.FailedSOPSequence.append(item)
        else:
            if path.name in warned:
                item.WarningReason = warned[path.name]
            said.ReferencedSOPSequence.append(item)
    return json.dumps(said.to_json_dict()).encode()


@pytest.mark.parametrize("status", [200, 202, 409])
def test_what_the_archive_does_not_take_is_told(
    archive: FakeArchive, storing: Callable[..., Result], tmp_path: Path, status: int
) -> None:
    assert storing().exit_code == 0
    files = sorted((tmp_path / "out").glob("*/*.dcm"))
    content = answer({"report.dcm": 0x0122}, {}, files)
    archive.odd = lambda request, reply: Reply(status, content) if request.method == "POST" else reply
    done = storing("--store")
    assert done.exit_code == 3
    assert (
        f"study {STUDY}: the archive has not stored report.dcm: it does not take objects of that kind (SOP class) "
        f"(0122); the results are in {files[0].parent}; run the same command again to store them"
    ) in done.output


@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        (Reply(413), 3, "takes nothing that large (413)"),
        (Reply(403), 3, "with --store to write"),
        (Reply(409), 3, "refuses it as in conflict with what it holds (409)"),
        (Reply(415), 3, "does it offer STOW-RS?"),
        (Reply(500), 3, "failed (500)"),
        (Reply(200, b"", JSON), 0, "stored at the archive: labels.dcm, report.dcm"),
        (Reply(200, b"{}", "application/json; charset=utf-8"), 0, "stored at the archive: labels.dcm, report.dcm"),
        (Reply(200, b"[", JSON), 3, "answers, but not as DICOMweb does"),
    ],
)
def test_answers_to_storing(
    archive: FakeArchive, storing: Callable[..., Result], tmp_path: Path, reply: Reply, code: int, said: str
) -> None:
    archive.odd = lambda request, good: reply if request.method == "POST" else good
    done = storing("--store")
    assert done.exit_code == code, done.output
    assert said in done.output
    assert len(delivered(tmp_path)) == 1  # the exam is done all the same


def test_an_archive_that_says_yes_and_holds_nothing(archive: FakeArchive, storing: Callable[..., Result]) -> None:
    archive.take = lambda body: Reply(200, b"{}")  # type: ignore[method-assign]  # it forgets
    done = storing("--store")
    assert done.exit_code == 3
    assert "has not stored labels.dcm: it does not say why; report.dcm: it does not say why" in done.output


def test_changes_that_the_archive_makes_are_told(
    archive: FakeArchive, storing: Callable[..., Result], tmp_path: Path
) -> None:
    assert storing().exit_code == 0
    content = answer({}, {"labels.dcm": 0xB000}, sorted((tmp_path / "out").glob("*/*.dcm")))
    archive.odd = lambda request, reply: Reply(200, content) if request.method == "POST" else reply
    assert "the archive changed elements of: labels.dcm" in storing("--store").output


# ------------------------------------------------------------------------------------------------------------- command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["out"], "expected EXAMS and OUTPUT, got 1 path(s)"),
        (["a", "b", "c"], "expected EXAMS and OUTPUT, got 3 path(s)"),
        (["a", "b", "--store"], "name it with --dicomweb URL"),
        (["a", "b", "--study", "1.2"], "name it with --dicomweb URL"),
        (["out", "--dicomweb", "https://a.example"], "which exam? Give its StudyInstanceUID with --study UID"),
        (["in", "out", "--dicomweb", "https://a.example", "--study", "1.2"], "with --dicomweb expected OUTPUT alone"),
        (["out", "--dicomweb", "https://a.example", "--study", "1.2/.."], "is no UID"),
        (["out", "--dicomweb", "https://a.example", "--study", "1.2", "--series", "x"], "--series: x is no UID"),
        (
            ["out", "--dicomweb", "https://a.example", "--study", "1.2", "--store", "--format", "csv"],
            "add seg or sr to",
        ),
        (["out", "--dicomweb", "https://a.example", "--study", "1.2", "--case-ids", "keep"], "an archive has none"),
        (["out", "--dicomweb", "https://a.example", "--study", "1.2", "--format", "sgr"], "did you mean"),
        (
            ["out", "--dicomweb", "https://a.example", "--study", "1.2", "--series-pattern", "("],
            "not a regular expressi",
        ),
    ],
)
def test_commands_that_cannot_be_meant(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["predict", *arguments])
    assert done.exit_code == 2
    assert said in done.output
