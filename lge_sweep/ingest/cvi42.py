"""Workspaces of cvi42 as masks: contours that were drawn in it, in pixels of the images they were drawn on.

Source:
    The format as public readers know it: ukbb_cardiac (`data/parse_cvi42_xml.py`, `data/cardiac_cine_image.py`) for
    points and their unit; CMRSegTools and CMR-imageDataAlignment (CREATIS) for the contours of LGE.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

import numpy as np

from lge_sweep.arrays import ClassCodes, Points
from lge_sweep.config.masks import Cvi42Mask
from lge_sweep.ingest.contours import MIN_CONTOUR_POINTS, Contour, fill_contours
from lge_sweep.ingest.dicom_header import Header
from lge_sweep.ingest.dicom_stack import Stack
from lge_sweep.ingest.files import check_file, list_files
from lge_sweep.ingest.limits import MIB
from lge_sweep.ingest.masks import unlisted_message
from lge_sweep.ingest.sandbox import read_safely
from lge_sweep.ingest.volume import UnusableError
from lge_sweep.labels import CLASS_CODES
from lge_sweep.text import shorten

_WORKSPACE_NAME = re.compile(r"\.cvi42wsx(\.xml)?$", re.IGNORECASE)
_CONTOUR_NUMBER_SUFFIX = re.compile(r"(?<=Contour)\d{4}$")
"""What further contours of a kind on one image have at the end of their names."""
_MAX_WORKSPACE_BYTES = 256 * MIB
_MAX_XML_DEPTH = 64
"""Elements inside of each other; a workspace has about ten."""
OPEN_CONTOUR_CLOSED = "an open contour is closed by a straight line"
CONTOURS_ON_OTHER_IMAGES = (
    "its workspace has contours on images that the case's folder does not hold; a slice may be missing"
)


class Workspace(NamedTuple):
    """What is read of a workspace."""

    contours: dict[str, list["Cvi42Contour"]]
    """SOPInstanceUID of an image of the series -> its contours."""
    others: frozenset[str]
    """SOPInstanceUIDs of other images with contours."""


class Cvi42Contour(NamedTuple):
    """A contour as it is stored."""

    name: str
    points: Points
    """[N, 2] column and row in pixels; 0, 0 is the centre of the first."""


def read_cvi42(
    mask: Cvi42Mask, folder: Path, stack: Stack, headers: Sequence[Header], findings: list[str]
) -> tuple[ClassCodes | None, tuple[str, ...]]:
    """Lay the contours of a case's workspace on its series.

    Contours of one kind on one image (name, name0001, ...) are laid by the even-odd rule, as are those of one structure
    of an RTSTRUCT.

    Args:
        mask: the contours and their classes.
        folder: the case's folder.
        stack: the series, in order.
        headers: every DICOM file of the case.
        findings: what is wrong; appended to.

    Returns:
        [S, H, W] values of `CLASS_CODES`, or None where something is wrong; and what a user should know.
    """
    if any(frame.number for frame in stack.frames):
        findings.append("a multi-frame file cannot have contours of cvi42, which name no frame; give another mask")
        return None, ()
    before = len(findings)
    found = _find_workspace(folder, {frame.instance for frame in stack.frames}, findings)
    if found is None:
        return None, ()
    path, workspace = found
    contours, notes = _place_contours(workspace, mask, stack, path.name, findings)
    if len(findings) > before:
        return None, ()
    codes, more = fill_contours(contours, (len(stack.frames), *stack.frames[0].size))
    if not codes.any():
        findings.append(f"{path.name}: no contour of source.mask.contours holds a pixel of the LGE series")
        return None, ()
    notes += [CONTOURS_ON_OTHER_IMAGES] * bool(workspace.others - {header.instance for header in headers})
    return codes, (*dict.fromkeys(notes), *more)


def _find_workspace(folder: Path, images: Collection[str], findings: list[str]) -> tuple[Path, Workspace] | None:
    """Return the one workspace in a folder that has contours on some images."""
    files = list_files(folder, deep=True)
    paths = [path for path in files if _WORKSPACE_NAME.search(path.name)]
    read: dict[Path, Workspace] = {}
    for path in paths:
        try:
            check_file(path, _MAX_WORKSPACE_BYTES)
            read[path] = read_safely(_read_workspace, path, frozenset(images))
        except UnusableError as error:
            findings.append(f"{path.name}: {error}")
    if len(read) < len(paths):
        return None
    ours = [(path, workspace) for path, workspace in read.items() if workspace.contours]
    if len(ours) == 1:
        return ours[0]
    if ours:
        names = ", ".join(path.name for path, _ in ours)
        findings.append(f"{len(ours)} workspaces have contours on the LGE series ({names}); keep one")
    elif paths:
        there = sum(len(workspace.others) for workspace in read.values())
        findings.append(
            f"{paths[0].name}: has no contour on an image of the LGE series, and some on {there} other images; it is "
            "of another series, or SOPInstanceUIDs were changed after it was drawn; give the images it was drawn on"
        )
    else:
        binary = any(path.name.lower().endswith(".cvi42ws") for path in files)
        findings.append(
            "holds no cvi42 workspace in XML (.cvi42wsx)"
            + (", only a binary one; in cvi42: Workspace, Export Workspace, as XML" if binary else "")
        )
    return None


def _place_contours(
    workspace: Workspace, mask: Cvi42Mask, stack: Stack, file: str, findings: list[str]
) -> tuple[list[Contour], list[str]]:
    """Return a workspace's contours on the slices of a stack, and what a user should know."""
    classes = {name.casefold(): label for name, label in mask.contours.items()}
    slices = {frame.instance: index for index, frame in enumerate(stack.frames)}
    contours: list[Contour] = []
    notes: list[str] = []
    for image, drawn in ((image, drawn) for image, several in workspace.contours.items() for drawn in several):
        kind = _CONTOUR_NUMBER_SUFFIX.sub("", drawn.name)
        label = classes.get(drawn.name.casefold()) or classes.get(kind.casefold())
        if label is None:
            told = f"{file}: {unlisted_message('contour', [drawn.name], 'source.mask.contours', mask.contours)}"
            findings += [told] if told not in findings else []  # once, not once a slice
        elif label != "background" and (problem := _contour_problem(drawn, stack.frames[0].size)):
            findings.append(f"{file}: contour '{shorten(drawn.name, 60)}' {problem}")
        elif label != "background":
            notes += [OPEN_CONTOUR_CLOSED] * ("open" in kind.casefold())
            contours.append(Contour(kind.casefold(), CLASS_CODES[label], slices[image], drawn.points[:, ::-1]))
    return contours, notes


