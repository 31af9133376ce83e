"""Write small truths for tests: DICOM RT Structure Sets and cvi42 workspaces."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

Points = NDArray[np.float64]
"""[N, 2] row and column in pixels, or [N, 3] mm."""
HASH = "http://www.circlecvi.com/cvi42/Workspace/Hash/"


def circle(row: float, column: float, radius: float, points: int = 400) -> Points:
    """Return the corners of a regular polygon, row and column."""
    angle = 2 * np.pi * np.arange(points) / points
    return np.stack([row + radius * np.sin(angle), column + radius * np.cos(angle)], axis=1)


def even_odd(polygons: Sequence[Points], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centres are inside, by counting crossings of a ray; a reference of a few lines."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    crossings = np.zeros(shape, dtype=int)
    for polygon in polygons:
        for (r0, c0), (r1, c1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if r0 != r1:
                between = (rows < max(r0, r1)) & (rows >= min(r0, r1))
                crossings += between & (columns < c0 + (rows - r0) / (r1 - r0) * (c1 - c0))
    return np.asarray(crossings % 2 == 1)


def in_patient(points: Points, image: Dataset) -> Points:
    """Return mm in the patient of rows and columns of a classic image (PS3.3 C.7.6.2.1.1)."""
    along = np.array(image.ImageOrientationPatient, dtype=float)
    rows_mm, columns_mm = (float(mm) for mm in image.PixelSpacing)
    steps = points[:, :1] * rows_mm * along[3:] + points[:, 1:] * columns_mm * along[:3]
    return np.asarray(np.array(image.ImagePositionPatient, dtype=float) + steps)


Drawn = tuple[Points, str | None]
"""A contour in mm, and the SOPInstanceUID it refers to."""


def structure_set(
    structures: Mapping[str, Sequence[Drawn]], frame: str | None = "1.2.9", kind: str = "CLOSED_PLANAR", **more: Any
) -> FileDataset:
    """Return an RT Structure Set; `more` overrides attributes."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": RTStructureSetStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": "RTSTRUCT",
        "StudyInstanceUID": "1.2.20240506", "SeriesInstanceUID": "1.2.7", "PatientID": "MRN4711",
        "PatientName": "Doe^Jane", "StructureSetROISequence": [], "ROIContourSequence": [],
    }  # fmt: skip
    for keyword, value in (values | more).items():
        setattr(dataset, keyword, value)
    for number, (name, drawn) in enumerate(structures.items(), start=1):
        roi, contours = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        if frame is not None:
            roi.ReferencedFrameOfReferenceUID = frame
        contours.ReferencedROINumber = number
        contours.ContourSequence = [_contour(points, instance, kind) for points, instance in drawn]
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(contours)
    return dataset


def _contour(points: Points, instance: str | None, kind: str) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType = kind
    contour.NumberOfContourPoints = len(points)
    contour.ContourData = [f"{mm:.8f}"[:16] for mm in points.ravel()]
    if instance is not None:
        image = Dataset()
        image.ReferencedSOPInstanceUID = instance
        contour.ContourImageSequence = [image]
    return contour


def workspace(contours: Mapping[str, Mapping[str, Points]], resolution: int | None = 4, head: str = "") -> str:
    """Return a cvi42 workspace: SOPInstanceUID -> name -> row and column in pixels."""

    def item(key: str, inner: str) -> str:
        return f"<Hash:item Hash:key={quoteattr(key)}>{inner}</Hash:item>"

    def drawn(points: Points) -> str:
        scaled = points * (resolution or 1)
        listed = "".join(
            f"<List:item><Point:x>{x:.6f}</Point:x><Point:y>{y:.6f}</Point:y></List:item>" for y, x in scaled
        )
        told = item("SubpixelResolution", str(resolution)) if resolution is not None else ""
        return item("IsVisible", "true") + item("Points", listed) + told

    images = "".join(
        item(uid, item("Contours", "".join(item(name, drawn(points)) for name, points in found.items())))
        for uid, found in contours.items()
    )
    study = f"<List:item>{item('StudyUid', '1.2.20240506')}{item('ImageStates', images)}</List:item>"
    spaces = "".join(f' xmlns:{name}="{HASH.replace("Hash", name)}"' for name in ("Hash", "List", "Point"))
    who = item("PatientName", "Doe^Jane")
    return f'<?xml version="1.0"?>{head}<Hash:root{spaces}>{who}{item("StudyMapStates", study)}</Hash:root>'


def write_workspace(path: Path, contours: Mapping[str, Mapping[str, Points]], **more: Any) -> Path:
    path.write_text(workspace(contours, **more), encoding="utf-8")
    return path
