"""Settings of a data file: where slices come from, which are used, how they are split, how grey becomes 8 bit."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from lge_sweep.config.base import Settings
from lge_sweep.patterns import compile_pattern
from lge_sweep.text import shorten

Fraction = Annotated[float, Field(gt=0, lt=1)]
Channel = Annotated[int, Field(ge=0, le=255)]
Percentile = Annotated[float, Field(ge=0, le=100)]
ClassName = Literal["background", "cavity", "myocardium", "scar", "mvo"]
"""Classes of the truth; `mvo` (microvascular obstruction, no-reflow) counts as scar and is told apart in tables."""
Codes = Literal["emidec", "acdc", "myops"]
Part = Literal["train", "val", "test"]
CaseIds = Literal["hash", "keep"]


LABELS: dict[Codes, dict[int, ClassName]] = {
    "emidec": {0: "background", 1: "cavity", 2: "myocardium", 3: "scar", 4: "mvo"},
    "acdc": {0: "background", 1: "background", 2: "myocardium", 3: "cavity"},
    "myops": {0: "background", 200: "myocardium", 500: "cavity", 600: "background", 1220: "myocardium", 2221: "scar"},
}
"""Label codes of public data sets. The right ventricle (1 in ACDC, 600 in MyoPS) is background; oedema (1220) is
myocardium.

Source:
    emidec.com; creatis.insa-lyon.fr/Challenge/acdc/evaluation.html; MyoPS 2020 (Zhuang, IEEE TPAMI 2019;41:2933).
"""


class _Values(Settings):
    """Masks of one number a pixel."""

    kind: str
    # Left out where it is not given, so that a sweep keeps the digest it had before there was this setting.
    labels: Codes | None = Field(None, exclude_if=lambda labels: labels is None)
    """The label codes of a public data set, instead of `values`: `emidec`, `acdc` or `myops` (MyoPS 2020)."""
    values: dict[int, ClassName] = Field({})
    """Pixel value -> class. Every value that occurs in a mask must be listed."""

    @property
    def classes(self) -> dict[int, ClassName]:
        """Pixel value -> class, as given or as the data set's codes say."""
        return LABELS[self.labels] if self.labels else self.values

    @property
    def tells_mvo(self) -> bool:
        """Whether no-reflow is told from other scar."""
        return "mvo" in self.classes.values()

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.values) == (self.labels is not None):
            given = "both are given; remove one" if self.values else "neither is given"
            raise ValueError(
                f"needs either values: (such as {{0: background, 1: cavity, 2: myocardium, 3: scar}}) or labels: "
                f"({', '.join(LABELS)}), but {given}"
            )
        return self


class IndexMask(_Values):
    """Masks whose pixel value is the class."""

    kind: Literal["index"] = "index"


class ColourMask(Settings):
    """Masks whose RGB colour is the class."""

    kind: Literal["colour"]
    colours: dict[ClassName, tuple[Channel, Channel, Channel]]
    """Class -> its RGB colour, each channel 0-255 (the paper's cavity is [255, 255, 0]). Others are an error."""

    @property
    def tells_mvo(self) -> bool:
        """Whether no-reflow is told from other scar."""
        return "mvo" in self.colours

    @field_validator("colours")
    @classmethod
    def _one_class_a_colour(
        cls, colours: dict[ClassName, tuple[int, int, int]]
    ) -> dict[ClassName, tuple[int, int, int]]:
        if len(set(colours.values())) != len(colours):
            raise ValueError("two classes have the same colour")
        return colours


class ImagePairs(Settings):
    """A folder of image files with a folder of masks of the same names."""

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


class NiftiFolders(Settings):
    """A folder a case, with the image and the mask as NIfTI files in folders of their own (the EMIDEC layout)."""

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


class NiftiMask(_Values):
    """A NIfTI file a case, on the grid of its images."""

    kind: Literal["nifti"]
    trust_grid: bool = False
    """Whether it is read as [columns, rows, slices] in the order of the series' positions, whatever its affine says;
    for masks that lost their position."""


