"""Settings of a two-stage segmenter: what it needs to know beside its two networks."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lge_sweep.config.base import DECIDES_STAGE_2, Settings
from lge_sweep.config.data import Intensity
from lge_sweep.config.doubt import Doubt
from lge_sweep.config.pipelines import SIDES, Cleaning, Window

SIMULATED = "simulated"
"""Fact of a segmenter that was trained on simulated exams."""


class PostprocessOptions(Settings):
    """What can be done beyond the paper with the networks as they are; all of it is off unless asked for."""

    inner_cavity: bool = False
    """Whether the final cavity is without the edge, a pixel wide, that the refinement adds to it for guidance."""
    wall_first: bool = False
    """Whether what stage 2 calls myocardium or scar is that also where stage 1 found cavity: the wall takes back
    the refinement's edge, and what else the cavity took."""
    confine_scar: bool = False
    """Whether scar that touches neither myocardium nor cavity becomes background."""
    rotations: bool = False
    """Whether probabilities are averaged over the four rotations by 90 degrees, in both stages."""


class CropMargin(Settings):
    """How much is left around the cavity where stage 2 sees a crop; in pixels or in mm, not both."""

    crop_margin: Annotated[int | None, DECIDES_STAGE_2] = Field(None, ge=0, le=1024)
    """Pixels of the frame left around the cavity in a crop."""
    crop_margin_mm: Annotated[float | None, DECIDES_STAGE_2] = Field(None, ge=0, le=500)
    """The same in mm, at least that much on every side; slices then need a known spacing."""

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if self.crop_margin is not None and self.crop_margin_mm is not None:
            raise ValueError("give crop_margin, in pixels, or crop_margin_mm, not both")
        return self


class Options(PostprocessOptions, CropMargin):
    """What a two-stage segmenter does beyond the paper; without a crop margin stage 2 sees the whole slice."""

    guided: bool = True
    """Whether stage 2 is shown the cavity that stage 1 found."""


class Frame(Settings):
    """What networks see of an exam's slices, as they are trained and as they are used."""

    size: int = Field(ge=32, le=1024, multiple_of=SIDES)
    """Rows and columns S of the frame that the networks see."""
    intensity: Intensity
    """How intensities become 8 bit."""


class Composed(Settings):
    """What a segmenter of a pipeline past the paper does; its networks are averaged."""

    networks: int = Field(ge=1, le=200)
    """How many networks follow stage 1, fold after fold; of a cascade, how many pairs."""
    seeds: int = Field(1, ge=1, le=10)
    """How many of them are of one fold."""
    finds: Literal["wall", "everything", "wall_then_scar"]
    """As `fit.pipelines.*.finds`; so are all below."""
    window: Window | None = None
    """The square around the heart that they see."""
    neighbours: bool = False
    """Whether they see the slices above and below."""
    symmetries: Literal[1, 4, 8] = 1
    """Turned and mirrored views that are averaged."""
    cleaning: Cleaning = Cleaning()
    """What cleans up."""
    doubt: Doubt | None = None
    """When an exam's labels are doubted; not known of one of an earlier version."""

    @model_validator(mode="after")
    def _whole_folds(self) -> Self:
        if self.networks % self.seeds:
            raise ValueError(f"networks must be a multiple of seeds, {self.seeds}, got {self.networks}")
        return self

    @property
    def folds(self) -> int:
        """To how many folds the networks belong."""
        return self.networks // self.seeds

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the files of the networks that follow each other are called."""
        return ("stage2", "scar") if self.finds == "wall_then_scar" else ("stage2",)


class SegmenterSettings(Frame):
    """`settings.json` of a segmenter's folder."""

    format: Literal[2] = 2
    """Raised when folders of another kind would be written."""
    options: Options = Options()
    """What it does beyond the paper."""
    composed: Composed | None = None
    """What it does instead, if it is of a pipeline past the paper."""
    window: bool = False
    """Whether it was trained on intensities of the DICOM files' display window (`source.window`)."""
    facts: dict[str, str] = Field(default_factory=dict)
    """Where it comes from: sweeps, cells, data."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each of the folder's other files, by name."""

    @property
    def needs_spacing(self) -> bool:
        """Whether it must be told the size of an exam's pixels."""
        window = self.composed.window if self.composed else None
        return self.options.crop_margin_mm is not None or (window is not None and window.mm is not None)

    def networks(self) -> dict[str, int]:
        """Return its networks in their order: file name without suffix -> rows and columns that it is given."""
        if self.composed is None:
            return {"stage1": self.size, "stage2": self.size}
        size = self.composed.window.rows if self.composed.window else self.size
        numbers, kinds = range(1, self.composed.networks + 1), self.composed.kinds
        return {"stage1": self.size} | {f"{kind}-{number}": size for number in numbers for kind in kinds}
