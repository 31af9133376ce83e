"""A tiny DICOMweb archive in this process, which can be told to misbehave."""

import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pydicom
from pydicom.dataset import Dataset

JSON, MULTIPART = "application/dicom+json", 'multipart/related; type="application/dicom"; boundary="b"'


class Reply(NamedTuple):
    """What is answered."""

    status: int = 200
    content: bytes = b""
    kind: str = JSON
    headers: Mapping[str, str] = MappingProxyType({})


class Request(NamedTuple):
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class FakeArchive:
    """What it holds, what it was asked, and how it misbehaves.

    Attributes:
        files: SOPInstanceUID -> file.
        asked: every request.
        odd: takes a request and what would be answered, and gives what is.
        page: most entries of a list that it gives at once.
        address: its DICOMweb root.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    odd: Callable[[Request, Reply], Reply] = lambda request, reply: reply
    page: int = 1000
    address: str = ""

    def put(self, content: bytes) -> Dataset:
        dataset = pydicom.dcmread(io.BytesIO(content))
        self.files[str(dataset.SOPInstanceUID)] = content
        return dataset

    def put_folder(self, folder: Path) -> "FakeArchive":
        for path in sorted(folder.rglob("*.dcm")):
            self.put(path.read_bytes())
        return self

    def headers(self) -> list[Dataset]:
        return [pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True) for content in self.files.values()]

    def paths(self, method: str = "GET") -> list[str]:
        return [request.path for request in self.asked if request.method == method]

    def find(self, parts: list[str], offset: int) -> Reply:
        wanted: dict[str, str | None] = dict.fromkeys(("studies", "series", "instances"))
        wanted.update(zip(parts[::2], parts[1::2], strict=False))
        key = {2: "SeriesInstanceUID", 4: "SOPInstanceUID"}[len(parts) - 1]
        found = {
            str(one[key].value): one
            for one in self.headers()
            if one.StudyInstanceUID == wanted["studies"] and wanted["series"] in (None, one.SeriesInstanceUID)
        }
        told = ("SeriesInstanceUID", "Modality", "SeriesDescription", "SOPInstanceUID", "PatientName")
        entries = []
        for one in list(found.values())[offset : offset + self.page]:
            entry = Dataset()
            for keyword in told:
                if keyword in one:
                    setattr(entry, keyword, one[keyword].value)
            entries.append(entry.to_json_dict())
        return Reply(content=json.dumps(entries).encode())

    def answer(self, request: Request, body: bytes) -> Reply:
        parts = urlsplit(request.path)
        words = parts.path.removeprefix("/dicom-web/").split("/")
        if request.method == "POST":
            return self.take(body)
        if len(words) == 6:
            content = self.files.get(words[5])
            if content is None:
                return Reply(404)
            return Reply(
                content=b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--b--", kind=MULTIPART
            )
        return self.find(words, int(parse_qs(parts.query).get("offset", ["0"])[0]))

    def take(self, body: bytes) -> Reply:
        boundary = body.lstrip(b"\r\n").partition(b"\r\n")[0]
        parts = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in body.split(boundary)[1:-1]]
        answer = Dataset()
        answer.ReferencedSOPSequence = []
        for part in parts:
            item, one = Dataset(), self.put(part)
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
            answer.ReferencedSOPSequence.append(item)
        return Reply(content=json.dumps(answer.to_json_dict()).encode())


@contextmanager
def serving(archive: FakeArchive) -> Iterator[FakeArchive]:
    """Serve an archive on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers))
            archive.asked.append(request)
            reply = archive.odd(request, archive.answer(request, body))
            self.send_response(reply.status)
            for name, value in {
                "Content-Type": reply.kind, "Content-Length": str(len(reply.content)), **reply.headers
            }.items():  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_POST = respond  # noqa: N815  # the names that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    archive.address = f"http://127.0.0.1:{server.server_port}/dicom-web"
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
