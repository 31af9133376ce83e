"""The phantom's torso around the heart: chest wall, lungs, abdomen, aorta and spine, painted as polygons.

Positions are (x right, y down) in mm from the left ventricle's centre in the middle slice, before the scene is turned.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import cv2
import numpy as np

from lge_sweep.arrays import FloatPixels, Points, TissueMap, Vector
from lge_sweep.ingest.phantom_heart import ANGLES, Section
from lge_sweep.ingest.phantom_signal import Tissue

_RING: Vector = ANGLES[::6]
"""Coarser angles, enough for the torso's outlines."""


@dataclass(frozen=True)
class View:
    """How the scene lies on the supersampled image.

    Attributes:
        size: rows and columns, in samples.
        sample_mm: distance between samples, in mm.
        turn: angle the scene is turned by, counter-clockwise, radians.
        origin: (x right, y down) of the scene's origin from the image's centre, in mm.
    """

    size: int
    sample_mm: float
    turn: float
    origin: tuple[float, float]

    def place(self, points: Points) -> Points:
        """Scene mm -> (column, row) in samples, [n, 2]."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        turned = points @ np.array([[cos, -sin], [sin, cos]]) + np.asarray(self.origin)
        return np.asarray(turned / self.sample_mm + self.size / 2 - 0.5)

    def scene(self, rows: slice, columns: slice) -> tuple[FloatPixels, FloatPixels]:
        """Scene mm (x right, y down) of a window's samples: the inverse of `place`."""
        half = self.size / 2 - 0.5
        x = (np.arange(columns.start, columns.stop)[None, :] - half) * self.sample_mm - self.origin[0]
        y = (np.arange(rows.start, rows.stop)[:, None] - half) * self.sample_mm - self.origin[1]
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return (x * cos - y * sin).astype(np.float32), (x * sin + y * cos).astype(np.float32)

    def shifted(self, x: float, y: float) -> Self:
        """The same view with the scene moved by (x right, y down) mm on the image."""
        return replace(self, origin=(self.origin[0] + x, self.origin[1] + y))

    def fill(self, canvas: TissueMap, points: Points, tissue: int) -> None:
        """Paint a polygon given in scene mm.

        Args:
            canvas: [size, size]; changed in place.
            points: [N, 2] corners, mm.
            tissue: a value of `Tissue`.
        """
        cv2.fillPoly(canvas, [np.rint(self.place(points) * 16).astype(np.int32)], int(tissue), shift=4)


def point_at(start: tuple[float, float], angle: float, distance: float) -> tuple[float, float]:
    """The point at a distance from another.

    Args:
        start: (x right, y down), mm.
        angle: counter-clockwise, radians.
        distance: mm.
    """
    return (start[0] + distance * float(np.cos(angle)), start[1] - distance * float(np.sin(angle)))


def radial_outline(centre: tuple[float, float], radius: Vector, angles: Vector = _RING) -> Points:
    """Corners of a shape given by a radius per angle around a centre.

    Args:
        centre: (x right, y down), mm.
        radius: mm, one an angle.
        angles: radians, counter-clockwise.
    """
    return np.stack([centre[0] + radius * np.cos(angles), centre[1] - radius * np.sin(angles)], axis=1)


def ellipse_outline(
    centre: tuple[float, float], semi: tuple[float, float], angle: float = 0.0, waves: Vector | float = 1.0
) -> Points:
    """Corners of an ellipse with semi-axes `semi`, the first at `angle`, its radii multiplied by `waves`.

    Args:
        centre: (x right, y down), mm.
        semi: semi-axes, mm.
        angle: of the first semi-axis, counter-clockwise, radians.
        waves: factor of the radius, one an angle or one for all.
    """
    radius = semi[0] * semi[1] / np.hypot(semi[1] * np.cos(_RING - angle), semi[0] * np.sin(_RING - angle))
    return radial_outline(centre, radius * waves)


class Organ(NamedTuple):
    """A roundish organ: (x right, y down) of its centre, its semi-axes, and the first axis' angle."""

    x: float
    y: float
    width: float
    height: float
    angle: float


class _Chest(NamedTuple):
    """The chest inside the ribs on one slice, in mm."""

    centre: tuple[float, float]
    pleura: Vector
    """Radius of its outline."""
    waves: Vector
    """How uneven the outline is: a factor, about 1."""