class SegMask(Settings):
    """A DICOM Segmentation (or Label Map Segmentation) a case, which refers to the instances of the LGE series."""

    kind: Literal["seg"]
    segments: dict[str, ClassName] = Field({"LV cavity": "cavity", "Myocardium": "myocardium", "Scar": "scar"})
    """Segment label -> class, in either case; every segment must be listed. Of overlapping ones scar is put over
    myocardium, and myocardium over cavity."""

    @property
    def tells_mvo(self) -> bool:
        """Whether no-reflow is told from other scar."""
        return "mvo" in self.segments.values()


class RtstructMask(Settings):
    """A DICOM RT Structure Set a case, whose closed contours lie in the planes of the LGE series."""

    kind: Literal["rtstruct"]
    structures: dict[str, ClassName] = Field({"LV endo": "cavity", "LV epi": "myocardium", "Scar": "scar"})
    """Name of a structure (ROI) -> class, in either case; every structure with contours must be listed, those that are
    of no use as background. Where structures overlap, cavity is put over myocardium (so that an epicardial contour is
    the wall around the endocardial one), scar over both, and mvo over all."""

    @property
    def tells_mvo(self) -> bool:
        """Whether no-reflow is told from other scar."""
        return "mvo" in self.structures.values()


class Cvi42Mask(Settings):
    """A workspace of cvi42, exported as XML (`.cvi42wsx`), in a case's folder."""

    kind: Literal["cvi42"]
    contours: dict[str, ClassName] = Field(
        {
            "saendocardialContour": "cavity",
            "saepicardialContour": "myocardium",
            "noReflowAreaContour": "mvo",
            "excludeEnhancementAreaContour": "background",
            "saEnhancementReferenceMyoContour": "background",
            "saReferenceMyoContour": "background",
            "sapapilMuscContour": "background",
            "sarvendocardialContour": "background",
            "sarvepicardialContour": "background",
        }
    )
    """Name of a contour -> class, without the number that further ones of a kind have at the end (0001); every contour
    on an image of the LGE series must be listed, those that are of no use as background. A workspace holds no scar that
    the program has found by a threshold: only a contour that was drawn, such as `freeDrawRoiContour: scar`. Overlaps
    are as for `rtstruct`."""

    @property
    def tells_mvo(self) -> bool:
        """Whether no-reflow is told from other scar."""
        return "mvo" in self.contours.values()


class DicomFolders(Settings):
    """A folder a case, with the DICOM files of its study; or one study; or single files."""

    kind: Literal["dicom"]
    series_pattern: str = r"(?i)lge|delayed|late.?(gad|enh)|psir|\bde[-_ ]?mri|viab"
    """Regular expression that finds the LGE series by its SeriesDescription; it must match one series a case."""
    series: tuple[str, ...] = ()
    """SeriesInstanceUIDs; a case that has one of them uses it, whatever the descriptions are; one that has several has
    them joined to a stack. They may hold a date, so that only hashes of them are written to results."""
    window: bool = False
    """Whether the grey levels are those of the window that the file asks to be shown with (of its VOI LUT, where it has
    no window), as 8 bit."""
    case_ids: CaseIds = "hash"
    """`hash`: a salted hash of the PatientID (of the folder's name if there is none); `keep`: the folder's name."""
    masks: str = "masks"
    """Folder in each case's folder with the mask images (named as their DICOM files) or the NIfTI mask; `.` for the
    case's folder itself. DICOM SEG, RTSTRUCT and cvi42 workspaces are found wherever they are."""
    # Left out where it is "auto", so that a sweep keeps the digest it had before there was this setting.
    folders: Literal["auto", "cases", "series"] = Field("auto", exclude_if=lambda folders: folders == "auto")
    """What the folders in the root are: `cases`; `series` of the one exam that is the root; `auto`: series where all
    images have one StudyInstanceUID, else cases."""
    mask: IndexMask | ColourMask | NiftiMask | SegMask | RtstructMask | Cvi42Mask = Field(discriminator="kind")
    """What masks are, and how they map to classes."""

    @field_validator("series_pattern")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        return compile_pattern(pattern).pattern


