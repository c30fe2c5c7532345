"""A made thigh bone and a shape model of many such: no data needed, every shape known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage
from scipy.interpolate import CubicSpline

from BoneXrayLib.fitting.conics import sphere_ellipse
from BoneXrayLib.fitting.edge_search import OWN_BLUR_MM
from BoneXrayLib.geometry import Geometry, GeometryConfig, make_geometry
from BoneXrayLib.leg_features import LegFeatures, PointFeature
from BoneXrayLib.models import ModelCard
from BoneXrayLib.shape_model import Mark, ShapeModel

RINGS, AROUND = 80, 24
SUPER = 4
"""Samples a side of a pixel of a mask."""


@dataclass(frozen=True)
class Build:
    """What makes one bone differ from another, mm and degrees."""

    length: float = 430.0
    shaft: float = 14.0
    neck_angle: float = 128.0
    offset: float = 48.0
    head: float = 23.5
    bow: float = 12.0
    version: float = 12.0
    condyles: float = 38.0
    depth: float = 27.0
    trochanter: float = 14.0
    flare: float = 1.0


SPREADS = Build(22.0, 1.2, 5.0, 4.0, 1.6, 4.0, 7.0, 2.6, 2.0, 2.5, 0.15)


def made_vertices(build: Build) -> np.ndarray:
    """(V, 3) of a right bone: rings along a bent middle line, closed by two poles."""
    along = np.linspace(0, 1, RINGS)
    line, head_at = _middle_line(build)
    total = line.x[-1]
    # Rings stand closer together at both ends, where the bone is round.
    place = total * (along - 0.08 * np.sin(2 * np.pi * along))
    place[0], place[-1] = 0.35, total - 0.2
    middle, tangent = line(place), line(place, 1)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    right = np.array([1.0, 0.0, 0.0]) - tangent * tangent[:, :1]
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    front = np.cross(tangent, right)
    around = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    wide, deep = _radii(build, place, total, head_at)
    radius = 1.0 / np.hypot(np.cos(around) / wide[:, None], np.sin(around) / deep[:, None])
    lateral = np.maximum(np.cos(around), 0) ** 2
    bump = np.exp(-(((place - (head_at - 62)) / 16) ** 2))
    radius = radius + build.trochanter * bump[:, None] * lateral
    rings = middle[:, None] + radius[..., None] * (
        np.cos(around)[:, None] * right[:, None] + np.sin(around)[:, None] * front[:, None]
    )
    return np.concatenate([rings.reshape(-1, 3), line([0.0, total])])


def _middle_line(build: Build) -> tuple[CubicSpline, float]:
    """The middle line by its length, and where on it the head's centre is."""
    bend, turn = np.deg2rad(180 - build.neck_angle), np.deg2rad(build.version)
    medial = np.array([-np.sin(bend) * np.cos(turn), np.sin(bend) * np.sin(turn), np.cos(bend)])
    top = build.length - build.head
    neck = np.array([0.0, 0.0, top]) + (build.offset / np.sin(bend) - 62) * medial * (0.0, 0.0, 1.0)
    neck[2] = top - build.offset / np.tan(bend)
    head = neck + medial * build.offset / np.sin(bend)
    end = head + medial * build.head
    z = np.linspace(0, neck[2] - 30, 7)
    bow = build.bow * np.sin(np.pi * np.clip(z / (neck[2] - 30), 0, 1))
    shaft = np.column_stack([0 * z, bow, z])
    corners = np.concatenate([shaft, [neck + 0.5 * (head - neck)], [head], [end]])
    long = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    coarse = CubicSpline(long, corners)
    fine = coarse(np.linspace(0, long[-1], 400))
    long = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    return CubicSpline(long, fine), float(long[-1] - build.head)