@dataclass(frozen=True)
class Body:
    """One exam's torso. Lengths in mm."""

    centre: tuple[float, float]
    """Middle of the chest."""
    semi: tuple[float, float]
    """Semi-axes of the chest inside the ribs."""
    squareness: float
    """Exponent of the chest's superellipse; 2 is an ellipse."""
    waves: Vector
    """Uneven outline: factor per angle of `_RING`, about 1."""
    fat: Vector
    """Thickness of the subcutaneous fat, per angle of `_RING`."""
    muscle: float
    """Thickness of the chest wall inside the fat."""
    ribs: Points
    """[n, 2] angle and half length of the ribs' sections."""
    drift: tuple[float, float]
    """Shift of the torso against the heart per mm along the heart's axis, which runs obliquely through the torso."""
    twist: float
    """Turn of the uneven outlines per mm along the axis, in radians."""
    diaphragm: float
    """Gap between left ventricle and diaphragm at the base."""
    liver: Organ
    """Its centre counts from the diaphragm under the left ventricle."""
    stomach: Organ
    """As `liver`."""
    spleen: Organ
    """As `liver`."""
    bowel: tuple[Organ, ...]
    """As `liver`."""
    gas: bool
    """The stomach is full of gas, not of food."""
    spine: float
    """Angle of the spine in the chest."""
    aorta: float
    """Radius of the descending aorta, beside the spine."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw a torso."""

        def pick(low: float, high: float) -> float:
            return float(rng.uniform(low, high))

        def waves(size: float) -> Vector:
            return np.asarray(sum(pick(0, size / k) * np.cos(k * _RING + pick(0, 2 * np.pi)) for k in (2, 3, 4, 5)))

        semi = (pick(115, 155), pick(85, 115))
        breast = pick(0, 25) * np.exp(-((_RING - np.deg2rad(pick(35, 110))) ** 2) / (2 * 0.35**2))
        return cls(
            centre=(pick(-70, -15), 0.97 * semi[1] - pick(50, 75)),
            semi=semi,
            squareness=pick(2.0, 2.8),
            waves=1 + waves(0.07),
            fat=pick(7, 28) * (1 + waves(0.5)) + breast,
            muscle=pick(10, 18),
            ribs=np.stack([np.cumsum(rng.uniform(0.22, 0.7, 24)), rng.uniform(5, 14, 24)], axis=1),
            drift=(pick(-0.8, 0.2), pick(0, 0.45)),
            twist=pick(-0.02, 0.02),
            diaphragm=pick(14, 40),
            liver=Organ(pick(-110, -55), pick(35, 70), pick(60, 110), pick(45, 80), pick(-0.5, 0.5)),
            stomach=Organ(pick(10, 75), pick(28, 55), pick(25, 48), pick(18, 34), pick(0, np.pi)),
            spleen=Organ(pick(80, 125), pick(15, 60), pick(35, 55), pick(16, 28), pick(0.8, 2.2)),
            bowel=tuple(
                Organ(pick(-40, 130), pick(20, 110), pick(8, 24), pick(6, 14), pick(0, np.pi)) for _ in range(9)
            ),
            gas=bool(rng.random() < 0.6),
            spine=float(np.deg2rad(pick(225, 275))),
            aorta=pick(9, 13),
        )

    def paint(self, view: View, along_mm: float, section: Section, rng: np.random.Generator) -> TissueMap:
        """Paint a slice without the left ventricle.

        Args:
            view: how the scene lies on the image.
            along_mm: distance of the slice from the middle one, towards the apex.
            section: the heart's cut.
            rng: generator of the slice's small structures.

        Returns:
            [size, size] uint8, values of `Tissue`.
        """
        centre = (self.centre[0] + self.drift[0] * along_mm, self.centre[1] + self.drift[1] * along_mm)
        cos, sin = np.abs(np.cos(_RING)) / self.semi[0], np.abs(np.sin(_RING)) / self.semi[1]
        waves = np.interp(_RING + self.twist * along_mm, _RING, self.waves, period=2 * np.pi)
        pleura = (cos**self.squareness + sin**self.squareness) ** (-1 / self.squareness) * waves
        canvas = np.zeros((view.size, view.size), dtype=np.uint8)
        view.fill(canvas, radial_outline(centre, pleura + self.muscle + self.fat), Tissue.FAT)
        view.fill(canvas, radial_outline(centre, pleura + self.muscle), Tissue.MUSCLE)
        self._paint_ribs(canvas, view, centre, pleura + self.muscle / 2)
        inside = np.zeros_like(canvas)
        view.fill(inside, radial_outline(centre, pleura), 1)
        np.copyto(
            canvas, self._paint_inside(view, _Chest(centre, pleura, waves), section, rng), where=inside.astype(bool)
        )
        for radius, tissue in (
            (section.pericardium, Tissue.FAT),
            (section.rv, Tissue.MYOCARDIUM),
            (np.maximum(section.rv - 3, section.epi), Tissue.BLOOD),
        ):
            view.fill(canvas, radial_outline((0, 0), radius, ANGLES), tissue)
        return canvas

    def _paint_ribs(self, canvas: TissueMap, view: View, centre: tuple[float, float], radius: Vector) -> None:
        """Paint ribs with marrow along the middle of the chest wall."""
        for angle, half in self.ribs[self.ribs[:, 0] < 2 * np.pi]:
            at = point_at(centre, float(angle), float(np.interp(angle, _RING, radius, period=2 * np.pi)))
            view.fill(canvas, ellipse_outline(at, (half, 0.36 * self.muscle), angle + np.pi / 2), Tissue.BONE)
            view.fill(
                canvas, ellipse_outline(at, (half - 1.2, 0.36 * self.muscle - 1.2), angle + np.pi / 2), Tissue.MARROW
            )

    def _paint_inside(self, view: View, chest: _Chest, section: Section, rng: np.random.Generator) -> TissueMap:
        """Paint what lies inside the ribs: lungs with vessels, mediastinum, abdomen and spine."""
        canvas = np.full((view.size, view.size), int(Tissue.LUNG), dtype=np.uint8)
        vessels = rng.uniform((-150, -100, 0.6, 1, 0), (150, 120, 2.2, 4, np.pi), (70, 5))
        for x, y, radius, stretch, angle in vessels:
            view.fill(canvas, ellipse_outline((x, y), (radius * stretch, radius), angle), Tissue.BLOOD)
        uneven = 1 + 3 * (chest.waves - 1)
        view.fill(
            canvas, ellipse_outline((chest.centre[0] - 5, chest.centre[1]), (42, 75), 0, uneven), Tissue.CONNECTIVE
        )
        floor = float(section.epi.max()) + self.diaphragm * (1 - 0.9 * section.t)
        x = np.linspace(-260, 260, 40)
        dome = np.stack([x, floor + 0.0012 * (x - 10) ** 2], axis=1)
        corners = np.array([[260.0, 400.0], [-260.0, 400.0]])
        view.fill(canvas, np.concatenate([dome, corners]), Tissue.MUSCLE)
        view.fill(canvas, np.concatenate([dome + np.array([0.0, 3.0]), corners]), Tissue.FAT)
        lumen = Tissue.BOWEL_GAS if self.gas else Tissue.LIVER
        for shift, rim, organ, rim_tissue, tissue in (
            *((7 * n, 2, loop, Tissue.CONNECTIVE, Tissue.MUSCLE) for n, loop in enumerate(self.bowel)),
            (11, 1, self.spleen, Tissue.CONNECTIVE, Tissue.SPLEEN),
            (23, 4, self.stomach, Tissue.CONNECTIVE, lumen),
            (37, 2, self.liver, Tissue.MUSCLE, Tissue.LIVER),
        ):
            at, turned = (organ.x + chest.centre[0] - self.centre[0], floor + organ.y), np.roll(uneven, shift)
            view.fill(canvas, ellipse_outline(at, (organ.width, organ.height), organ.angle, turned), rim_tissue)
            view.fill(canvas, ellipse_outline(at, (organ.width - rim, organ.height - rim), organ.angle, turned), tissue)
        self._paint_spine(canvas, view, chest.centre, float(np.interp(self.spine, _RING, chest.pleura)))
        return canvas

    def _paint_spine(self, canvas: TissueMap, view: View, centre: tuple[float, float], reach: float) -> None:
        """Paint the spine between its muscles at the back of the chest, and the descending aorta in front of it."""
        spine = point_at(centre, self.spine, reach - 16)
        aorta = point_at(spine, self.spine + np.pi / 1.6, 20 + self.aorta)
        view.fill(
            canvas, ellipse_outline(point_at(spine, self.spine, 14), (48, 24), self.spine + np.pi / 2), Tissue.MUSCLE
        )
        for at, radius, rim, core in (
            (spine, 19.0, Tissue.BONE, Tissue.MARROW),
            (aorta, self.aorta, Tissue.CONNECTIVE, Tissue.BLOOD),
        ):
            view.fill(canvas, ellipse_outline(at, (radius, 0.9 * radius), self.spine + np.pi / 2), rim)
            view.fill(canvas, ellipse_outline(at, (radius - 1.5, 0.9 * radius - 1.5), self.spine + np.pi / 2), core)
