"""Numbers of an exam as a DICOM Structured Report that refers to the SEG and to the images."""

from collections.abc import Sequence
from pathlib import Path

import pydicom
from highdicom.sr import (
    AlgorithmIdentification,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceImageForMeasurement,
    SourceImageForMeasurementGroup,
    SourceImageForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from lge_sweep import __version__
from lge_sweep.deliver.result import RESEARCH_USE, FormatError, Result
from lge_sweep.deliver.seg import SCT, SEGMENTS, source_headers, to_dicom_lo
from lge_sweep.ingest import quiet_pydicom
from lge_sweep.labels import Label
from lge_sweep.quantify import DENSITY_G_PER_ML

_SERIES_NUMBER = 9002
_PRIVATE_SCHEME = "99LGESWEEP"
"""Designator of the one code that is ours, as DICOM wants it of private ones."""
_VOLUME_CODE = SCT.Volume
_MASS_CODE = codes.LN.LeftVentricleMass
SCAR_SHARE_CODE = Code("SCAR_SHARE", _PRIVATE_SCHEME, "Scar, share of left ventricular wall")
"""Neither SNOMED CT nor LOINC nor DICOM has a code for it."""
_UNIT_ML = Code("mL", "UCUM", "mL")
_UNIT_GRAM = Code("g", "UCUM", "g")
_UNIT_PERCENT = codes.UCUM.Percent
_WALL_CODE = SCT.LeftVentricleMyocardium
_CLASS_SITES: dict[Label, Code] = {
    Label.CAVITY: SCT.LeftVentricle,
    Label.MYOCARDIUM: SCT.LeftVentricleMyocardium,
    Label.SCAR: SCT.LeftVentricleMyocardium,
}
AHA_SITES: tuple[Code, ...] = (
    SCT.LeftVentricleBasalAnteriorSegment,
    SCT.LeftVentricleBasalAnteroseptalSegment,
    SCT.LeftVentricleBasalInferoseptalSegment,
    SCT.LeftVentricleBasalInferiorSegment,
    SCT.LeftVentricleBasalInferolateralSegment,
    SCT.LeftVentricleBasalAnterolateralSegment,
    SCT.LeftVentricleMidAnteriorSegment,
    SCT.LeftVentricleMidAnteroseptalSegment,
    SCT.LeftVentricleMidInferoseptalSegment,
    SCT.LeftVentricleMidInferiorSegment,
    SCT.LeftVentricleMidInferolateralSegment,
    SCT.LeftVentricleMidAnterolateralSegment,
    SCT.LeftVentricleApicalAnteriorSegment,
    SCT.LeftVentricleApicalSeptalSegment,
    SCT.LeftVentricleApicalInferiorSegment,
    SCT.LeftVentricleApicalLateralSegment,
    SCT.ApexOfLeftVentricle,
)
"""Segments 1 to 17. Source: DICOM PS3.16 CID 3717."""


def write_sr(result: Result, seg_path: Path, path: Path) -> None:
    """Write the numbers as a TID 1500 report: a Comprehensive 3D SR, preliminary and unverified.

    A group of measurements for each segment of the SEG (volume), one for the wall, which is myocardium and scar
    (volume, mass, the scar's share), and, where the AHA's segments can be told, one with the scar's share in each. The
    values are those of burden.csv. What a reader must know stands in comments; the first says that it is for research.

    Of its source it has what the SEG has, and no more. It is never told under which pseudonym the exam is known.

    Args:
        result: an exam and its labels.
        seg_path: the SEG of the same labels.
        path: the file to write.

    Raises:
        FormatError: volumes are unknown, or the source's headers do not hold what a report must copy.
        OSError: a file cannot be read or written.

    Source:
        DICOM PS3.16 TID 1500, 1411, 1501; PS3.3 A.35.13. The SOP class is that of IHE's AI Results (AIR).
    """
    if result.burden.ml is None:
        raise FormatError("the volume of a pixel is unknown")
    with quiet_pydicom():
        try:
            _report(result, pydicom.dcmread(seg_path, stop_before_pixels=True)).save_as(path)
        except OSError:
            raise
        except Exception as error:  # as in `write_seg`: whatever odd headers lead to, and may quote them
            path.unlink(missing_ok=True)
            raise FormatError(
                f"the headers of its images do not hold what a DICOM SR must copy [{type(error).__name__}]"
            ) from error


def report_comments(result: Result) -> list[str]:
    """Return what a reader of the report must know; none of it has the pseudonym: findings name slices without it."""
    empty, count = len(result.without_cavity), len(result.exam.slices)
    return [
        RESEARCH_USE,
        f"Volumes are pixels times the volume of a pixel; mass is that of the wall, {DENSITY_G_PER_ML} g/mL.",
        *[f"No LV cavity was found in {empty} of {count} slices."] * bool(empty),
        *[f"Labels that no heart has: {text}." for text in result.finding_texts],
        *[f"Labels to be doubted: {text}." for text in result.doubt.warnings],
        *result.exam.notes,
        *([result.segments] if isinstance(result.segments, str) else result.segments.notes),
    ]


def _report(result: Result, seg: Dataset) -> Comprehensive3DSR:
    sources = source_headers(result.exam)
    content = MeasurementReport(
        ObservationContext(observer_device_context=_observer(result)),
        SCT.MagneticResonanceImagingOfHeart,
        [
            *_class_measurements(result, seg, sources),
            _wall_measurements(result, seg, sources),
            *_segment_measurements(result, seg, sources),
        ],
    )
    content[0].ContentSequence += [
        TextContentItem(codes.DCM.Comment, text, RelationshipTypeValues.CONTAINS) for text in report_comments(result)
    ]
    report = Comprehensive3DSR(
        [*sources, seg],
        content,
        series_instance_uid=_uid(seg, "report series"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=_uid(seg, "report"),
        instance_number=1,
        manufacturer="lge_sweep",
        manufacturer_model_name=to_dicom_lo(result.model.name),
        software_versions=__version__,
        device_serial_number=to_dicom_lo(result.model.digest),
        is_complete=True,
    )
    report.SeriesDescription = f"LV, scar, numbers: {RESEARCH_USE}"
    report.CodingSchemeIdentificationSequence = [_private_scheme()]
    return report


def _private_scheme() -> Dataset:
    scheme = Dataset()
    scheme.CodingSchemeDesignator = _PRIVATE_SCHEME
    scheme.CodingSchemeName = "Codes of lge_sweep"
    scheme.CodingSchemeResponsibleOrganization = "lge_sweep"
    return scheme


def _uid(seg: Dataset, part: str) -> str:
    """Return a UID that follows from the SEG's, and so from images, labels, model and version of the program."""
    return generate_uid(entropy_srcs=[f"lge_sweep {seg.SOPInstanceUID} {part}"])


def _observer(result: Result) -> ObserverContext:
    model = result.model
    device = DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=[f"lge_sweep {__version__} {model.digest}"]),
        name="lge_sweep",
        manufacturer_name="lge_sweep",
        model_name=to_dicom_lo(model.name),
        serial_number=to_dicom_lo(model.digest),
    )
    return ObserverContext(codes.DCM.Device, device)