def _contour_problem(drawn: Cvi42Contour, size: tuple[int, int]) -> str | None:
    """Say why a contour cannot be laid on images of a size (rows, columns), or return None."""
    points = drawn.points[:, ::-1]
    if len(points) < MIN_CONTOUR_POINTS:
        return f"has {len(points)} points; expected at least {MIN_CONTOUR_POINTS}; draw or remove it"
    if (points < -1).any() or (points > size).any():
        row, column = points.max(axis=0)
        return (
            f"reaches to row {row:.0f}, column {column:.0f} of images of {size[0]}x{size[1]}; it was drawn on images "
            "of another size; give those"
        )
    return None


# ---------------------------------------------------------------------------------------------------------------- XML


def _read_workspace(path: Path, images: frozenset[str]) -> Workspace:
    """Read a workspace's contours; entities, which can expand without end or name other files, are refused."""
    reader = _WorkspaceParser(images)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_entities
    parser.EntityDeclHandler = _refuse_entities
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except (expat.ExpatError, UnicodeError):
        raise UnusableError(
            "broken XML (cut off, or a binary workspace?); in cvi42: Workspace, Export Workspace, as XML"
        ) from None
    return Workspace(dict(reader.contours), frozenset(reader.others))


def _refuse_entities(*declaration: object) -> None:
    raise UnusableError("declares a document type or entities, which no cvi42 workspace does; export it again")


class _WorkspaceParser:
    """Follows the path of keys: ImageStates, SOPInstanceUID, Contours, name, Points, item, x."""

    def __init__(self, images: Collection[str]) -> None:
        self.contours: defaultdict[str, list[Cvi42Contour]] = defaultdict(list)
        self.others: set[str] = set()
        self._images = images
        self._keys: list[str] = []
        self._states: list[int] = []
        """Numbers of keys at and above each ImageStates that is open."""
        self._text: list[str] = []
        self._values: dict[str, list[float]] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        key = attributes.get("Hash:key") or tag.rpartition(":")[2]
        self._keys.append(key)
        if len(self._keys) > _MAX_XML_DEPTH:
            raise UnusableError(
                f"broken XML: more than {_MAX_XML_DEPTH} elements inside of each other; export it again"
            )
        if key == "ImageStates":
            self._states.append(len(self._keys))
        self._text.clear()
        if self._depth() == 3:
            self._values = {"x": [], "y": [], "SubpixelResolution": []}

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        depth = self._depth()
        if depth in (3, 4, 6):
            image, contours, name, *inner = self._keys[self._states[-1] :]
            if contours != "Contours":
                pass
            elif image not in self._images:
                if depth == 6 and inner[0] == "Points":
                    self.others.add(image)
            elif not inner:
                self._keep(image, name)
            elif inner == ["SubpixelResolution"] or (inner[0] == "Points" and inner[-1] in ("x", "y")):
                self._values[inner[-1]].append(_parse_number("".join(self._text)))
        if self._states and self._states[-1] == len(self._keys):
            self._states.pop()
        self._keys.pop()

    def _depth(self) -> int:
        """Number of keys below the innermost ImageStates."""
        return len(self._keys) - self._states[-1] if self._states else 0

    def _keep(self, image: str, name: str) -> None:
        x, y, resolution = self._values.values()
        if not x and not y:
            return
        if len(x) != len(y) or len(resolution) != 1 or resolution[0] < 1:
            raise UnusableError(
                f"contour '{shorten(name, 60)}' has {len(x)} x, {len(y)} y and SubpixelResolution "
                f"{resolution or 'none'}; expected as many x as y, and one resolution of 1 or more; export it again"
            )
        self.contours[image].append(Cvi42Contour(name, np.array([x, y]).T / resolution[0]))


def _parse_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < MIB:
        raise UnusableError("a coordinate or SubpixelResolution in it is not a finite number; export it again")
    return number
