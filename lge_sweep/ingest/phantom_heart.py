"""The phantom's heart: a left ventricle with papillary muscles and scar, and the right ventricle beside it.

Angles are in radians, counter-clockwise on the screen from the image's right; lengths are in mm. Each outline is a
radius per angle (`ANGLES`) around the left ventricle's axis. A position along the axis is t, from 0 (base) to 1 (apex).
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from lge_sweep.arrays import FloatPixels, Points, TissueMap, Vector
from lge_sweep.ingest.phantom_signal import Tissue

ANGLES: Vector = np.linspace(0, 2 * np.pi, 720, endpoint=False)
"""Where outlines are sampled, half a degree apart."""

TERRITORIES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "LAD": ((0, 15), (60, 90), (0.50, 0.75)),
    "RCA": ((120, 150), (60, 45), (0.25, 0.50)),
    "LCX": ((240, 240), (60, 45), (0.30, 0.55)),
}
"""Coronary artery -> centre at base and at apex, half width at base and at apex (degrees from the anterior insertion of
the right ventricle, towards the septum), and the range of t its infarcts are centred in.
Source: Cerqueira et al. 2002: LAD segments 1, 2, 7, 8, 13, 14; RCA 3, 4, 9, 10, 15; LCX 5, 6, 11, 12, 16."""


def wrap_angle(angle: Vector) -> Vector:
    """Bring angles into -pi .. pi."""
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


class Infarct(NamedTuple):
    """A scar on one slice, per angle of `ANGLES`."""

    depth: Vector
    """Share of the wall that is scar, from the endocardium outwards, 0-1."""
    core: Vector
    """Share of the wall, inside the scar, up to which there is no reflow; 0 where there is none."""


@dataclass(frozen=True)
class Scar:
    """An infarct of one coronary territory."""

    artery: str
    centre: float
    """t where it is widest."""
    reach: float
    """How far it extends along t, as the standard deviation of its width."""
    extent: float
    """Share of the territory's angle."""
    shift: float
    """Angle of its middle from the territory's middle."""
    transmurality: float
    """Share of the wall at its deepest, 0-1; above 1 a plateau of transmural scar."""
    no_reflow: bool
    ripple: Vector
    """Uneven border, per angle, about -0.1 .. 0.1 of the wall."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw an infarct of one of the three arteries."""
        artery = str(rng.choice(list(TERRITORIES)))
        waves = [rng.uniform(0.02, 0.05) * np.sin(k * ANGLES + rng.uniform(0, 2 * np.pi)) for k in (7, 11, 17, 23)]
        transmurality = float(rng.uniform(0.75, 1.5))
        return cls(
            artery=artery,
            centre=float(rng.uniform(*TERRITORIES[artery][2])),
            reach=float(rng.uniform(0.40, 0.60)),
            extent=float(rng.uniform(1.0, 1.35)),
            shift=float(np.deg2rad(rng.uniform(-12, 12))),
            transmurality=transmurality,
            no_reflow=bool(transmurality > 0.9 and rng.random() < 0.45),
            ripple=np.asarray(sum(waves)),
        )

    def at(self, t: float, insertion: float) -> Infarct:
        """Where the wall is scar on one slice.

        Necrosis starts at the endocardium and moves outwards as a wavefront, deepest in the middle of the territory.

        Args:
            t: position along the axis, 0-1.
            insertion: angle of the anterior insertion of the right ventricle.

        Source: Reimer and Jennings 1977 (wavefront); Cerqueira et al. 2002 (territories).
        """
        centres, widths, _ = TERRITORIES[self.artery]
        along = np.exp(-(((t - self.centre) / self.reach) ** 2) / 2)
        middle = insertion + np.deg2rad(np.interp(t, (0, 1), centres)) + self.shift
        half = np.deg2rad(np.interp(t, (0, 1), widths)) * self.extent * along
        if half < np.deg2rad(12):
            return Infarct(np.zeros_like(ANGLES), np.zeros_like(ANGLES))
        u = wrap_angle(ANGLES - middle) / half
        inside = np.sqrt(np.clip(1 - u**2, 0, None))
        depth = np.where(inside > 0, inside * self.transmurality * along**0.5 + self.ripple, 0)
        depth = np.clip(depth, 0, 1)
        core = 0.55 * depth * np.sqrt(np.clip(1 - (u / 0.5) ** 2, 0, None)) * float(self.no_reflow and along > 0.7)
        return Infarct(depth, core)


class Section(NamedTuple):
    """One short-axis section of the heart; all radii in mm from the left ventricle's centre, per angle of `ANGLES`."""

    t: float
    cavity_mm2: float
    """Area of the cavity, papillary muscles included."""
    endo: Vector
    epi: Vector
    rv: Vector
    """Outside of the right ventricle's free wall; equals `epi` where there is none."""
    pericardium: Vector
    """Outside of the epicardial fat around both ventricles."""
    infarct: Infarct | None
    papillary: Points
    """[n, 3] x, y and radius of papillary muscles."""


