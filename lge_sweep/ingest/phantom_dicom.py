"""Write a simulated exam as a DICOM study: a localizer, the LGE series, and its masks as a DICOM Segmentation.

Nothing in a file depends on when or where it is written: the same exam gives the same bytes.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import DA, DS, DT, TM

from lge_sweep import __version__
from lge_sweep.config.masks import ClassName, SegMask
from lge_sweep.ingest.phantom_geometry import COLUMN_DIRECTION, ROW_DIRECTION, first_pixel_mm, phantom_spacing
from lge_sweep.ingest.volume import Volume
from lge_sweep.labels import Label

_DATE, _TIME = DA("20000101"), TM("120000")
_EQUIPMENT_TAGS = {"Manufacturer": "lge_sweep", "ManufacturerModelName": "phantom", "DeviceSerialNumber": "0"}
_COMMON_TAGS: dict[str, Any] = {
    "Modality": "MR",
    "StudyDate": _DATE,
    "StudyTime": _TIME,
    "ContentDate": _DATE,
    "ContentTime": _TIME,
    "SoftwareVersions": __version__,
    "PatientBirthDate": "",
    "PatientSex": "",
    "QualityControlSubject": "YES",  # a phantom, not a patient
    "PatientPosition": "HFS",
    "BodyPartExamined": "HEART",
    "PositionReferenceIndicator": "",
    "ReferringPhysicianName": "",
    "AccessionNumber": "",
    "StudyID": "1",
    "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
    "ScanningSequence": ["GR", "IR"],
    "SequenceVariant": "NONE",
    "ScanOptions": "",
    "MRAcquisitionType": "2D",
    "RepetitionTime": None,
    "EchoTime": None,
    "EchoTrainLength": None,
    "InversionTime": None,
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": 0,
}
"""What all images say. Source: DICOM PS3.3 A.4 (MR Image IOD); what a simulation has none of is empty."""
_SEGMENT_CODES: dict[ClassName, tuple[Any, Any]] = {
    "cavity": (codes.SCT.AnatomicalStructure, codes.SCT.LeftVentricle),
    "myocardium": (codes.SCT.AnatomicalStructure, codes.SCT.LeftVentricleMyocardium),
    "scar": (codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.ScarTissue),
}
"""Class -> category and type of its segment. Source: DICOM PS3.16 CID 7150, 7151 and 12305 (SNOMED CT)."""


def write_dicom_study(volume: Volume, folder: Path) -> None:
    """Write one exam's study, ``<case>/localizer``, ``<case>/LGE_SA`` and ``<case>/SEG``, a file a slice.

    Slices are numbered and placed from base to apex (`phantom_geometry`) and as thick as they are apart. Segments are
    called as `SegMask` reads them by default. PatientID is the case id, PatientName begins with PHANTOM.

    Args:
        volume: a simulated exam: uint16 intensities, spacing known.
        folder: where the case's folder is made.

    Raises:
        OSError: a file cannot be written.
    """
    study = _StudyWriter(volume)
    middle = len(volume.slices) // 2
    lge = [study.image(index, "LGE SA", series=2, number=index + 1) for index in range(len(volume.slices))]
    files = {
        "localizer/IM001.dcm": study.image(middle, "localizer SA", series=1, number=1, step=2),
        **{f"LGE_SA/IM{index:03d}.dcm": image for index, image in enumerate(lge, start=1)},
        "SEG/SEG001.dcm": study.segmentation(lge),
    }
    for name, dataset in files.items():
        path = folder / volume.case / name
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)


class _StudyWriter:
    """What the files of one exam share: the exam, and UIDs that follow from its content."""

    def __init__(self, volume: Volume) -> None:
        assert volume.pixels.dtype == np.uint16, volume.pixels.dtype
        self.volume = volume
        arrays = (np.ascontiguousarray(array).tobytes() for array in (volume.pixels, volume.labels))
        self.content = hashlib.sha256(b"".join(arrays) + repr((volume.case, volume.spacing_mm)).encode()).hexdigest()

    def uid(self, what: str) -> UID:
        return generate_uid(entropy_srcs=[f"lge_sweep phantom {self.content} {what}"])

    def image(self, index: int, description: str, series: int, number: int, step: int = 1) -> Dataset:
        """Return a slice as an MR image of a series; every `step`-th row and column of it."""
        pixels = self.volume.pixels[index, ::step, ::step]
        row_mm, column_mm, slice_mm = phantom_spacing(self.volume)
        brightest = round(float(np.percentile(self.volume.pixels, 99.5)))
        attributes = {
            "SOPClassUID": MRImageStorage,
            "SOPInstanceUID": self.uid(f"series {series} slice {index}"),
            "StudyInstanceUID": self.uid("study"),
            "SeriesInstanceUID": self.uid(f"series {series}"),
            "FrameOfReferenceUID": self.uid("frame of reference"),
            "PatientName": f"PHANTOM^{self.volume.case}",
            "PatientID": self.volume.case,
            "SeriesDescription": description,
            "SeriesNumber": series,
            "InstanceNumber": number,
            "ImagePositionPatient": [_decimal(mm) for mm in first_pixel_mm(self.volume, index)],
            "ImageOrientationPatient": [_decimal(cosine) for cosine in (*ROW_DIRECTION, *COLUMN_DIRECTION)],
            "PixelSpacing": [_decimal(row_mm * step), _decimal(column_mm * step)],
            "SliceThickness": _decimal(slice_mm),
            "SpacingBetweenSlices": _decimal(slice_mm),
            "WindowCenter": _decimal(brightest / 2),
            "WindowWidth": _decimal(brightest),
            "Rows": pixels.shape[0],
            "Columns": pixels.shape[1],
        }
        dataset = Dataset()
        for keyword, value in (_COMMON_TAGS | _EQUIPMENT_TAGS | attributes).items():
            setattr(dataset, keyword, value)
        dataset.add_new("PixelData", "OW", pixels.astype("<u2").tobytes())
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        return dataset

    def segmentation(self, images: Sequence[Dataset]) -> Segmentation:
        """Return the labels [S, H, W] as segments of the images, one a class but the background."""
        named = SegMask(kind="seg").segments
        numbers: NDArray[np.uint8] = np.zeros(len(Label), dtype=np.uint8)
        numbers[[Label[name.upper()] for name in named.values()]] = np.arange(1, len(named) + 1)
        # MANUAL: no algorithm found the labels on the images; they are what the images were made from
        segments = [
            SegmentDescription(number, label, *_SEGMENT_CODES[name], SegmentAlgorithmTypeValues.MANUAL)
            for number, (label, name) in enumerate(named.items(), start=1)
        ]
        seg = Segmentation(
            images,
            numbers[self.volume.labels],
            SegmentationTypeValues.BINARY,
            segments,
            series_instance_uid=self.uid("series 3"),
            series_number=3,
            sop_instance_uid=self.uid("segmentation"),
            instance_number=1,
            manufacturer=_EQUIPMENT_TAGS["Manufacturer"],
            manufacturer_model_name=_EQUIPMENT_TAGS["ManufacturerModelName"],
            software_versions=__version__,
            device_serial_number=_EQUIPMENT_TAGS["DeviceSerialNumber"],
            series_description="LV segments",
            content_date=_DATE,
            content_time=_TIME,
        )
        seg.InstanceCreationDate, seg.InstanceCreationTime = _DATE, _TIME  # highdicom tells the time, and draws a UID
        for item in seg.ContributingEquipmentSequence:
            if "ContributionDateTime" in item:
                item.ContributionDateTime = DT(f"{_DATE}{_TIME}")
        for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
            item.DimensionOrganizationUID = self.uid("dimensions")
        return seg


def _decimal(value: float) -> Any:
    """Return a decimal string as DICOM has it, of at most 16 characters."""
    return DS(float(value), auto_format=True)