CLASS_NAMES: dict[str, ClassName] = {
    "background": "background",
    "LV cavity": "cavity",
    "myocardium": "myocardium",
    "scar": "scar",
}
"""What classes are called in a `dataset.json` that this program writes."""


class NnunetDataset(Settings):
    """A data set as nnU-Net v2 or the Medical Segmentation Decathlon has them: NIfTI files and a `dataset.json`."""

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


class Phantom(Settings):
    """Simulated short-axis LGE exams; needs no data at all."""

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
    # Left out where it is "memory", so that a sweep keeps the digest it had before there was this setting.
    through: Literal["memory", "dicom"] = Field("memory", exclude_if=lambda through: through == "memory")
    """`memory`: exams are used as simulated; `dicom`: they are written as DICOM studies into a temporary folder and
    read back by what reads those of patients, with the same content."""


Source = ImagePairs | NiftiFolders | DicomFolders | NnunetDataset | Phantom
"""Every kind of source."""


class Curate(Settings):
    """Which slices of a case are used."""

    slices: Annotated[int, Field(ge=1)] | Literal["all"] = 11
    """The n central slices of each case (paper: 11 mid-ventricular ones), or `all`. Central in the order of the slices:
    of DICOM and NIfTI by their positions, of image pairs by their numbers, else their names (im2 before im10). Of S
    slices (S - n) // 2 are left out before them, the rest behind."""


class PartCounts(Settings):
    """An explicit number of units in one part, by stratum (paper Table I)."""

    normal: int = Field(ge=0)
    """Units without scar."""
    scar: int = Field(ge=0)
    """Units with scar."""


class SplitConfig(Settings):
    """How slices are dealt to training, validation and test."""

    unit: Literal["case", "slice"] = "case"
    """`case` keeps a patient's slices together; `slice` is the paper's split, and leaks."""
    fractions: tuple[Fraction, Fraction, Fraction] = (0.60, 0.15, 0.25)
    """Shares of training, validation and test units; they sum to 1."""
    counts: dict[Part, PartCounts] | None = None
    """Explicit numbers of units instead of fractions (paper Table I); what is left over is not used."""
    # Left out where there is none, so that a sweep keeps the digest it had before there was this setting.
    cases: dict[Part, tuple[str, ...]] | None = Field(None, exclude_if=lambda cases: cases is None)
    """The case ids of each subset, instead of a draw, such as those of nnU-Net's `splits_final.json`; other cases are
    not used."""
    seed: int = Field(0, ge=0)
    """The draw of the split."""
    near_duplicate_bits: int = Field(2, ge=-1, le=16)
    """Slices of different parts whose 64-bit perceptual hashes are at most so many bits apart are near-duplicates."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(f"fractions must sum to 1, got {sum(self.fractions):g}")
        if self.counts is not None and set(self.counts) != {"train", "val", "test"}:
            raise ValueError("counts needs train, val and test")
        if self.cases is not None:
            self._check_cases(self.cases)
        return self

    def _check_cases(self, cases: dict[Part, tuple[str, ...]]) -> None:
        if set(cases) != {"train", "val", "test"} or not all(cases.values()):
            raise ValueError("cases needs train, val and test, with at least one case each")
        if self.counts is not None or self.unit == "slice":
            raise ValueError("cases says where each case belongs; leave counts and unit: slice out")
        named = [case for part in cases.values() for case in part]
        if twice := sorted({case for case in named if named.count(case) > 1}):
            raise ValueError(f"cases has {shorten(twice[0])} twice; a case belongs to one subset")


class Intensity(Settings):
    """How grey levels become 8 bit."""

    clip_percentiles: tuple[Percentile, Percentile] = (0.5, 99.5)
    """Grey levels outside these percentiles of the slice are clipped; what lies between is spread over 0-255."""

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
    """How grey levels become 8 bit."""
