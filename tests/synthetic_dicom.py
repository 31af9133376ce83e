"""Write small DICOM files for tests: classic and enhanced MR images, and segmentations of them."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    UID,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

Array = NDArray[np.number]
SECRETS = ("Doe", "Jane", "MRN4711", "19610203", "20240506", "20240507", "071233", "Krankenhaus")
"""What tells who the patient is, when and where; nothing of it may come out of ingest."""
SPACING = (1.25, 1.5)
STEP = 10.0
SHORT_AXIS = (0.6, 0.8, 0.0, 0.0, 0.0, -1.0)
"""Directions of a row and of a column."""
NORMAL = np.cross(SHORT_AXIS[:3], SHORT_AXIS[3:])
ORIGIN = np.array([-100.0, -50.0, 30.0])


def grey(count: int = 3, shape: tuple[int, int] = (6, 8), top: int = 4000) -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, top, (count, *shape)).astype(np.uint16)


def place(index: float) -> list[float]:
    return [round(float(x), 6) for x in ORIGIN + NORMAL * STEP * index]


def image(
    pixels: Array, sop_class: str = MRImageStorage, series: str = "1.2.3.20240506071233", **more: Any
) -> FileDataset:
    """Return an MR image without geometry; `more` overrides attributes, None removes them."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values: dict[str, Any] = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": "1.2.20240506",
        "SeriesInstanceUID": series,
        "FrameOfReferenceUID": "1.2.9",
        "PatientName": "Doe^Jane",
        "PatientID": "MRN4711",
        "PatientBirthDate": "19610203",
        "PatientSex": "F",
        "StudyDate": "20240506",
        "StudyTime": "071233",
        "SeriesDate": "20240507",
        "AcquisitionDateTime": "20240506071233",
        "InstitutionName": "Krankenhaus",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyID": "",
        "Modality": "MR",
        "SeriesDescription": "LGE SA PSIR",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8 * pixels.dtype.itemsize,
        "BitsStored": 8 * pixels.dtype.itemsize,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    } | more
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.HighBit = dataset.BitsStored - 1
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    return dataset


def classic(pixels: Array, index: float = 0, **more: Any) -> FileDataset:
    """Return one slice, `index` steps along the normal."""
    geometry: dict[str, Any] = {
        "ImagePositionPatient": place(index),
        "ImageOrientationPatient": list(SHORT_AXIS),
        "PixelSpacing": list(SPACING),
        "SliceThickness": 8.0,
        "InstanceNumber": 1,
    }
    return image(pixels, **(geometry | more))


def enhanced(pixels: Array, places: Sequence[float], **more: Any) -> FileDataset:
    """Return a multi-frame file [frames, H, W] with per-frame positions and rescale, all else shared."""
    dataset = image(pixels, EnhancedMRImageStorage, NumberOfFrames=len(pixels), **more)
    shared = Dataset()
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=list(SHORT_AXIS))]
    shared.PixelMeasuresSequence = [item(PixelSpacing=list(SPACING), SliceThickness=8.0)]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = []
    for k, where in enumerate(places):
        frame = Dataset()
        frame.PlanePositionSequence = [item(ImagePositionPatient=place(where))]
        frame.PixelValueTransformationSequence = [item(RescaleSlope=k + 1.0, RescaleIntercept=-5.0, RescaleType="US")]
        frame.FrameVOILUTSequence = [item(WindowCenter=1000.0 * (k + 1), WindowWidth=2000.0)]
        dataset.PerFrameFunctionalGroupsSequence.append(frame)
    return dataset


def item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def write(dataset: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def series(folder: Path, pixels: Array | None = None, order: Sequence[float] | None = None, **more: Any) -> list[Path]:
    """Write a classic series IM0.dcm ..; the file k is the slice order[k] from the bottom. Return the files."""
    pixels = grey() if pixels is None else pixels
    order = range(len(pixels)) if order is None else order
    return [write(classic(pixels[k], order[k], **more), folder / f"IM{k}.dcm") for k in range(len(pixels))]


APEX = np.array([0.65, -0.55, -0.52]) / np.linalg.norm([0.65, -0.55, -0.52])
"""Where the ventricle of `encode` points, base to apex; left, back, head."""


def encode(pixels: Array, spacing: tuple[float, float, float], multi: bool = False) -> list[FileDataset]:
    """Return an exam [S, H, W] as oblique short-axis DICOM, first slice at the apex; one multi-frame file if `multi`.

    Columns run down as far as the plane allows, rows at right angles to them. Frames of a multi-frame file are in
    reverse order.
    """
    down = -(np.array([0.0, 0.0, 1.0]) - APEX[2] * APEX)
    down /= np.linalg.norm(down)
    orientation = [round(float(x), 9) for x in (*np.cross(down, -APEX), *down)]
    places = [[round(float(x), 6) for x in ORIGIN - APEX * spacing[2] * k] for k in range(len(pixels))]
    if not multi:
        return [
            classic(
                image,
                ImagePositionPatient=place,
                ImageOrientationPatient=orientation,
                PixelSpacing=list(spacing[:2]),
                SliceThickness=0.8 * spacing[2],
            )
            for image, place in zip(pixels, places, strict=True)
        ]
    dataset = enhanced(pixels[::-1], range(len(pixels)))
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = orientation
    shared.PixelMeasuresSequence = [item(PixelSpacing=list(spacing[:2]), SliceThickness=0.8 * spacing[2])]
    for frame, place in zip(dataset.PerFrameFunctionalGroupsSequence, reversed(places), strict=True):
        frame.PlanePositionSequence[0].ImagePositionPatient = place
    return [dataset]


def segmentation(sources: Sequence[Dataset], labels: Array, names: Sequence[str]) -> hd.seg.Segmentation:
    """Return a SEG of the sources: segment k has name k and the pixels of labels [S, H, W] that equal k + 1."""
    segments = [
        hd.seg.SegmentDescription(
            segment_number=k + 1,
            segment_label=name,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Heart,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for k, name in enumerate(names)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decimal strings that are a digit too long
        return hd.seg.Segmentation(
            list(sources),
            labels.astype(np.uint8),
            hd.seg.SegmentationTypeValues.BINARY,
            segments,
            series_instance_uid=generate_uid(),
            series_number=9,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="test",
            manufacturer_model_name="test",
            software_versions="1",
            device_serial_number="1",
        )
