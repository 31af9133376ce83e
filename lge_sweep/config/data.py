"""Settings of a data file: where slices come from, which are used, how they are split, how intensities become 8 bit."""

import hashlib
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from lge_sweep.config.base import Settings
from lge_sweep.config.masks import (
    CLASS_NAMES,
    ClassName,
    ColourMask,
    Cvi42Mask,
    IndexMask,
    NiftiMask,
    RtstructMask,
    SegMask,
)
from lge_sweep.patterns import compile_pattern
from lge_sweep.text import shorten

Fraction = Annotated[float, Field(gt=0, lt=1)]
Percentile = Annotated[float, Field(ge=0, le=100)]
Subset = Literal["train", "val", "test"]
CaseIds = Literal["hash", "keep"]


class SourceSettings(Settings):
    """Base of the settings of a kind of source, with what is special about the kind.

    To add a kind, write its settings here, with a `kind` of its own, name them in `Source`, and write its reader in
    `lge_sweep/ingest/`.
    """

    kind: str

    reader: ClassVar[str]
    """``module:function`` that reads it: of (settings, root, findings) -> volumes; findings are appended to."""
    needs_root: ClassVar[bool] = True
    """Whether it is read from a folder; a reader that needs none gets None."""
    folder_settings: ClassVar[tuple[str, ...]] = ()
    """The settings that name folders."""
    reads_only_named: ClassVar[bool] = False
    """Whether exams are looked for in those folders of the root alone, rather than everywhere in it."""

    @property
    def named_folders(self) -> list[str]:
        """The folders that the settings name."""
        return [getattr(self, setting) for setting in self.folder_settings]

    @property
    def uses_display_window(self) -> bool:
        """Whether intensities are those of the DICOM files' display window."""
        return False

    def recorded(self) -> dict[str, Any]:
        """Return the settings as plain data for results, without what could tell who or when a patient was."""
        return self.model_dump(mode="json")


class ImagePairs(SourceSettings):
    """A folder of image files with a folder of masks of the same names."""

    reader = "lge_sweep.ingest.pairs:read_pairs"
    folder_settings = ("images", "labels")
    reads_only_named = True

    kind: Literal["image_pairs"]
    images: str = "images"
    """Folder of the grey images, below the root."""
    labels: str = "labels"
    """Folder of the masks, below the root; same file stem as the image."""
    case_pattern: str = r"^(?P<case>.+?)_slice(?P<slice>\d+)$"
    """Regular expression on the file stem, with a group `case` (the patient) and optionally `slice` (its place; without
    it names tell the order, im2 before im10)."""
    case_ids: CaseIds = "hash"
    """`hash`: a salted hash of the case in the file name; `keep`: the case in the file name; right if it names no
    patient."""
    mask: IndexMask | ColourMask = Field(discriminator="kind")
    """How a mask's pixels map to classes."""

    @field_validator("case_pattern")
    @classmethod
    def _has_case_group(cls, pattern: str) -> str:
        if "case" not in compile_pattern(pattern).groupindex:
            raise ValueError("needs a group named case, such as (?P<case>.+)_slice")
        return pattern


class NiftiFolders(SourceSettings):
    """A folder a case, with the image and the mask as NIfTI files in folders of their own (the EMIDEC layout)."""

    reader = "lge_sweep.ingest.nifti:read_nifti"
    folder_settings = ("images", "labels")

    kind: Literal["nifti"]
    images: str = "Images"
    """Folder of the image in each case's folder; it holds one NIfTI file."""
    labels: str = "Contours"
    """Folder of the mask in each case's folder; it holds a NIfTI file of the image's name."""
    case_ids: CaseIds = "hash"
    """`hash`: a salted hash of the folder's name; `keep`: the folder's name; right if it names no patient."""
    trust_grid: bool = False
    """Whether a mask's voxels are those of its image in the order in which both are stored, whatever their affines say;
    for masks that lost their position."""
    mask: IndexMask
    """How a mask's values map to classes."""