def _radii(build, place, total, head_at) -> tuple[np.ndarray, np.ndarray]:
    """Half widths of the rings to the right and to the front."""
    low = 1 / (1 + np.exp((place - 52) / 16))
    round_off = np.sqrt(np.clip(1 - np.clip(1 - place / 24, 0, 1) ** 2, 1e-4, 1))
    upper = 1 / (1 + np.exp(-(place - (head_at - 95)) / 14))
    thick = build.shaft + 7 * build.flare * upper
    wide = (thick + (build.condyles - build.shaft) * low) * round_off
    deep = (thick + (build.depth - build.shaft) * low) * round_off
    ball = np.sqrt(np.clip(build.head**2 - (place - head_at) ** 2, 1e-4, None))
    neck = 1 / (1 + np.exp(-(place - (head_at - 22)) / 3.5))
    wide, deep = ((1 - neck) * (r - 6 * upper) + neck * ball for r in (wide, deep))
    return wide, deep


def made_faces() -> np.ndarray:
    """(F, 3), counter-clockwise from outside."""
    faces, low, high = [], RINGS * AROUND, RINGS * AROUND + 1
    for n in range(AROUND):
        after = (n + 1) % AROUND
        faces.append((low, after, n))
        faces.append((high, (RINGS - 1) * AROUND + n, (RINGS - 1) * AROUND + after))
        for ring in range(RINGS - 1):
            a, b = AROUND * ring, AROUND * (ring + 1)
            faces += [(a + n, a + after, b + n), (a + after, b + after, b + n)]
    return np.array(faces)


@cache
def made_model(modes: int = 11, bones: int = 80) -> ShapeModel:
    """Principal components of bones whose builds are drawn at random."""
    rng = np.random.default_rng(7)
    low, spread = (np.array(list(vars(b).values())) for b in (Build(), SPREADS))
    builds = low + spread * rng.standard_normal((bones, len(low)))
    shapes = np.stack([made_vertices(Build(*row)) for row in builds])
    shapes -= shapes.mean(axis=1, keepdims=True)
    mean = shapes.mean(axis=0)
    _, sizes, modes_of = np.linalg.svd((shapes - mean).reshape(bones, -1), full_matrices=False)
    count = mean.shape[0]
    directions = modes_of[:modes].reshape(modes, count, 3) * np.sqrt(count)
    deviations = sizes[:modes] / np.sqrt(bones - 1) / np.sqrt(count)
    return ShapeModel("femur", mean, made_faces(), directions, deviations,
                      _marks(), _rounds())  # fmt: skip


def made_card() -> ModelCard:
    """Of a folder that the model is written to."""
    return ModelCard(
        1, "shape-made", "reconstruct", "1.0.0", "Made thigh bones.",
        {"bone": "femur", "side": "right", "frame": "RAS mm"}, [{"name": "head"}],
        {"sources": [], "cts": 0}, [], "Tests.", "All else.",
    )  # fmt: skip


def _ring(number: int) -> np.ndarray:
    return np.arange(AROUND) + AROUND * number


def _marks() -> dict[str, Mark]:
    def mean_of(indices: np.ndarray) -> Mark:
        return Mark(indices, np.full(len(indices), 1 / len(indices)))

    quarter, third = AROUND // 4, 5
    return {
        "shaft_distal": mean_of(_ring(24)),
        "shaft_proximal": mean_of(_ring(48)),
        "intercondylar_notch": mean_of(_ring(0)),
        "lateral_epicondyle": mean_of(_ring(third)[[AROUND - 1, 0, 1]]),
        "medial_epicondyle": mean_of(_ring(third)[2 * quarter + np.array([-1, 0, 1])]),
        "lateral_condyle": mean_of(_ring(3)[[AROUND - 1, 0, 1]]),
        "medial_condyle": mean_of(_ring(3)[2 * quarter + np.array([-1, 0, 1])]),
        "greater_trochanter": mean_of(_ring(60)[[AROUND - 1, 0, 1]]),
        "neck_centre": mean_of(_ring(66)),
    }


