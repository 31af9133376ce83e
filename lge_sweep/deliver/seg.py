"""Labels as a DICOM Segmentation that refers to the images they were made from."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, generate_uid
from pydicom.valuerep import DA, TM

from lge_sweep import __version__
from lge_sweep.deliver.result import RESEARCH_USE, SEVERAL_FILES, FormatError, ModelFacts, Result, seg_obstacle
from lge_sweep.ingest import Exam, quiet_pydicom, read_element
from lge_sweep.labels import COLOURS, Label
from lge_sweep.text import visible

SCT = codes.SCT
SEGMENTS = {
    Label.CAVITY: ("LV cavity", SCT.BodySubstance, SCT.Blood, SCT.LeftVentricle),
    Label.MYOCARDIUM: ("Myocardium", SCT.AnatomicalStructure, SCT.LeftVentricleMyocardium, None),
    Label.SCAR: ("Scar", SCT.MorphologicallyAbnormalStructure, SCT.ScarTissue, SCT.LeftVentricleMyocardium),
}
"""Class -> label (as `SegMask.segments` reads it), category, type and anatomic region in SNOMED CT. The cavity is the
blood in the left ventricle; there is no code for the cavity in DICOM's lists, and `Left ventricle` is all of it."""
_SERIES_NUMBER = 9001
_IDENTITY_KEYWORDS = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
                     "StudyDate", "StudyTime")  # fmt: skip
"""Of patient and study: what a SEG must have, if empty (type 2)."""
_REFERENCE_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID", "FrameOfReferenceUID")
_GEOMETRY_KEYWORDS = (
    "Rows", "Columns", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PlanePositionSequence",
    "PlaneOrientationSequence",
)  # fmt: skip
_COMPRESSION_KEYWORDS = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
"""What was made of an image that has lost something must say so."""
_ALLOWED_KEYWORDS = frozenset((*_IDENTITY_KEYWORDS, *_REFERENCE_KEYWORDS, *_GEOMETRY_KEYWORDS, *_COMPRESSION_KEYWORDS))
"""All that SEG and report may learn from their source, at any depth. Series, equipment and content are ours."""
_VALUE_TYPES: dict[str, Callable[[str], object]] = {
    "PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM, "PatientSex": hd.PatientSexValues,
}  # fmt: skip
"""What a value must be that highdicom copies; an anonymiser's `ANON`, `1961` or `U` is left empty."""
_UTF_8_CHARACTER_SET = "ISO_IR 192"


def write_seg(result: Result, path: Path) -> None:
    """Write the labels as a binary DICOM SEG, a segment a class: LV cavity, myocardium (without scar), scar.

    The SEG belongs to the patient and the study of its source and therefore copies name, id, birth date and sex of the
    patient and the study's date, time, id and accession number from it, as the standard demands, and what refers to
    its images and says where they lie: `_ALLOWED_KEYWORDS`, and nothing else. It and the report (`write_sr`) are the
    only files we write that tell who the patient is.

    Its UIDs follow from the images, the labels, the model and the version of the program: what is made twice has the
    same UIDs, so that an archive knows what it has already.

    Args:
        result: an exam and its labels.
        path: the file to write.

    Raises:
        FormatError: there can be no SEG of this exam, or the source's headers do not hold what a SEG must copy.
        OSError: a file cannot be read or written.

    Source:
        DICOM PS3.3 A.51, C.8.20; codes of PS3.16 CID 7150 (categories) and SNOMED CT.
    """
    if problem := seg_obstacle(result.exam):
        raise FormatError(problem)
    with quiet_pydicom():
        try:
            _segmentation(result).save_as(path)
        except (OSError, FormatError):
            raise
        except Exception as error:  # pydicom and highdicom raise whatever odd headers lead to, and may quote them
            path.unlink(missing_ok=True)
            missing = f" ({error.name})" if isinstance(error, AttributeError) and error.name else ""
            raise FormatError(
                f"the headers of its images do not hold what a DICOM SEG must refer to or copy{missing} "
                f"[{type(error).__name__}]"
            ) from error


