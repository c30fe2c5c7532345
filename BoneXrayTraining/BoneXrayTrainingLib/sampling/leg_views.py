"""Radiographs of legs: how each is looked at, and where its features are then."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from BoneXrayLib.fitting.conics import sphere_ellipse
from BoneXrayLib.geometry import Geometry
from BoneXrayLib.leg_features import EllipseFeature
from BoneXrayLib.legs.leg_channels import ELLIPSES, POINTS

from ..legs.config import LegsConfig
from ..legs.patient import LegPatient
from ..pairs import Draw, Pair, PairConfig, make_pair, place

FRONTAL_VIEWS, LATERAL_VIEWS = ("AP", "AP", "AP", "PA"), ("LAT-L", "LAT-R")
FIELDS_MM = {"knee": (200.0, 340.0), "hip": (190.0, 320.0), "ankle": (180.0, 300.0)}
"""Side of an image around one joint, at the patient."""
SHAFT_FIELD_MM = (220.0, 420.0)
"""Anywhere along a bone."""
LONG_FIELDS = {"leg": (1.02, 1.35), "femur": (1.05, 1.5), "tibia": (1.05, 1.5)}
"""The same around a leg or a bone of it, relative to its length."""
LONG_SHARES = {
    "leg": 0.3, "femur": 0.22, "tibia": 0.2, "shaft": 0.16, "knee": 0.04, "hip": 0.04,
    "ankle": 0.04,
}  # fmt: skip
"""What of a whole leg is looked at."""
ASIDE = 0.1
"""How far the middle of an image is off, as a share of its side."""


@dataclass(frozen=True, eq=False)
class LegTruth:
    """Where features of a leg are in an image.

    Attributes:
        points: (len(POINTS), 2) row and column; NaN of those that are not there.
        ellipses: those of `ELLIPSES` that are there.
        is_frontal: whether it is seen from the front or the back.
        is_right: whether it looks like a right leg.
    """

    points: np.ndarray
    ellipses: dict[str, EllipseFeature]
    is_frontal: bool
    is_right: bool


@dataclass(frozen=True, eq=False)
class LegPair(Pair):
    """A sample of a leg: layers of tissues, femur and tibia, and its features."""

    truth: LegTruth = field(default_factory=lambda: LegTruth(np.zeros((0, 2)), {}, True, True))


def leg_pair(patient: LegPatient, draw: Draw) -> LegPair:
    """The sample that `draw` describes."""
    pair = make_pair(patient.parts, draw)
    _, geometry = place(patient.parts, draw)
    return LegPair(**vars(pair), truth=projected(patient, draw, geometry))


def projected(patient: LegPatient, draw: Draw, geometry: Geometry) -> LegTruth:
    """Where the marks of a right leg are in the image of a geometry."""
    points = np.full((len(POINTS), 2), np.nan)
    for number, (bone, name) in enumerate(POINTS):
        at = patient.marks[bone].points.get(name)
        if at is not None and patient.holds(at):
            points[number] = geometry.project_points(at)[0]
    rounds = patient.marks["femur"].rounds
    ellipses = {
        name: sphere_ellipse(geometry, rounds[name].centre, rounds[name].radius)
        for name in ELLIPSES
        if name in rounds and patient.holds(rounds[name].centre)
    }
    return LegTruth(points, ellipses, draw.view in FRONTAL_VIEWS, True)


def draw_leg(
    rng: np.random.Generator, name: str, patient: LegPatient, config: LegsConfig, pairs: PairConfig
) -> Draw:
    """How to look at a leg: near a named view, around a joint or along bones."""
    lateral = rng.random() < config.lateral_share
    view = str(rng.choice(LATERAL_VIEWS if lateral else FRONTAL_VIEWS))
    orbit, tilt = rng.uniform(-1, 1, 2) * (config.rotation, config.tilt)
    distance = float(rng.uniform(*pairs.source_detector))
    magnification = float(rng.uniform(*pairs.magnification))
    centre, side = _looked_at(rng, patient)
    centre = centre + rng.uniform(-1, 1, 3) * ASIDE * side
    parts = patient.parts
    inverse = np.linalg.inv(parts.ijk_to_ras)
    at = (inverse[:3, :3] @ centre + inverse[:3, 3]) / (np.array(parts.hu.shape[::-1]) - 1)
    return Draw(
        source=name,
        view=view,
        rotate=(float(orbit), float(tilt)),
        beam="cone",
        source_detector=distance,
        source_object=distance / magnification,
        pixel=side * magnification / pairs.size,
        size=pairs.size,
        isocentre=(float(at[0]), float(at[1]), float(at[2])),
        deform=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    )


def _looked_at(rng: np.random.Generator, patient: LegPatient) -> tuple[np.ndarray, float]:
    """The middle of what is looked at (3,) RAS mm, and the side of the image there [mm]."""
    femur, tibia = (patient.marks[bone].points for bone in ("femur", "tibia"))
    knee = (femur["intercondylar_notch"] + tibia["intercondylar_eminence"]) / 2
    ends = {"hip": femur["head_centre"], "knee": knee, "ankle": tibia["plafond_centre"]}
    what = patient.region
    if what == "leg":
        chances = np.array(list(LONG_SHARES.values()))
        what = str(rng.choice(list(LONG_SHARES), p=chances / chances.sum()))
    if what == "shaft":
        one, other = ends[str(rng.choice(["hip", "ankle"]))], knee
        return one + rng.random() * (other - one), float(rng.uniform(*SHAFT_FIELD_MM))
    if what in FIELDS_MM:
        return ends[what], float(rng.uniform(*FIELDS_MM[what]))
    pairs = {"leg": ("hip", "ankle"), "femur": ("hip", "knee"), "tibia": ("knee", "ankle")}
    one, other = (ends[name] for name in pairs[what])
    long = float(np.linalg.norm(one - other)) + 80.0
    return (one + other) / 2, long * float(rng.uniform(*LONG_FIELDS[what]))


def turned(truth: LegTruth, matrix: np.ndarray, shift: np.ndarray, sides: tuple[int, int]
           ) -> LegTruth:  # fmt: skip
    """Features of a sample in the training image that is seen through `matrix` and `shift`.

    Args:
        truth: in the sample.
        matrix, shift: as `augmentation.sampled` takes them.
        sides: of the sample and of the training image [pixels].
    """
    inverse = np.linalg.inv(matrix)

    def moved(row_column: np.ndarray) -> np.ndarray:
        from_middle = row_column[..., ::-1] - (sides[0] - 1) / 2 - shift
        return (from_middle @ inverse.T + (sides[1] - 1) / 2)[..., ::-1]

    ellipses = {}
    for name, ellipse in truth.ellipses.items():
        row, column = moved(np.array([ellipse.row, ellipse.column]))
        form = inverse @ ellipse_form(ellipse) @ inverse.T
        ellipses[name] = ellipse_of_form(float(row), float(column), form)
    mirrored = np.linalg.det(matrix) < 0
    return dataclasses.replace(
        truth, points=moved(truth.points), ellipses=ellipses, is_right=truth.is_right != mirrored
    )


def ellipse_form(ellipse: EllipseFeature) -> np.ndarray:
    """(2, 2) of (column, row): of the unit circle's image x = m + F u it is F Fᵀ."""
    c, s = np.cos(ellipse.angle), np.sin(ellipse.angle)
    axes = np.array([[c, -s], [s, c]])
    return axes @ np.diag([ellipse.a**2, ellipse.b**2]) @ axes.T


def ellipse_of_form(row: float, column: float, form: np.ndarray) -> EllipseFeature:
    """The ellipse of such a form, its longer semi-axis first."""
    values, vectors = np.linalg.eigh(form)
    angle = float(np.arctan2(vectors[1, 1], vectors[0, 1]) % np.pi)
    a, b = np.sqrt(values[::-1])
    return EllipseFeature(row, column, float(a), float(b), angle)
