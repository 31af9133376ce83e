"""A real archive for tests: Debian's Orthanc with its DICOMweb plugin, on a port of its own, in a folder of its own.

As a script it runs the whole round trip, with a segmenter's folder: `python tests/orthanc.py MODEL`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import guard
import requests
from processes import free_port
from program import command

from lge_sweep.archive.address import PASSWORD, USER

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
NAME, SECRET = "reader", "a secret of theirs"
SECONDS = 30


def obstacle() -> str:
    """Say why there is no Orthanc, or return ""."""
    if shutil.which("Orthanc") is None:
        return "Orthanc (Debian: orthanc) is not installed"
    return "" if PLUGIN.is_file() else "Orthanc's DICOMweb plugin (Debian: orthanc-dicomweb) is not installed"


class Orthanc:
    """A running archive."""

    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self.dicomweb = f"{self.root}/dicom-web"

    def ask(self, path: str, **options: Any) -> requests.Response:
        """Ask Orthanc's own interface, with the right credentials; it is not what is tested."""
        how = requests.post if options else requests.get
        answer = how(self.root + path, auth=(NAME, SECRET), timeout=SECONDS, **options)
        answer.raise_for_status()
        return answer

    def upload(self, folder: Path) -> int:
        """Put the DICOM files below a folder into the archive; return how many there are."""
        files = sorted(folder.rglob("*.dcm"))
        for file in files:
            self.ask("/instances", data=file.read_bytes())
        return len(files)

    def held(self) -> dict[str, bytes]:
        """Return what it holds, SOPInstanceUID -> file."""
        ids = self.ask("/instances").json()
        uids = {one: self.ask(f"/instances/{one}").json()["MainDicomTags"]["SOPInstanceUID"] for one in ids}
        return {uid: self.ask(f"/instances/{one}/file").content for one, uid in uids.items()}


@contextmanager
def running(folder: Path) -> Iterator[Orthanc]:
    """Run an archive that asks for a password; it ends with this context.

    It is outside of the guard (`guard.py`), as it listens on every address; it answers this machine alone.
    """
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "Name": "test", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
        "HttpPort": port, "RemoteAccessAllowed": False, "DicomServerEnabled": False, "AuthenticationEnabled": True,
        "RegisteredUsers": {NAME: SECRET}, "Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    unguarded = {name: value for name, value in os.environ.items() if name not in (guard.LIBRARY, guard.LOG)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["Orthanc", str(folder / "orthanc.json")], cwd=folder, env=unguarded, stdout=log, stderr=log
        )
    try:
        archive = Orthanc(port)
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                archive.ask("/system")
                break
            except requests.RequestException:
                assert process.poll() is None, (folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, "Orthanc does not start"
                time.sleep(0.05)
        yield archive
    finally:
        process.terminate()
        process.wait(SECONDS)


def main(model: str) -> None:
    """Send a simulated study to an archive, have it segmented and stored, twice, and print what is said."""
    with tempfile.TemporaryDirectory() as name, running(Path(name) / "orthanc") as archive:
        place = Path(name)
        subprocess.run(command("phantom", str(place / "exams"), "--format", "dicom", "--cases", "1"), check=True)
        archive.upload(place / "exams")
        (study,) = archive.ask("/studies?expand").json()
        uid = study["MainDicomTags"]["StudyInstanceUID"]
        predict = ["predict", "--dicomweb", archive.dicomweb, "--study", uid, "--store", "--model", model]
        for _ in range(2):
            known = {**os.environ, USER: NAME, PASSWORD: SECRET}
            subprocess.run(command(*predict, str(place / "out")), env=known, check=True)
        print(f"the archive holds {len(archive.held())} objects")


if __name__ == "__main__":
    if why := obstacle():
        sys.exit(why)
    main(*sys.argv[1:])
