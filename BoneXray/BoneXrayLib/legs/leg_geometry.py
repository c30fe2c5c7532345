"""Where tube and detector stood for the radiographs of a leg: from files, DICOM, or as typed.

Views of one leg share one frame. Pose files have it. Otherwise each image is a named view about the
bones themselves: what was found in all images is laid over each other at the frame's origin, the
central ray on the middle of each image. The fit then refines what is left of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..c_arm import TAGS
from ..dicom.dicom_files import is_dicom, number, numbers, read_header, tag
from ..geometry import Geometry, GeometryConfig, make_geometry
from ..leg_features import LegFeatures
from ..poses import read_pose
from ..radiograph import Radiograph
from ..shape_model import ShapeModel
from .leg_config import LegConfig, check_order

SOURCE_DETECTOR_MM, MAGNIFICATION = 1150.0, 1.1
"""Of a leg on a table, where nothing is known."""
TYPED_SHIFT_MM, TYPED_ANGLE = 8.0, 3.0
"""How well what was found in two images lies over each other [mm], and how well a typed second view
is known [degrees]: one standard deviation."""
DICOM_VIEWS = {"AP": "AP", "PA": "PA", "LL": "LAT-L", "RL": "LAT-R"}
"""View Position (0018,5101)."""
LATERAL = {"right": "LAT-R", "left": "LAT-L"}
"""The outer side of the leg at the detector."""


@dataclass(frozen=True, eq=False)
class Shot:
    """What is known of how a radiograph was taken; None and "" where nothing is.

    Attributes:
        geometry: source and detector.
        source_detector, source_object: mm.
        view: a named view.
    """

    geometry: Geometry | None = None
    source_detector: float | None = None
    source_object: float | None = None
    view: str = ""


@dataclass(frozen=True, eq=False)
class Shots:
    """The geometries of all images.

    Attributes:
        geometries: in one frame.
        knows_size: whether pixel sizes are known.
        is_typed: whether the frame is made of what was found.
        notes: what was taken for granted.
    """

    geometries: list[Geometry]
    knows_size: bool
    is_typed: bool
    notes: tuple[str, ...]


def read_shot(image: Path, radiograph: Radiograph, pose: Path | None = None) -> Shot:
    """What a pose file, the radiograph's own geometry or its DICOM header say.

    Raises:
        FileNotFoundError, ValueError: a pose file that is not there or of no use, or of an image
            of another size.
    """
    size = radiograph.pixels.shape
    if pose is not None:
        pixel = 1.0 if radiograph.pixel_mm is None else radiograph.pixel_mm[0]
        geometry = read_pose(pose, size, pixel)
        if geometry.size != size:
            raise ValueError(
                f"views: {pose.name} is of {geometry.size[0]} x {geometry.size[1]} pixels; "
                f"expected those of {image.name}, {size[0]} x {size[1]}"
            )
        return Shot(geometry)
    if radiograph.geometry is not None:
        return Shot(radiograph.geometry)
    if not is_dicom(image):
        return Shot()
    header = read_header(image)
    if all(numbers(header, name, 1) is not None for name in tuple(TAGS)[:2]):
        try:
            return Shot(read_pose(image))
        except ValueError:
            pass  # angles without distances: those are asked for
    view = DICOM_VIEWS.get(str(tag(header, "ViewPosition", "")).strip().upper(), "")
    lengths = (number(header, f"DistanceSourceTo{end}") for end in ("Detector", "Patient"))
    detector, patient = (length if length and length > 0 else None for length in lengths)
    if detector and patient and patient >= detector:
        patient = None
    return Shot(None, detector, patient, view)


def shot_geometries(
    radiographs: Sequence[Radiograph],
    shots: Sequence[Shot],
    features: Sequence[Sequence[LegFeatures]],
    models: Mapping[str, ShapeModel],
    config: LegConfig,
) -> Shots:
    """Geometries of all images in one frame.

    Raises:
        ValueError: a geometry for one image only, no view, or a pixel size that nothing tells.
    """
    known = [shot.geometry for shot in shots if shot.geometry is not None]
    if len(known) == len(shots):
        return Shots(known, True, False, ())
    if known:
        raise ValueError("views: got a geometry for one image only; expected one for each, or none")
    notes: list[str] = []
    found, sized = [], True
    for number_of, (radiograph, shot) in enumerate(zip(radiographs, shots, strict=True)):
        geometry = _typed(radiograph, shot, number_of, features[number_of], config, notes)
        if radiograph.pixel_mm is None:
            geometry = _guessed(geometry, features[number_of], models, radiograph.name)
            sized = False
        found.append(geometry)
    if not sized:
        notes.append("pixel size not known: as if the bones were of middling size")
    return Shots(_over_each_other(found, features), sized, True, tuple(dict.fromkeys(notes)))


def _typed(
    radiograph: Radiograph,
    shot: Shot,
    number_of: int,
    features: Sequence[LegFeatures],
    config: LegConfig,
    notes: list[str],
) -> Geometry:
    """A named view about the origin; pixels of 1 mm where they are not known."""
    detector = config.source_detector or shot.source_detector
    if detector is None:
        detector = SOURCE_DETECTOR_MM
        notes.append(f"source_detector not known, taken as {detector:g} mm")
    place = config.source_object or shot.source_object
    if place is None and radiograph.magnification:
        place = detector / max(radiograph.magnification, 1.001)
    if place is None:
        place = detector / MAGNIFICATION
        notes.append(
            f"source_object not known, taken as {place:.0f} mm: lengths are as sure as that"
        )
    check_order(place, detector)
    view = config.view[number_of] if config.view else shot.view or _view_of(features, radiograph)
    made = GeometryConfig(
        view=view, source_detector=detector, source_object=place, size=radiograph.pixels.shape
    )
    return dataclasses.replace(
        make_geometry(made, np.zeros(3)), pixel_mm=radiograph.pixel_mm or (1.0, 1.0)
    )


def _view_of(features: Sequence[LegFeatures], radiograph: Radiograph) -> str:
    for found in features:
        if found.view == "LAT":
            return LATERAL[found.side]
        if found.view:
            return found.view
    raise ValueError(f"view: nothing says how {radiograph.name} was taken; expected --view")


def _guessed(
    geometry: Geometry,
    features: Sequence[LegFeatures],
    models: Mapping[str, ShapeModel],
    name: str,
) -> Geometry:
    """Pixels as large as if landmarks lay as far apart as in the models' means."""
    axes = np.stack([geometry.row_axis, geometry.column_axis])
    apart_mm = apart_px = 0.0
    for found in features:
        if found.bone not in models:
            continue
        model = models[found.bone].of_side(found.side)
        places = model.landmarks(model.mean)
        names = [n for n in found.points if n in places]
        at = np.array([places[n] @ axes.T for n in names]).reshape(-1, 2)
        seen = np.array([found.points[n][:2] for n in names]).reshape(-1, 2)
        for one, other in ((at, 0), (seen, 1)):
            apart = float(np.linalg.norm(one[:, None] - one[None], axis=2).sum())
            apart_mm, apart_px = apart_mm + (other == 0) * apart, apart_px + (other == 1) * apart
    if apart_px <= 0:
        raise ValueError(
            f"pixel: the pixel size of {name} is not known, and too few landmarks tell it; "
            "expected --pixel MM"
        )
    pixel = apart_mm / apart_px * geometry.magnification
    return dataclasses.replace(geometry, pixel_mm=(pixel, pixel))


