"""Image files: what is read, and what is refused before a decoder for it, or another program, sees it."""

import ast
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from package_source import MODULES
from PIL import Image

from lge_sweep.config.data import ImagePairs
from lge_sweep.config.masks import IndexMask
from lge_sweep.errors import DataError
from lge_sweep.ingest import read
from lge_sweep.ingest.image_files import PILLOW_FORMATS, read_image_file
from lge_sweep.ingest.volume import UnusableError

GREY = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"


def saved(kind: str) -> bytes:
    file = io.BytesIO()
    GREY.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", PILLOW_FORMATS)
def test_formats_that_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "slice.png"
    path.write_bytes(saved(kind))
    assert np.array_equal(np.asarray(read_image_file(path)), np.asarray(GREY))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (POSTSCRIPT, "PostScript"),
        (struct.pack("<IIIIIII", 0xC6D3D0C5, 30, len(POSTSCRIPT), 0, 0, 0, 0) + b"\0\0" + POSTSCRIPT, "PostScript"),
        (saved("GIF"), "GIF"),
        (saved("JPEG"), "JPEG"),
        (saved("JPEG2000"), "JPEG 2000"),
        (saved("WEBP"), "WebP"),
        (saved("PDF"), "PDF"),
    ],
    ids=["eps", "dos-eps", "gif", "jpeg", "jpeg2000", "webp", "pdf"],
)
def test_other_formats_are_named_and_not_decoded(
    content: bytes, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Ghostscript that is there to be found is not started."""
    started = tmp_path / "started"
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch '{started}'\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a_slice1.png").write_bytes(content)
    masks = IndexMask(values={0: "background"})
    source = ImagePairs(
        kind="image_pairs", images="images", labels="labels", mask=masks, case_pattern="(?P<case>a)", case_ids="keep"
    )
    with pytest.raises(DataError) as caught:
        read(source, tmp_path)
    said = f"is called .png and holds {what}"
    assert [said in finding and "PNG, BMP or TIFF" in finding for finding in caught.value.findings] == [True, True]
    assert not started.exists()


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(100_000, 100_000), r"has more than 10\^8 pixels; expected at most 4096 rows and columns"),
        (png(10_000, 10_000), "size is 10000x10000; expected 1 to 4096 pixels"),
        (png(8, 8)[:40], "broken image file|not an image file that can be read"),
        (b"", "not an image file that can be read; expected PNG, BMP or TIFF"),
        (b"\x89PNG\r\n\x1a\n", "broken image file|not an image file that can be read"),
    ],
    ids=["bomb", "large", "cut", "empty", "bare"],
)
def test_bombs_and_broken_files_are_explained(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "slice.png"
    path.write_bytes(content)
    with pytest.raises(UnusableError, match=message) as caught:
        read_image_file(path)
    assert str(tmp_path) not in str(caught.value)


def test_images_are_opened_in_one_place() -> None:
    openers = {"Image.open", "cv2.imread", "cv2.imdecode", "plt.imread", "mpimg.imread", "io.imread", "imageio.imread"}
    found = set()
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node).removeprefix("PIL.") in openers:
                found.add(module.path.name)
            if isinstance(node, ast.ImportFrom) and {alias.name for alias in node.names} & {
                "open",
                "imread",
                "imdecode",
            }:
                found.add(module.path.name)
    assert found == {"image_files.py"}