def _segmentation(result: Result) -> hd.seg.Segmentation:
    model = result.model
    sources = source_headers(result.exam)
    if problem := _header_obstacle(sources):
        raise FormatError(problem)
    uid = _uids(result, sources)
    series = [str(source.SeriesInstanceUID) for source in sources]
    for source in sources:  # highdicom takes images of one series only; each gets its own back in `_set_references`
        source.SeriesInstanceUID = series[0]
    orientations = _orientations(sources)  # of one orientation, too
    for source in sources:
        if "NumberOfFrames" not in source:
            source.ImageOrientationPatient = sources[0].ImageOrientationPatient
    pixels = result.labels
    if "NumberOfFrames" in sources[0]:  # highdicom takes the planes of a multi-frame file in the file's order
        pixels = np.zeros((int(sources[0].NumberOfFrames), *result.labels.shape[1:]), dtype=np.uint8)
        pixels[[source.number for source in result.exam.sources]] = result.labels
    seg = hd.seg.Segmentation(
        sources,
        pixels,
        hd.seg.SegmentationTypeValues.BINARY,
        [_segment_description(label, model, uid(f"segment {int(label)}")) for label in SEGMENTS],
        series_instance_uid=uid("series"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=uid("instance"),
        instance_number=1,
        manufacturer="lge_sweep",
        manufacturer_model_name=to_dicom_lo(model.name),
        software_versions=__version__,
        device_serial_number=to_dicom_lo(model.digest),
        content_label="LGE_LV",
        content_description=RESEARCH_USE,
        series_description=f"LV, scar: {RESEARCH_USE}",
    )
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid("dimensions")  # highdicom draws one
    _set_references(seg, {str(s.SOPInstanceUID): uid for s, uid in zip(sources, series, strict=True)})
    _set_orientations(seg, orientations)
    return seg


def _uids(result: Result, sources: Sequence[Dataset]) -> Callable[[str], UID]:
    """Return what gives each part of the SEG its UID."""
    exam = result.exam
    place = None if exam.affine is None else exam.affine.tolist()
    images = [[str(source.SOPInstanceUID) for source in sources], [frame.number for frame in exam.sources]]
    told = repr((images, place, exam.spacing_mm, result.labels.shape, result.model.digest, __version__))
    content = hashlib.sha256(told.encode() + np.ascontiguousarray(result.labels).tobytes()).hexdigest()
    return lambda part: generate_uid(entropy_srcs=[f"lge_sweep {content} {part}"])


def source_headers(exam: Exam) -> list[Dataset]:
    """Return what SEG and report may have of the header of each source file, in the order of the slices."""
    return [_header(path, exam) for path in dict.fromkeys(source.path for source in exam.sources)]


def _header_obstacle(sources: Sequence[Dataset]) -> str | None:
    """Return a sentence that says why there can be no SEG of images, where their headers tell it."""
    if len(sources) > 1 and any("NumberOfFrames" in source for source in sources):
        return SEVERAL_FILES
    if not all(source.get("FrameOfReferenceUID") for source in sources):
        return "a DICOM SEG needs the FrameOfReferenceUID (0020,0052) of its images, and they have none"
    return None


def _orientations(sources: Sequence[Dataset]) -> dict[tuple[str, int], Sequence[float]]:
    """Return SOPInstanceUID and number of a frame, from 1 -> ImageOrientationPatient."""
    return {
        (str(source.SOPInstanceUID), number + 1): read_element(source, "ImageOrientationPatient", number)
        for source in sources
        for number in range(int(source.get("NumberOfFrames", 1)))
    }


def _set_orientations(seg: hd.seg.Segmentation, orientations: Mapping[tuple[str, int], Sequence[float]]) -> None:
    """Give each frame of a SEG the orientation of its own image, where they differ, if only in how they are rounded.

    Args:
        seg: it has the orientation of one image for all; changed.
        orientations: see `_orientations`.

    Source:
        DICOM PS3.3 C.7.6.16.2.4: the Plane Orientation macro may be shared or a frame's own.
    """
    if len({tuple(map(float, orientation)) for orientation in orientations.values()}) == 1:
        return
    del seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    for groups in seg.PerFrameFunctionalGroupsSequence:
        image = groups.DerivationImageSequence[0].SourceImageSequence[0]
        own = orientations[str(image.ReferencedSOPInstanceUID), int(image.get("ReferencedFrameNumber", 1))]
        groups.PlaneOrientationSequence = hd.PlaneOrientationSequence("PATIENT", own)


def _set_references(seg: hd.seg.Segmentation, series: Mapping[str, str]) -> None:
    """List the images that a SEG refers to by their series, where a stack was joined from several.

    Args:
        seg: it lists all of them in one series; changed.
        series: SOPInstanceUID -> SeriesInstanceUID.
    """
    if len(set(series.values())) == 1:
        return
    (together,) = seg.ReferencedSeriesSequence
    items = []
    for uid in dict.fromkeys(series.values()):
        item = Dataset()
        item.SeriesInstanceUID = uid
        item.ReferencedInstanceSequence = [
            image for image in together.ReferencedInstanceSequence if series[str(image.ReferencedSOPInstanceUID)] == uid
        ]
        items.append(item)
    seg.ReferencedSeriesSequence = items


def _header(path: Path, exam: Exam) -> Dataset:
    """Read of a source's header what the SEG may have of it; what it must have and the header lacks is put there.

    Distances are those of the exam: highdicom prefers the header's to what it is given, and where there is no slice
    distance it calculates one, which it may write with too many digits (9.999999999999998). Texts become UTF-8:
    highdicom refuses some of the character sets that scanners name, such as a lone ISO 2022 IR 87.
    """
    source = pydicom.dcmread(path, stop_before_pixels=True)
    source.decode()
    header = _copy_allowed(source)
    header.SpecificCharacterSet = _UTF_8_CHARACTER_SET
    for keyword in _IDENTITY_KEYWORDS:
        if keyword not in header:
            setattr(header, keyword, None)
    for keyword, form in _VALUE_TYPES.items():
        try:
            form(str(header[keyword].value or ""))
        except ValueError:
            setattr(header, keyword, None)
    assert exam.spacing_mm is not None
    row_mm, column_mm, slice_mm = exam.spacing_mm
    measures = hd.PixelMeasuresSequence((row_mm, column_mm), exam.thickness_mm or slice_mm, slice_mm)
    if "NumberOfFrames" not in header:
        header.update(measures[0])
        return header
    shared = header.SharedFunctionalGroupsSequence[0]
    shared.PixelMeasuresSequence = measures
    if "PlaneOrientationSequence" not in shared:  # some scanners tell it frame by frame; it is the same in all of them
        shared.PlaneOrientationSequence = header.PerFrameFunctionalGroupsSequence[0].PlaneOrientationSequence
    return header


def _copy_allowed(source: Dataset) -> Dataset:
    """Return a copy of a data set, and of those in its sequences, with what is `_ALLOWED_KEYWORDS` alone."""
    copy = Dataset()
    for attribute in source:
        if attribute.keyword in _ALLOWED_KEYWORDS:
            items = [_copy_allowed(item) for item in attribute.value] if attribute.VR == "SQ" else attribute.value
            setattr(copy, attribute.keyword, items)
    return copy


def _segment_description(label: Label, model: ModelFacts, tracking: UID) -> hd.seg.SegmentDescription:
    name, category, kind, region = SEGMENTS[label]
    return hd.seg.SegmentDescription(
        segment_number=int(label),
        segment_label=name,
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=to_dicom_lo(model.name),
            family=codes.DCM.ArtificialIntelligence,
            version=to_dicom_lo(model.version),
            source=f"lge_sweep {__version__}",
            parameters={"weights": to_dicom_lo(model.digest)},
        ),
        tracking_uid=tracking,
        tracking_id=name,
        anatomic_regions=[region] if region else None,
        display_color=hd.color.CIELabColor.from_rgb(*COLOURS[label]),
    )


def to_dicom_lo(text: str) -> str:
    """Make a text fit DICOM's LO: ASCII, no backslash, at most 64 characters; a dash where there is none."""
    return visible(text).encode("ascii", "replace").decode().replace("\\", "/").strip()[:64] or "-"