def _over_each_other(
    geometries: Sequence[Geometry], features: Sequence[Sequence[LegFeatures]]
) -> list[Geometry]:
    """Each geometry shifted so that the middle of what all images show is at the origin."""
    points = [{(f.bone, n): p[:2] for f in view for n, p in f.points.items()} for view in features]
    common = set.intersection(*(set(view) for view in points))
    moved = []
    for geometry, view, found in zip(geometries, points, features, strict=True):
        if common:
            middle = np.mean([view[name] for name in sorted(common)], axis=0)
        else:
            middle = _middle(found, geometry)
        off = (middle - (np.array(geometry.size) - 1) / 2) * geometry.pixel_mm
        shift = -(off[0] * geometry.row_axis + off[1] * geometry.column_axis)
        shift = shift / geometry.magnification
        moved.append(dataclasses.replace(
            geometry, source=geometry.source + shift, centre=geometry.centre + shift
        ))  # fmt: skip
    return moved


def _middle(features: Sequence[LegFeatures], geometry: Geometry) -> np.ndarray:
    """About where the bones are in the image: points, else boxes, else the image's middle."""
    points = [p[:2] for found in features for p in found.points.values()]
    if points:
        return np.mean(points, axis=0)
    boxes = [np.reshape(found.box, (2, 2)) for found in features if found.box is not None]
    if boxes:
        return np.concatenate(boxes).mean(axis=0)
    return (np.array(geometry.size) - 1) / 2