class DicomFolders(SourceSettings):
    """A folder a case, with the DICOM files of its study; or one study; or single files."""

    reader = "lge_sweep.ingest.dicom:read_dicom"
    folder_settings = ("masks",)

    kind: Literal["dicom"]
    series_pattern: str = r"(?i)lge|delayed|late.?(gad|enh)|psir|\bde[-_ ]?mri|viab"
    """Regular expression that finds the LGE series by its SeriesDescription; it must match one series a case."""
    series: tuple[str, ...] = ()
    """SeriesInstanceUIDs; a case that has one of them uses it, whatever the descriptions are; one that has several has
    them joined to a stack. They may hold a date, so that only hashes of them are written to results."""
    window: bool = False
    """Whether the intensities are those of the window that the file asks to be shown with (of its VOI LUT, where it has
    no window), as 8 bit."""
    case_ids: CaseIds = "hash"
    """`hash`: a salted hash of the PatientID (of the folder's name if there is none); `keep`: the folder's name."""
    masks: str = "masks"
    """Folder in each case's folder with the mask images (named as their DICOM files) or the NIfTI mask; `.` for the
    case's folder itself. DICOM SEG, RTSTRUCT and cvi42 workspaces are found wherever they are."""
    folders: Literal["auto", "cases", "series"] = "auto"
    """What the folders in the root are: `cases`; `series` of the one exam that is the root; `auto`: series where all
    images have one StudyInstanceUID, else cases."""
    mask: IndexMask | ColourMask | NiftiMask | SegMask | RtstructMask | Cvi42Mask = Field(discriminator="kind")
    """What masks are, and how they map to classes."""

    @field_validator("series_pattern")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        return compile_pattern(pattern).pattern

    @property
    def uses_display_window(self) -> bool:
        """Whether intensities are those of the DICOM files' display window."""
        return self.window

    def recorded(self) -> dict[str, Any]:
        """Return the settings as plain data for results; of SeriesInstanceUIDs, which may hold a date, hashes."""
        hashed = [f"sha256:{hashlib.sha256(uid.encode()).hexdigest()[:12]}" for uid in self.series]
        return {**super().recorded(), "series": hashed}


class NnunetDataset(SourceSettings):
    """A data set as nnU-Net v2 or the Medical Segmentation Decathlon has them: NIfTI files and a `dataset.json`."""

    reader = "lge_sweep.ingest.nnunet:read_nnunet"

    kind: Literal["nnunet"]
    channel: int = Field(0, ge=0, le=9999)
    """The number of the channel (nnU-Net's CASE_0000) that holds the LGE images."""
    classes: dict[str, ClassName] = Field(CLASS_NAMES)
    """What `dataset.json` calls a label -> class, in either case; every name in it must be listed."""
    mask: IndexMask | None = None
    """How values of label files map to classes, in place of the names that `dataset.json` gives them."""
    trust_grid: bool = False
    """Whether a label file's voxels are those of its image, whatever its affine says (as where it was lost)."""
    case_ids: CaseIds = "hash"
    """`hash`: a salted hash of the case in the file name; `keep`: the case in the file name; right if it names no
    patient."""


class Phantom(SourceSettings):
    """Simulated short-axis LGE exams; needs no data at all."""

    reader = "lge_sweep.ingest.phantom:read_phantom"
    needs_root = False

    kind: Literal["phantom"]
    cases: int = Field(12, ge=1, le=10_000)
    """Number of simulated exams."""
    slices: int = Field(5, ge=1, le=30)
    """Slices of each exam, base to apex."""
    size: int = Field(192, ge=64, le=512)
    """Rows and columns of a slice, in pixels."""
    pixel_mm: float = Field(1.6, gt=0.2, lt=5)
    """Distance between pixel centres, in mm."""
    slice_mm: float = Field(10.0, gt=1, lt=30)
    """Distance between slice centres, in mm."""
    scar_free: float = Field(1 / 3, ge=0, le=1)
    """Share of exams without scar."""
    noise: float = Field(0.04, ge=0, le=0.5)
    """Standard deviation of the Gaussian noise in each quadrature channel, as a share of the blood pool's signal."""
    seed: int = Field(0, ge=0)
    """Everything about the phantom follows from this number."""
    through: Literal["memory", "dicom"] = "memory"
    """`memory`: exams are used as simulated; `dicom`: they are written as DICOM studies into a temporary folder and
    read back by what reads those of patients, with the same content."""


