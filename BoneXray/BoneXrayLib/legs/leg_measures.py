"""Lengths and angles of a leg from its rebuilt bones, with standard errors.

Definitions, all in space and not in an image (D. Paley, Principles of Deformity Correction, 2002):

    femoral length          centre of the femoral head to the intercondylar notch; tibial length:
                            intercondylar eminence to the middle of the plafond (B. Guenoun et al.,
                            Orthop Traumatol Surg Res 98, 2012, on stereoradiography)
    neck-shaft angle        between the neck's axis (its middle to the head's centre) and that of
                            the shaft downwards (C. K. Boese et al., Skeletal Radiol 45, 2016)
    mechanical axes         along those two lengths
    hip-knee-ankle angle    between the mechanical axes, seen along the normal of the plane of the
                            femur's axis and its condyles: 180° straight, less in varus, more in
                            valgus (T. D. Cooke et al., J Rheumatol 34, 2007)
    mLDFA, MPTA             lateral distal femoral and medial proximal tibial angle: of the joint
                            lines, through the condyles and the plateaus, with the mechanical axes

Each angle takes directions within one bone only, so bones need not lie at the same depth: that is
what one view hardly shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..fitting.fit_posterior import LandmarkSpread

Landmarks = dict[str, np.ndarray]


@dataclass(frozen=True)
class Measure:
    """A length or angle: its name, value, "mm" or "degrees", and standard error if known."""

    name: str
    value: float
    unit: str
    standard_error: float | None = None


@dataclass(frozen=True, eq=False)
class MeasuredBone:
    """What measures take of a rebuilt bone.

    Attributes:
        landmarks: (3,) RAS mm by name.
        spread: how landmarks move with the errors of the fit; None where not known.
    """

    landmarks: Landmarks
    spread: LandmarkSpread | None = None


def femoral_length(femur: Landmarks) -> float:
    """Head's centre to notch, mm."""
    return float(np.linalg.norm(femur["intercondylar_notch"] - femur["head_centre"]))


def tibial_length(tibia: Landmarks) -> float:
    """Eminence to plafond, mm."""
    return float(np.linalg.norm(tibia["plafond_centre"] - tibia["intercondylar_eminence"]))


def neck_shaft_angle(femur: Landmarks) -> float:
    """Degrees, about 125 in adults."""
    neck = femur["head_centre"] - femur["neck_centre"]
    return _angle(neck, femur["shaft_distal"] - femur["shaft_proximal"])


def lateral_distal_femoral_angle(femur: Landmarks) -> float:
    """Degrees, about 87."""
    return _angle(-femoral_axis(femur), femur["lateral_condyle"] - femur["medial_condyle"])


def medial_proximal_tibial_angle(tibia: Landmarks) -> float:
    """Degrees, about 87."""
    return _angle(tibial_axis(tibia), tibia["medial_plateau"] - tibia["lateral_plateau"])


def femoral_axis(femur: Landmarks) -> np.ndarray:
    """Unit vector (3,) of the mechanical axis, downwards."""
    return _unit(femur["intercondylar_notch"] - femur["head_centre"])


def tibial_axis(tibia: Landmarks) -> np.ndarray:
    """Unit vector (3,) of the mechanical axis, downwards."""
    return _unit(tibia["plafond_centre"] - tibia["intercondylar_eminence"])


def hip_knee_ankle_angle(femur: Landmarks, tibia: Landmarks) -> float:
    """Degrees: 180 straight, less in varus, more in valgus."""
    down, lower = femoral_axis(femur), tibial_axis(tibia)
    lateral = femur["lateral_condyle"] - femur["medial_condyle"]
    lateral = _unit(lateral - (lateral @ down) * down)
    return 180.0 + float(np.rad2deg(np.arctan2(lower @ lateral, lower @ down)))


OF_FEMUR: dict[str, tuple[str, Callable[[Landmarks], float]]] = {
    "femoral length": ("mm", femoral_length),
    "neck-shaft angle": ("degrees", neck_shaft_angle),
    "mechanical lateral distal femoral angle": ("degrees", lateral_distal_femoral_angle),
}
OF_TIBIA: dict[str, tuple[str, Callable[[Landmarks], float]]] = {
    "tibial length": ("mm", tibial_length),
    "medial proximal tibial angle": ("degrees", medial_proximal_tibial_angle),
}


def leg_measures(
    femur: MeasuredBone | None = None, tibia: MeasuredBone | None = None
) -> list[Measure]:
    """What can be measured of the bones that are there; what misses landmarks is left out."""
    found: list[Measure | None] = []
    for bone, measures in ((femur, OF_FEMUR), (tibia, OF_TIBIA)):
        if bone is not None:
            found += [_measure(n, unit, [bone], of) for n, (unit, of) in measures.items()]
    if femur is not None and tibia is not None:
        found.append(
            _measure("hip-knee-ankle angle", "degrees", [femur, tibia], hip_knee_ankle_angle)
        )
    return [measure for measure in found if measure is not None]


def _measure(
    name: str, unit: str, bones: list[MeasuredBone], of: Callable[..., float]
) -> Measure | None:
    """Standard error by central differences along every independent error of each bone."""
    places = [bone.landmarks for bone in bones]
    try:
        value = of(*places)
    except KeyError:
        return None
    squares = 0.0
    for number, bone in enumerate(bones):
        if bone.spread is None:
            return Measure(name, value, unit)
        for moves in bone.spread.moves():
            ends = [
                of(*places[:number], _moved(places[number], moves, sign), *places[number + 1 :])
                for sign in (1.0, -1.0)
            ]
            squares += ((ends[0] - ends[1]) / 2) ** 2
    return Measure(name, value, unit, float(np.sqrt(squares)))


def _moved(places: Landmarks, moves: Landmarks, sign: float) -> Landmarks:
    return {name: place + sign * moves[name] for name, place in places.items()}


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _angle(first: np.ndarray, second: np.ndarray) -> float:
    """Degrees between two directions; exact near 0 and 180, too."""
    first, second = _unit(first), _unit(second)
    return float(np.rad2deg(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second)))