def _algorithm(result: Result) -> AlgorithmIdentification:
    model = result.model
    return AlgorithmIdentification(
        to_dicom_lo(model.name),
        to_dicom_lo(model.version),
        [f"weights: {to_dicom_lo(model.digest)}", f"lge_sweep {__version__}"],
        family=codes.DCM.ArtificialIntelligence,
    )


def _frames(result: Result, sources: Sequence[Dataset]) -> list[tuple[str, str, list[int] | None]]:
    """Return SOP class, instance and frames of each source file; frames are numbered from 1."""
    frames = [source.number + 1 for source in result.exam.sources]
    return [
        (header.SOPClassUID, header.SOPInstanceUID, frames if "NumberOfFrames" in header else None)
        for header in sources
    ]


def _class_measurements(
    result: Result, seg: Dataset, sources: Sequence[Dataset]
) -> list[VolumetricROIMeasurementsAndQualitativeEvaluations]:
    ml = result.burden.ml
    assert ml is not None
    images = [SourceImageForSegmentation(*frame) for frame in _frames(result, sources)]
    return [
        VolumetricROIMeasurementsAndQualitativeEvaluations(
            TrackingIdentifier(segment.TrackingUID, segment.TrackingID),
            referenced_segment=ReferencedSegment(
                seg.SOPClassUID, seg.SOPInstanceUID, segment.SegmentNumber, source_images=images
            ),
            finding_type=SEGMENTS[label][2],
            finding_category=SEGMENTS[label][1],
            finding_sites=[FindingSite(_CLASS_SITES[label])],
            algorithm_id=_algorithm(result),
            measurements=[Measurement(_VOLUME_CODE, float(ml[label]), _UNIT_ML)],
        )
        for segment in seg.SegmentSequence
        for label in (Label(segment.SegmentNumber),)
    ]


def _wall_measurements(
    result: Result, seg: Dataset, sources: Sequence[Dataset]
) -> MeasurementsAndQualitativeEvaluations:
    burden = result.burden
    assert burden.wall_ml is not None
    assert burden.mass_g is not None
    numbers = [(_VOLUME_CODE, burden.wall_ml, _UNIT_ML), (_MASS_CODE, burden.mass_g, _UNIT_GRAM)]
    if burden.scar_percent is not None:
        numbers.append((SCAR_SHARE_CODE, burden.scar_percent, _UNIT_PERCENT))
    origin = [SourceImageForMeasurement(seg.SOPClassUID, seg.SOPInstanceUID)]
    measurements = [Measurement(name, float(value), unit, referenced_images=origin) for name, value, unit in numbers]
    return _measurement_group("LV wall", measurements, result, seg, sources)


def _segment_measurements(
    result: Result, seg: Dataset, sources: Sequence[Dataset]
) -> list[MeasurementsAndQualitativeEvaluations]:
    if isinstance(result.segments, str):
        return []
    measurements = [
        Measurement(SCAR_SHARE_CODE, float(percent), _UNIT_PERCENT, finding_sites=[FindingSite(site)])
        for site, percent in zip(AHA_SITES, result.segments.percent, strict=True)
        if percent is not None
    ]
    return [_measurement_group("LV wall by AHA segment", measurements, result, seg, sources)]


def _measurement_group(
    name: str, measurements: Sequence[Measurement], result: Result, seg: Dataset, sources: Sequence[Dataset]
) -> MeasurementsAndQualitativeEvaluations:
    return MeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(_uid(seg, name), name),
        finding_type=_WALL_CODE,
        finding_category=SCT.AnatomicalStructure,
        finding_sites=[FindingSite(_WALL_CODE)],
        algorithm_id=_algorithm(result),
        measurements=measurements,
        source_images=[SourceImageForMeasurementGroup(*frame) for frame in _frames(result, sources)],
    )