Source = ImagePairs | NiftiFolders | DicomFolders | NnunetDataset | Phantom
"""Every kind of source."""


class Curate(Settings):
    """Which slices of a case are used."""

    slices: Annotated[int, Field(ge=1)] | Literal["all"] = 11
    """The n central slices of each case (paper: 11 mid-ventricular ones), or `all`. Central in the order in which they
    are read: of DICOM along the normal of their planes, of NIfTI as they are stored, of image pairs by their numbers,
    else their names (im2 before im10). Of S slices, numbered from 0, those from (S - n) // 2 on: where S - n is odd,
    one more is left out at the end, and which slices are used depends on the direction of that order."""


COUNTS = "{train: {normal: 2, scar: 4}, val: {normal: 1, scar: 1}, test: {normal: 0, scar: 2}}"
"""An example of split.counts."""


class SubsetCounts(Settings):
    """An explicit number of units in one subset, by stratum (paper Table I)."""

    normal: int = Field(ge=0)
    """Units without scar."""
    scar: int = Field(ge=0)
    """Units with scar."""

    @model_validator(mode="before")
    @classmethod
    def _two_numbers(cls, given: Any) -> Any:
        if not isinstance(given, (dict, SubsetCounts)):
            raise ValueError(f"needs two numbers, of units without and with scar, as in counts: {COUNTS}")
        return given


class SplitConfig(Settings):
    """How slices are dealt to training, validation and test."""

    unit: Literal["case", "slice"] = "case"
    """`case` keeps a patient's slices together; `slice` is the paper's split, and leaks."""
    fractions: tuple[Fraction, Fraction, Fraction] = (0.60, 0.15, 0.25)
    """Shares of training, validation and test units; they sum to 1."""
    counts: dict[Subset, SubsetCounts] | None = None
    """Explicit numbers of units instead of fractions (paper Table I); what is left over is not used."""
    cases: dict[Subset, tuple[str, ...]] | None = None
    """The case ids of each subset, instead of a draw, such as those of nnU-Net's `splits_final.json`; other cases are
    not used."""
    seed: int = Field(0, ge=0)
    """The draw of the split."""
    near_duplicate_bits: int = Field(2, ge=-1, le=16)
    """Slices of different subsets whose 64-bit perceptual hashes are at most so many bits apart are near-duplicates."""

    @model_validator(mode="after")
    def _check_split(self) -> Self:
        if abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(f"fractions must sum to 1, got {sum(self.fractions):g}")
        if self.counts is not None and set(self.counts) != {"train", "val", "test"}:
            raise ValueError(f"counts needs train, val and test, as in counts: {COUNTS}")
        if self.cases is not None:
            self._check_cases(self.cases)
        return self

    def _check_cases(self, cases: dict[Subset, tuple[str, ...]]) -> None:
        if set(cases) != {"train", "val", "test"} or not all(cases.values()):
            raise ValueError("cases needs train, val and test, with at least one case each")
        if self.counts is not None or self.unit == "slice":
            raise ValueError("cases says where each case belongs; leave counts and unit: slice out")
        named = [case for subset in cases.values() for case in subset]
        if twice := sorted({case for case in named if named.count(case) > 1}):
            raise ValueError(f"cases has {shorten(twice[0])} twice; a case belongs to one subset")


class Intensity(Settings):
    """How intensities become 8 bit."""

    clip_percentiles: tuple[Percentile, Percentile] = (0.5, 99.5)
    """Intensities outside these percentiles of the slice are clipped; what lies between is spread over 0-255."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.clip_percentiles
        if low >= high:
            raise ValueError(f"the lower percentile must be below the upper one, got {low:g} and {high:g}")
        return self


class DataFile(Settings):
    """A file of `sweeps/data`: one data set and what is done to it before training."""

    source: Source = Field(discriminator="kind")
    """Where slices come from."""
    curate: Curate = Curate()
    """Which slices of a case are used."""
    split: SplitConfig = SplitConfig()
    """How slices are dealt to training, validation and test."""
    intensity: Intensity = Intensity()
    """How intensities become 8 bit."""
