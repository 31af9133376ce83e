"""Image files are opened here and nowhere else: Pillow alone reads thirty kinds, PostScript by running Ghostscript."""

import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from lge_sweep.ingest.files import check_file
from lge_sweep.ingest.limits import MATRIX, check_size
from lge_sweep.ingest.volume import UnusableError

IMAGE_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")
"""Endings of image files."""
PILLOW_FORMATS = ("PNG", "BMP", "TIFF")
_FOREIGN_SIGNATURES = {
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript (EPS)",
    b"%PDF": "PDF",
    b"GIF8": "GIF",
    b"\xff\xd8\xff": "JPEG",
    b"\x00\x00\x00\x0cjP": "JPEG 2000",
    b"RIFF": "WebP",
    b"8BPS": "Photoshop",
}
"""What other kinds begin with."""


def read_image_file(path: Path) -> Image.Image:
    """Read an image file of one page.

    Raises:
        UnusableError: it is none of `PILLOW_FORMATS`, broken, larger than any slice, of several pages, or of 16-bit
            colour.
    """
    check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes, which are checked, and of what is said of the image aside
            with Image.open(path, formats=PILLOW_FORMATS) as image:
                check_size(image.height, image.width)
                _check_pages(image)
                image.load()
                return image
    except UnusableError:
        raise
    except UnidentifiedImageError:
        raise UnusableError(_describe_file(path)) from None
    except Image.DecompressionBombError:
        raise UnusableError(
            f"its image has more than 10^8 pixels; expected at most {MATRIX.high} rows and columns; give slices"
        ) from None
    except Exception as error:  # Pillow raises whatever broken bytes lead to
        why = str(getattr(error, "strerror", None) or error)[:80]
        raise UnusableError(f"broken image file ({why or type(error).__name__})") from None


def _describe_file(path: Path) -> str:
    """Say what a file is that is no image of ours."""
    with path.open("rb") as file:
        start = file.read(16)
    kinds = f"{', '.join(PILLOW_FORMATS[:-1])} or {PILLOW_FORMATS[-1]}"
    found = next((kind for begin, kind in _FOREIGN_SIGNATURES.items() if start.startswith(begin)), None)
    if found is None:
        return f"not an image file that can be read; expected {kinds}"
    return f"is called {path.suffix} and holds {found}; expected {kinds}; convert it"


def _check_pages(image: Image.Image) -> None:
    """Refuse a file of several pages or of 16-bit colour, of which Pillow would drop a part."""
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        raise UnusableError(f"holds {pages} pages; each slice needs a file of its own")
    if len(image.getbands()) > 1 and ";16" in str(getattr(image, "tile", "")):
        bands = "".join(image.getbands())
        raise UnusableError(
            f"holds 16 bits in each of {bands}, of which Pillow reads 8; save it as 16-bit grey, or as 8-bit {bands}"
        )
