"""Settings of masks: what kinds there are, and how what they hold maps to classes."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from lge_sweep.config.base import Settings

Channel = Annotated[int, Field(ge=0, le=255)]
ClassName = Literal["background", "cavity", "myocardium", "scar", "mvo"]
"""Classes of the truth; `mvo` (microvascular obstruction, no-reflow) counts as scar and is told apart in tables."""
Codes = Literal["emidec", "acdc", "myops"]

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
VALUES: dict[int, ClassName] = {0: "background", 1: "cavity", 2: "myocardium", 3: "scar"}
"""An example of `values`."""


class _Values(Settings):
    """Masks of one number a pixel."""

    kind: str
    labels: Codes | None = None
    """The label codes of a public data set, instead of `values`: `emidec`, `acdc` or `myops` (MyoPS 2020)."""
    values: dict[int, ClassName] = Field({}, examples=[VALUES])
    """Pixel value -> class. Every value that occurs in a mask must be listed."""

    @property
    def classes(self) -> dict[int, ClassName]:
        """Pixel value -> class, as given or as the data set's codes say."""
        return LABELS[self.labels] if self.labels else self.values

    @property
    def tells_mvo(self) -> bool:
        """Whether no-reflow is told from other scar."""
        return "mvo" in self.classes.values()

    def as_trained(self) -> Self:
        """Return the mask with label codes named by their values, and no-reflow as scar."""
        values = {value: "scar" if name == "mvo" else name for value, name in self.classes.items()}
        return self.model_copy(update={"labels": None, "values": values})

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
    colours: dict[ClassName, tuple[Channel, Channel, Channel]] = Field(
        examples=[{"background": [0, 0, 0], "cavity": [255, 255, 0], "myocardium": [0, 255, 0], "scar": [255, 0, 0]}]
    )
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
    """Segment label -> class, in either case; every segment must be listed, those that are of no use as background.
    Where segments overlap, cavity is put over myocardium (so that a segment of all within the epicardium is the wall
    around the cavity), scar over both, and mvo over all, as with contours; a note tells how many pixels."""

    @property
    def tells_mvo(self) -> bool:
        """Whether no-reflow is told from other scar."""
        return "mvo" in self.segments.values()


class RtstructMask(Settings):
    """A DICOM RT Structure Set a case, whose closed contours lie in the planes of the LGE series."""

    kind: Literal["rtstruct"]
    structures: dict[str, ClassName] = Field({"LV endo": "cavity", "LV epi": "myocardium", "Scar": "scar"})
    """Name of a structure (ROI) -> class, in either case; every structure with contours must be listed, those that are
    of no use as background. Contours of one structure inside each other are holes and islands (even-odd). Where
    structures overlap, cavity is put over myocardium (so that an epicardial contour is the wall around the endocardial
    one), scar over both, and mvo over all."""

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
    are as for `rtstruct`, where contours of one kind are those of one structure."""

    @property
    def tells_mvo(self) -> bool:
        """Whether no-reflow is told from other scar."""
        return "mvo" in self.contours.values()


CLASS_NAMES: dict[str, ClassName] = {
    "background": "background",
    "LV cavity": "cavity",
    "myocardium": "myocardium",
    "scar": "scar",
    "no-reflow": "mvo",
}
"""What classes are called in a `dataset.json` that this program writes; no-reflow where the truth tells it."""
