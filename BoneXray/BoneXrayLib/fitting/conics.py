"""The image of a sphere: a cone of rays that touch it, cut by the detector, is an ellipse.

With source s, centre c and radius r of the sphere, and v = c - s, a ray of direction d touches if

    dᵀ (v vᵀ - (|v|² - r²) I) d = 0.

On the detector d = B (row, column, 1)ᵀ, so the outline is the conic BᵀMB (R. Hartley and
A. Zisserman, Multiple View Geometry in Computer Vision, section 8.3). M has the eigenvalue r² along
v and twice -(|v|² - r²), which gives direction and angular radius back. The image of the centre is
not the middle of the ellipse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry import Geometry
from ..leg_features import EllipseFeature


@dataclass(frozen=True, eq=False)
class SphereRay:
    """The ray towards the middle of a sphere.

    Attributes:
        origin: (3,) RAS mm, the source; with the parallel beam a point on the detector.
        direction: (3,) unit vector, away from the source.
        angle: angular radius [rad], 0 with the parallel beam.
        radius_mm: the sphere's radius where the beam is parallel, else None.
    """

    origin: np.ndarray
    direction: np.ndarray
    angle: float
    radius_mm: float | None = None

    def sphere_at(self, radius_mm: float) -> np.ndarray:
        """Centre (3,) of a sphere of that radius that looks as large: radius / sin(angle) away."""
        if self.angle <= 0:
            raise ValueError("angle: 0, the beam is parallel; expected a cone to tell the distance")
        return self.origin + self.direction * (radius_mm / np.sin(self.angle))


def sphere_ellipse(geometry: Geometry, centre: np.ndarray, radius: float) -> EllipseFeature:
    """The outline of a sphere in the image; of the localizer beam its ellipse of equal extents.

    Raises:
        ValueError: a sphere that holds the source or reaches behind it.
    """
    if geometry.beam == "localizer":
        return _localizer_ellipse(geometry, centre, radius)
    return _ellipse(_conic(geometry, np.asarray(centre, dtype=np.float64), radius))


def ellipse_ray(geometry: Geometry, ellipse: EllipseFeature) -> SphereRay:
    """The ray towards the sphere whose outline an ellipse is, as nearly as one can be.

    Raises:
        ValueError: the localizer beam.
    """
    if geometry.beam == "localizer":
        raise ValueError(
            "beam: got 'localizer'; expected cone or parallel for the ray of an ellipse"
        )
    base = _base(geometry)
    if geometry.beam == "parallel":
        ray = geometry.centre - geometry.source
        ray = ray / np.linalg.norm(ray)
        across = np.cross(base[:, 0], base[:, 1]) @ ray  # area of a pixel across the rays
        radius = float(np.sqrt(ellipse.a * ellipse.b * abs(across)))
        origin = base @ (ellipse.row, ellipse.column, 1.0) + geometry.source
        return SphereRay(origin, ray, 0.0, radius)
    back = np.linalg.inv(base)
    values, vectors = np.linalg.eigh(back.T @ _conic_of(ellipse) @ back)
    # One eigenvalue differs in sign from the other two.
    if values[1] > 0:
        values, vectors = -values[::-1], vectors[:, ::-1]
    direction = vectors[:, 2]
    direction = direction * np.sign(direction @ (geometry.centre - geometry.source))
    tangent = np.sqrt(values[2] / -values[:2].mean())
    return SphereRay(geometry.source, direction, float(np.arctan(tangent)))


def _base(geometry: Geometry) -> np.ndarray:
    """(3, 3): pixel (row, column, 1) to the vector from the source to its place, mm."""
    corner = geometry.detector_points_corner() - geometry.source
    row_mm, column_mm = geometry.pixel_mm
    return np.column_stack([geometry.row_axis * row_mm, geometry.column_axis * column_mm, corner])


def _conic(geometry: Geometry, centre: np.ndarray, radius: float) -> np.ndarray:
    """(3, 3) of (row, column, 1): above 0 inside the outline."""
    away, base = centre - geometry.source, _base(geometry)
    if geometry.beam == "parallel":
        ray = geometry.centre - geometry.source
        across = np.eye(3) - np.outer(ray, ray) / (ray @ ray)
        base = across @ (base - np.outer(away, (0.0, 0.0, 1.0)))
        return np.diag([0.0, 0.0, radius**2]) - base.T @ base
    depth = away @ (geometry.normal * np.sign(base[:, 2] @ geometry.normal))
    if depth <= radius:
        raise ValueError(f"radius: a sphere of {radius:.4g} mm, {depth:.4g} mm from the source; "
                         "expected it before the source")  # fmt: skip
    return base.T @ (np.outer(away, away) - (away @ away - radius**2) * np.eye(3)) @ base


def _ellipse(conic: np.ndarray) -> EllipseFeature:
    """Middle and semi-axes, the longer first."""
    form, slope = conic[:2, :2], conic[:2, 2]
    middle = -np.linalg.solve(form, slope)
    height = conic[2, 2] + slope @ middle
    values, vectors = np.linalg.eigh(-form / height)
    row, column = vectors[:, 0]
    angle = np.arctan2(row, column) % np.pi
    a, b = 1.0 / np.sqrt(values)
    return EllipseFeature(*middle.tolist(), float(a), float(b), float(angle))


def _conic_of(ellipse: EllipseFeature) -> np.ndarray:
    """(3, 3) of (row, column, 1): above 0 inside the ellipse."""
    c, s = np.cos(ellipse.angle), np.sin(ellipse.angle)
    axes = np.array([[s, c], [c, -s]])  # as (row, column)
    form = -(axes.T / np.array([ellipse.a, ellipse.b]) ** 2) @ axes
    middle = np.array([ellipse.row, ellipse.column])
    slope = -form @ middle
    return np.block([[form, slope[:, None]], [slope[None], 1.0 + middle @ form @ middle]])


def _localizer_ellipse(geometry: Geometry, centre: np.ndarray, radius: float) -> EllipseFeature:
    """The fan's own plane shows the circle in perspective; along the table nothing is enlarged."""
    up = (np.asarray(centre) - geometry.source) @ geometry.row_axis * geometry.row_axis
    still = replace(geometry, beam="cone", source=geometry.source + up)
    seen = _ellipse(_conic(still, np.asarray(centre, dtype=np.float64), radius))
    row = geometry.project_points(centre)[0, 0]
    wide = float(np.hypot(seen.a * np.cos(seen.angle), seen.b * np.sin(seen.angle)))
    return EllipseFeature(float(row), seen.column, wide, radius / geometry.pixel_mm[0], 0.0)