@dataclass(frozen=True)
class Heart:
    """One exam's heart."""

    radius: float
    """Outer radius of the left ventricle at its base."""
    wall: float
    """Thickness of the left ventricle's wall at the base, diastole."""
    ratio: float
    """Short over long axis of the elliptic cavity, 0-1."""
    tilt: float
    """Angle of the cavity's long axis."""
    length: float
    """Base to apex."""
    septum: float
    """Angle from the left to the right ventricle."""
    rv_width: float
    """Bulge of the right ventricle at the base."""
    rv_half: float
    """Half the angle between the right ventricle's insertions at the base."""
    rv_skew: float
    """Positive: the right ventricle is fuller at its inferior end."""
    fat: float
    """Epicardial fat over the right ventricle and the grooves."""
    unevenness: tuple[float, float]
    """Phases of the wall's uneven thickness."""
    papillary: float
    """Radius of the papillary muscles."""
    drift: tuple[float, float]
    """Shift of the centre per mm along the axis."""
    scar: Scar | None

    @classmethod
    def draw(cls, rng: np.random.Generator, with_scar: bool) -> Self:
        """Draw a heart; the scar is drawn in any case, so that `with_scar` changes nothing else."""
        scar = Scar.draw(rng)
        return cls(
            radius=float(rng.uniform(34, 44)),
            wall=float(rng.uniform(8.5, 12)),
            ratio=float(rng.uniform(0.80, 0.98)),
            tilt=float(rng.uniform(0, np.pi)),
            length=float(rng.uniform(72, 92)),
            septum=float(np.deg2rad(rng.uniform(145, 195))),
            rv_width=float(rng.uniform(26, 42)),
            rv_half=float(np.deg2rad(rng.uniform(55, 72))),
            rv_skew=float(rng.uniform(-0.2, 0.45)),
            fat=float(rng.uniform(2, 7)),
            unevenness=(float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0, 2 * np.pi))),
            papillary=float(rng.uniform(3.2, 5.5)),
            drift=(float(rng.uniform(-0.12, 0.12)), float(rng.uniform(-0.12, 0.12))),
            scar=scar if with_scar else None,
        )

    def section(self, t: float) -> Section:
        """Cut the heart across its axis at t, 0 (base) to 1 (apex)."""
        thickness = self.wall * (1 - 0.25 * t)
        inner = max(self.radius * float(np.sqrt(1 - (0.95 * t) ** 2)) - thickness, 5.0)
        long, short = inner / np.sqrt(self.ratio), inner * np.sqrt(self.ratio)
        endo = long * short / np.hypot(short * np.cos(ANGLES - self.tilt), long * np.sin(ANGLES - self.tilt))
        first, second = self.unevenness
        wall = thickness * (1 + 0.10 * np.cos(2 * ANGLES + first) + 0.06 * np.cos(3 * ANGLES + second))
        half = self.rv_half * (1 - 0.35 * t)
        infarct = self.scar.at(t, self.septum - half) if self.scar else None
        if infarct is not None:
            wall = wall * (1 - 0.2 * infarct.depth)  # infarcted wall is thinner
        epi = endo + wall
        u = wrap_angle(ANGLES - self.septum) / half
        bulge = np.clip(1 - u**2, 0, None) ** 0.55 * (1 + self.rv_skew * np.clip(u, -1, 1))
        rv = epi + self.rv_width * (1 - 0.8 * t**1.5) * bulge
        grooves = np.exp(-(((np.abs(u) - 1) / 0.5) ** 2)) + 0.35 * np.cos(2 * ANGLES + second) + 0.25
        pericardium = rv + 0.3 + self.fat * np.clip(grooves, 0, 1)
        return Section(
            t, float(np.pi * inner**2), endo, epi, rv, pericardium, infarct, self._papillary_muscles(t, endo)
        )

    def _papillary_muscles(self, t: float, endo: Vector) -> Points:
        """Anterolateral and posteromedial muscle, opposite the septum; none near the base and the apex."""
        radius = self.papillary * np.sqrt(np.clip(1 - ((t - 0.5) / 0.32) ** 2, 0, None))
        if radius < 1:
            return np.zeros((0, 3))
        angles = self.septum + np.pi + np.deg2rad([55.0, -65.0])
        reach = np.interp(angles, ANGLES, endo, period=2 * np.pi) - 0.8 * radius
        return np.stack([reach * np.cos(angles), -reach * np.sin(angles), np.full(2, radius)], axis=1)


def ventricle_tissue(section: Section, x: FloatPixels, y: FloatPixels) -> TissueMap:
    """Tell which tissue of the left ventricle is at each point.

    Args:
        section: the cut.
        x: mm to the right of the left ventricle's centre, any shape.
        y: mm below it, same shape.

    Returns:
        Same shape: values of `Tissue`, `AIR` outside the epicardium.
    """
    step = 2 * np.pi / len(ANGLES)
    radius = np.hypot(x, y)
    index = np.rint(np.arctan2(-y, x) / step).astype(np.intp) % len(ANGLES)
    endo, epi = section.endo.astype(np.float32)[index], section.epi.astype(np.float32)[index]
    tissue = np.where(radius < epi, np.uint8(Tissue.MYOCARDIUM), np.uint8(Tissue.AIR))
    if section.infarct is not None:
        depth = (radius - endo) / (epi - endo)
        scar = (radius < epi) & (depth < section.infarct.depth.astype(np.float32)[index])
        tissue[scar] = Tissue.SCAR
        tissue[scar & (depth > 0.12) & (depth < section.infarct.core.astype(np.float32)[index])] = Tissue.NO_REFLOW
    tissue[radius < endo] = Tissue.CAVITY
    for muscle_x, muscle_y, muscle_radius in section.papillary:
        tissue[(radius < endo) & (np.hypot(x - muscle_x, y - muscle_y) < muscle_radius)] = Tissue.PAPILLARY
    return tissue
