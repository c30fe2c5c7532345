"""Projection matrices to geometries and back: the pose as calibrations and registrations give it.

A matrix P (3, 4) maps a point (x, y, z, 1) [mm] to (column · w, row · w, w), in pixels whose
integers are pixel centres, (0, 0) being the one on top left. Its third row, scaled to unit length,
gives w as the depth [mm] from the source. With source s, unit axes e_c (image right) and e_r (image
down), n from the source to the detector, distance SDD, pixels p_c and p_r [mm], and the pixel
(r₀, c₀) where the perpendicular ray hits (R. Hartley and A. Zisserman, Multiple View Geometry in
Computer Vision, chapter 6):

    P = [ SDD / p_c · e_c + c₀ · n,  SDD / p_r · e_r + r₀ · n,  n ]ᵀ · [ I | -s ]
"""

from __future__ import annotations

import math

import numpy as np

from .geometry import Geometry

FRAMES = ("RAS", "LPS")
TOLERANCE = 1e-3
"""Largest skew, and largest relative difference of the two focal lengths, taken for rounding."""


def projection_matrix(geometry: Geometry) -> np.ndarray:
    """(3, 4) from RAS (x, y, z, 1) [mm] to (column · w, row · w, w), w the depth [mm].

    Raises:
        ValueError: the beam is no cone: it has no one source.
    """
    if geometry.beam != "cone":
        raise ValueError(f"beam: got {geometry.beam!r}; expected cone, others have no matrix")
    ray = geometry.centre - geometry.source
    normal = geometry.normal * np.sign(geometry.normal @ ray)
    row_mm, column_mm = geometry.pixel_mm
    row, column = (np.asarray(geometry.size) - 1) / 2
    column -= ray @ geometry.column_axis / column_mm
    row -= ray @ geometry.row_axis / row_mm
    distance = geometry.source_detector_mm
    linear = np.stack(
        [
            distance / column_mm * geometry.column_axis + column * normal,
            distance / row_mm * geometry.row_axis + row * normal,
            normal,
        ]
    )
    return np.column_stack([linear, -linear @ geometry.source])


def geometry_from_matrix(
    projection: np.ndarray,
    size: tuple[int, int],
    pixel_mm: float | tuple[float, float],
    frame: str = "RAS",
    isocentre: np.ndarray | None = None,
) -> Geometry:
    """Source, detector and rays of a projection matrix, at any scale and sign.

    P and -P project alike; the detector stands on that side of the source where `isocentre` lies.
    Mirrored images (hung as seen from the detector) come out as such.

    Args:
        projection: (3, 4) to (column · w, row · w, w), see the top of this file.
        size: rows and columns.
        pixel_mm: (row, column) pixel [mm] at the detector, or one number: a matrix knows the
            distance to the detector in pixels only.
        frame: of the points that the matrix takes, RAS or LPS [mm].
        isocentre: a point in the patient, (3,) RAS mm; the frame's origin when None.

    Raises:
        ValueError: no such matrix, no source (parallel beam), a skew or unequal focal lengths
            beyond `TOLERANCE`, or a detector this side of the isocentre.
    """
    linear, source = _split(_in_ras(projection, frame))
    pixel = _pixel(pixel_mm)
    centre_of_patient = np.zeros(3) if isocentre is None else np.asarray(isocentre, np.float64)
    depth = float(linear[2] @ (centre_of_patient - source))
    if abs(depth) < 1e-6:
        raise ValueError("isocentre: as far as the source; expected a point in the patient")
    linear = linear * math.copysign(1.0, depth)
    normal = linear[2]
    column, row = linear[:2] @ normal
    axes = linear[:2] - np.outer([column, row], normal)
    focal = np.linalg.norm(axes, axis=1)
    distance = _one_distance(focal * pixel[::-1])
    if isocentre is not None and distance <= abs(depth):
        raise ValueError(
            f"pixel_mm: got {pixel.tolist()}; the detector would stand {distance:.6g} mm from the "
            f"source, the patient {abs(depth):.6g} mm; expected the detector behind the patient"
        )
    column_axis, row_axis = _right_angle(axes / focal[:, None])
    down, right = ((np.asarray(size) - 1) / 2 - (row, column)) * pixel
    return Geometry(
        beam="cone",
        source=source,
        centre=source + distance * normal + down * row_axis + right * column_axis,
        column_axis=column_axis,
        row_axis=row_axis,
        pixel_mm=(float(pixel[0]), float(pixel[1])),
        size=(int(size[0]), int(size[1])),
        isocentre=centre_of_patient,
    )


def _in_ras(projection: np.ndarray, frame: str) -> np.ndarray:
    """The matrix as (3, 4) float64 that takes RAS points."""
    if frame not in FRAMES:
        raise ValueError(f"frame: got {frame!r}; expected one of {', '.join(FRAMES)}")
    try:
        matrix = np.asarray(projection, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("projection: no matrix of numbers; expected 3 rows of 4") from None
    if matrix.shape != (3, 4):
        raise ValueError(f"projection: shape {matrix.shape}; expected (3, 4)")
    if not np.isfinite(matrix).all():
        raise ValueError("projection: holds NaN or infinity; expected finite numbers")
    return matrix * [-1.0, -1.0, 1.0, 1.0] if frame == "LPS" else matrix


def _split(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The left block (3, 3), its third row of unit length, and the source (3,)."""
    linear = matrix[:, :3]
    lengths = np.linalg.norm(linear, axis=1)
    # the volume of the rows as unit vectors: 0 when a row is missing or lies between the others
    if not lengths.all() or abs(np.linalg.det(linear / lengths[:, None])) < 1e-6:
        raise ValueError(
            "projection: has no source, its left 3 x 3 block is singular; expected a cone beam"
        )
    return linear / lengths[2], -np.linalg.solve(linear, matrix[:, 3])


def _pixel(pixel_mm: float | tuple[float, float]) -> np.ndarray:
    try:
        pixel = np.broadcast_to(np.asarray(pixel_mm, dtype=np.float64), 2)
    except (TypeError, ValueError):
        pixel = np.zeros(2)
    if not (np.isfinite(pixel).all() and (pixel > 0).all()):
        raise ValueError(f"pixel_mm: got {pixel_mm!r}; expected one or two positive lengths in mm")
    return pixel


def _one_distance(found: np.ndarray) -> float:
    """The distance to the detector [mm] from those found along columns and rows."""
    along_columns, along_rows = (float(mm) for mm in found)
    if abs(along_columns / along_rows - 1) > TOLERANCE:
        raise ValueError(
            f"projection: puts the detector at {along_columns:.6g} mm by its columns and at "
            f"{along_rows:.6g} mm by its rows; expected the same within {TOLERANCE:.1%}; "
            "is pixel_mm right?".replace("0.1%", "0.1 %")
        )
    return (along_columns + along_rows) / 2


def _right_angle(axes: np.ndarray) -> np.ndarray:
    """The nearest orthogonal pair to unit vectors (2, 3), which may lean by `TOLERANCE`."""
    skew = float(axes[0] @ axes[1])
    if abs(skew) > TOLERANCE:
        raise ValueError(
            f"projection: skew {abs(skew):.2g}; expected columns and rows at right angles, "
            f"the cosine between them within {TOLERANCE:g}"
        )
    left, _, right = np.linalg.svd(axes, full_matrices=False)
    return left @ right