def _rounds() -> dict[str, np.ndarray]:
    return {"head": np.arange(AROUND * (RINGS - 8), AROUND * RINGS)}


def shadow(vertices: np.ndarray, faces: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Share of each pixel (rows, columns) that a surface covers, by samples within pixels.

    Each triangle covers one stretch of each line of samples; where stretches begin and end is
    summed up along the line.
    """
    rows, columns = (n * SUPER for n in geometry.size)
    corners = ((geometry.project_points(vertices) + 0.5) * SUPER - 0.5)[faces]
    low = np.clip(np.ceil(corners[:, :, 0].min(axis=1)), 0, rows).astype(int)
    high = np.clip(np.floor(corners[:, :, 0].max(axis=1)), -1, rows - 1).astype(int)
    counts = np.maximum(high - low + 1, 0)
    triangle = np.repeat(np.arange(len(faces)), counts)
    row = np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts) + low[triangle]
    left, right = np.full(len(row), np.inf), np.full(len(row), -np.inf)
    for n in range(3):
        a, b = corners[triangle, n], corners[triangle, (n + 1) % 3]
        high_less_low = np.where(a[:, 0] == b[:, 0], np.inf, b[:, 0] - a[:, 0])
        part = (row - a[:, 0]) / high_less_low
        at = a[:, 1] + part * (b[:, 1] - a[:, 1])
        crosses = (part >= 0) & (part <= 1)
        left = np.where(crosses, np.minimum(left, at), left)
        right = np.where(crosses, np.maximum(right, at), right)
    begin = np.clip(np.ceil(left), 0, columns).astype(int)
    end = np.clip(np.floor(right) + 1, 0, columns).astype(int)
    some = end > begin
    change = np.zeros((rows, columns + 1), int)
    np.add.at(change, (row[some], begin[some]), 1)
    np.add.at(change, (row[some], end[some]), -1)
    covered = np.cumsum(change, axis=1)[:, :-1] > 0
    shape = geometry.size[0], SUPER, geometry.size[1], SUPER
    return covered.reshape(shape).mean(axis=(1, 3)).astype(np.float32)


def made_view(name: str = "AP", pixel: float = 1.0, size=(560, 260), **fields) -> Geometry:
    """A leg's radiograph: 1800 mm to the detector, 1600 mm to the bone."""
    config = GeometryConfig(view=name, source_detector=1800.0, source_object=1600.0, pixel=pixel,
                            size=size, **fields)  # fmt: skip
    return make_geometry(config, np.zeros(3))


def made_features(model: ShapeModel, vertices: np.ndarray, geometry: Geometry,
                  view: str = "AP") -> LegFeatures:  # fmt: skip
    """What a perfect network finds of vertices (V, 3) RAS mm of the model's side."""
    places = model.landmarks(vertices)
    pixels = geometry.project_points(np.array(list(places.values())))
    points = {n: PointFeature(*p, np.eye(2)) for n, p in zip(places, pixels, strict=True)}
    rounds = model.spheres(vertices)
    ellipses = {n: sphere_ellipse(geometry, s.centre, s.radius) for n, s in rounds.items()}
    outline = shadow(vertices, model.faces, geometry)
    rows, columns = np.nonzero(outline > 0.5)
    box = (rows.min(), columns.min(), rows.max(), columns.max())
    return LegFeatures("femur", model.side, view, tuple(map(float, box)), points, ellipses, outline)


def made_image(features: LegFeatures, pixel: float = 1.0) -> np.ndarray:
    """A radiograph (rows, columns) of such a bone: rays graze it as they do anything round."""
    assert features.outline is not None
    depth = np.maximum(ndimage.distance_transform_edt(features.outline >= 0.5) - 0.5, 0.0)
    blur = OWN_BLUR_MM / pixel
    return (0.2 + 0.1 * ndimage.gaussian_filter(np.sqrt(depth), blur)).astype(np.float32)
