"""A subject's bone as it is to be rebuilt: how it stands, its images, what is found in them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from BoneXrayLib.fitting.conics import sphere_ellipse
from BoneXrayLib.fitting.point_projection import pixels_per_mm
from BoneXrayLib.geometry import Geometry, GeometryConfig, make_geometry
from BoneXrayLib.leg_features import LegFeatures, PointFeature
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.reconstruction import View

from ..legs.landmarks import Marks
from ..mesh_ct.meshes import Mesh
from .reconstruction_asked import ReconstructionTest
from .reconstruction_folds import Fold
from .silhouettes import silhouette

VIEWS = ("AP", "LAT-R")
ONE, TWO, OFF = "one view", "two views", "two views, angle off"
SETUPS = (ONE, TWO, OFF)
SOURCE_DETECTOR, SOURCE_OBJECT = 1800.0, 1620.0
LEAN, AXIAL, ORBIT, TILT = 2.5, 5.0, 5.0, 3.0
"""How the bone is turned, standard deviations, and how far views are off at most, known [deg]."""
ASIDE_MM = 10.0
"""The isocentre from the middle of the bone, at most."""
AROUND_MM = 40.0
"""What an image shows beyond the bone."""
WAVE_MM = 12.0
"""Length over which errors of an outline go together."""
ELLIPSE_SHARE = 0.5
"""Error of an ellipse's middle and radius over that of a landmark."""


@dataclass(frozen=True, eq=False)
class Case:
    """A bone to be rebuilt.

    Attributes:
        fold: whose, and the model without them.
        mesh: the true surface, RAS mm.
        marks: the true landmarks and spheres.
        radiographs: of each of `VIEWS`, with true geometry.
        features: of each view.
        stated: the second view's geometry that is wrong.
        seconds: that finding the features took.
    """

    fold: Fold
    mesh: Mesh
    marks: Marks
    radiographs: tuple[Radiograph, ...]
    features: tuple[LegFeatures, ...]
    stated: Geometry
    seconds: float = 0.0

    @property
    def geometries(self) -> tuple[Geometry, ...]:
        """The true ones."""
        return tuple(r.geometry for r in self.radiographs if r.geometry is not None)

    def views(self, setup: str) -> list[View]:
        """What a fit is given."""
        first, second = self.geometries
        second = self.stated if setup == OFF else second
        views = [View(r, g, f) for r, g, f in
                 zip(self.radiographs, (first, second), self.features, strict=True)]  # fmt: skip
        return views[:1] if setup == ONE else views


def stood(fold: Fold, rng: np.random.Generator) -> tuple[Mesh, Marks]:
    """The bone as somebody stands: a little turned."""
    angles = rng.normal(0, [LEAN, LEAN, AXIAL])
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    shift = rng.uniform(-1, 1, 3) * 50.0
    mesh = fold.mesh.moved(fold.mesh.vertices @ turn.T + shift)
    return mesh, fold.marks.moved(turn, shift)


def looked_at(
    mesh: Mesh, test: ReconstructionTest, rng: np.random.Generator
) -> tuple[tuple[Geometry, ...], Geometry]:
    """The true geometries of `VIEWS`, and the second one with its angle off."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    isocentre = (low + high) / 2 + rng.uniform(-1, 1, 3) * ASIDE_MM
    grown = SOURCE_DETECTOR / SOURCE_OBJECT / test.pixel
    rows, columns = (
        int(np.ceil((span + 2 * (AROUND_MM + ASIDE_MM)) * grown))
        for span in (high[2] - low[2], float(np.max((high - low)[:2])))
    )
    made = []
    for name in VIEWS:
        orbit, tilt = rng.uniform(-1, 1, 2) * (ORBIT, TILT)
        config = GeometryConfig(
            view=name, rotate=(orbit, tilt), source_detector=SOURCE_DETECTOR,
            source_object=SOURCE_OBJECT, pixel=test.pixel, size=(rows, columns),
        )  # fmt: skip
        made.append(config)
    off = test.angle * (1.0 if rng.random() < 0.5 else -1.0)
    orbit, tilt = made[1].rotate
    wrong = dataclasses.replace(made[1], rotate=(orbit + off, tilt))
    return (
        tuple(make_geometry(config, isocentre) for config in made),
        make_geometry(wrong, isocentre),
    )


def true_case(fold: Fold, test: ReconstructionTest, rng: np.random.Generator) -> Case:
    """A bone alone whose features are the true ones, with errors."""
    mesh, marks = stood(fold, rng)
    geometries, stated = looked_at(mesh, test, rng)
    shadows = [silhouette(mesh, geometry) for geometry in geometries]
    features = tuple(
        noisy_features(fold.model.bone, marks, shadow, geometry, name, test, rng)
        for shadow, geometry, name in zip(shadows, geometries, VIEWS, strict=True)
    )
    radiographs = tuple(
        Radiograph(shadow, "optical density", g.pixel_mm, g.magnification, g, f"{fold.subject} {n}")
        for shadow, g, n in zip(shadows, geometries, VIEWS, strict=True)
    )
    return Case(fold, mesh, marks, radiographs, features, stated)


def noisy_features(
    bone: str,
    marks: Marks,
    shadow: np.ndarray,
    geometry: Geometry,
    view: str,
    test: ReconstructionTest,
    rng: np.random.Generator,
) -> LegFeatures:
    """What is found of a right bone by somebody whose errors are those of the test."""
    scale = pixels_per_mm(geometry)
    error = test.landmark_noise * scale
    names = list(marks.points)
    at = geometry.project_points(np.array([marks.points[n] for n in names]))
    at = at + rng.normal(0, 1, at.shape) * error
    # Somebody whose errors are none is believed to be as good as a pixel.
    spread = max(error, 1.0) ** 2 * np.eye(2)
    points = {n: PointFeature(*map(float, p), spread) for n, p in zip(names, at, strict=True)}
    ellipses = {}
    for name, sphere in marks.rounds.items():
        found = sphere_ellipse(geometry, sphere.centre, sphere.radius)
        row, column, grown = rng.normal(0, 1, 3) * error * ELLIPSE_SHARE
        ellipses[name] = found._replace(
            row=found.row + row, column=found.column + column,
            a=max(found.a + grown, 1.0), b=max(found.b + grown, 1.0),
        )  # fmt: skip
    outline = waved(shadow, test.outline_noise * scale, WAVE_MM * scale, rng)
    return LegFeatures(bone, "right", view, None, points, ellipses, outline)


def waved(image: np.ndarray, error: float, length: float, rng: np.random.Generator) -> np.ndarray:
    """An image whose places are off by a smooth wave of so many pixels, one standard deviation."""
    if not error:
        return image
    places = np.indices(image.shape, dtype=np.float64)
    for place in places:
        wave = gaussian_filter(rng.normal(0, 1, image.shape), length, mode="wrap")
        place += error * wave / wave.std()
    return map_coordinates(image, places, order=1, mode="nearest").astype(np.float32)
