"""Where the planes of a rectangular grid lie for given CT slices: order, gaps, gantry tilt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .dicom_slices import Slice

#: Slices may stand off the even grid by this share of the spacing.
EVEN_TOLERANCE = 0.05
#: Slices may wander sideways by this share of a pixel before they are moved back.

DRIFT_TOLERANCE = 0.2


@dataclass(frozen=True)
class Plan:
    """How sorted slices become a grid.

    Attributes:
        slices: sorted along the normal.
        heights: (slice,) place of each along the normal, mm, ascending.
        grid_heights: (k,) evenly spaced planes of the result, mm.
        shifts: (slice, 2) mm each slice lies to the (row index, column index) side of the first.
        resample: False where slices and planes are the same.
    """

    slices: list[Slice]
    heights: np.ndarray
    grid_heights: np.ndarray
    shifts: np.ndarray
    resample: bool


def plan_grid(slices: list[Slice], notes: list[str]) -> Plan:
    """Sort the slices along their normal and choose the planes of the result."""
    if len(slices) < 2:
        raise ValueError(
            f"series: {len(slices)} slice; expected at least 2 (give the whole folder)"
        )
    normal = slices[0].normal
    slices = sorted(slices, key=lambda one: (round(float(normal @ one.position), 3), one.order))
    slices = _one_each(slices, normal, notes)
    if len(slices) < 2:
        raise ValueError("series: all slices lie in one place; expected at least 2 positions")
    heights = np.array([normal @ one.position for one in slices])
    grid_heights, even = _planes(heights, notes)
    away = np.array([one.position for one in slices]) - slices[0].position
    shifts = away @ np.array([slices[0].axes[1], slices[0].axes[0]]).T
    drift = np.ptp(shifts, axis=0)
    straight = bool((drift < DRIFT_TOLERANCE * np.array(slices[0].pixel_mm)).all())
    if straight:
        shifts = np.zeros_like(shifts)
    else:
        angle = np.degrees(np.arctan2(np.linalg.norm(shifts[-1]), heights[-1] - heights[0]))
        notes.append(
            f"gantry tilt {angle:.1f}°: slices are shifted sideways by up to {drift.max():.1f} mm; "
            "moved back onto a rectangular grid"
        )
    return Plan(slices, heights, grid_heights, shifts, resample=not (even and straight))


def _one_each(slices: list[Slice], normal: np.ndarray, notes: list[str]) -> list[Slice]:
    """One slice a place. A few doubles are left out; many are phases or reconstructions."""
    kept = [slices[0]]
    for one in slices[1:]:
        if normal @ np.subtract(one.position, kept[-1].position) > 0.01:
            kept.append(one)
    doubles = len(slices) - len(kept)
    if doubles * 5 > len(slices):
        raise ValueError(
            f"series: {len(slices)} slices in {len(kept)} places (several phases or "
            "reconstructions in one); give the files of one of them"
        )
    if doubles:
        notes.append(f"left out {doubles} slices that lie where another lies")
    return kept


def _planes(heights: np.ndarray, notes: list[str]) -> tuple[np.ndarray, bool]:
    """Even planes for slices at `heights` (ascending, mm); True where the slices are just these."""
    gaps = np.diff(heights)
    spacing = _common_gap(gaps)
    even = heights[0] + np.arange(len(heights)) * gaps.mean()
    if np.abs(heights - even).max() <= EVEN_TOLERANCE * spacing:
        return even, True
    widest = int(gaps.argmax())
    limit = min(max(10.0, 4.2 * spacing), 25.0)
    if gaps[widest] > limit:
        raise ValueError(
            f"series: no slice between {heights[widest]:.1f} and {heights[widest + 1]:.1f} mm "
            f"along the scan (others {spacing:.2f} mm apart); expected gaps up to {limit:.1f} mm"
        )
    steps = gaps / spacing
    if np.abs(steps - np.rint(steps)).max() <= 2 * EVEN_TOLERANCE:
        _say_missing(heights, np.rint(steps).astype(int), notes)
    else:
        notes.append(
            f"uneven slice spacing, {gaps.min():.2f} to {gaps.max():.2f} mm: "
            f"interpolated to {spacing:.2f} mm"
        )
    count = round((heights[-1] - heights[0]) / spacing) + 1
    return heights[0] + np.arange(count) * spacing, False


def _common_gap(gaps: np.ndarray) -> float:
    """The smallest spacing that a tenth of the gaps share: the finest that is no accident."""
    for gap in np.sort(gaps):
        alike = gaps[np.abs(gaps - gap) <= EVEN_TOLERANCE * gap]
        if len(alike) * 10 >= len(gaps):
            return float(alike.mean())
    return float(np.median(gaps))


def _say_missing(heights: np.ndarray, steps: np.ndarray, notes: list[str]) -> None:
    holes = [
        f"{low + (high - low) * n / count:.1f}"
        for low, high, count in zip(heights, heights[1:], steps, strict=False)
        for n in range(1, count)
    ]
    places = ", ".join(holes[:8]) + (" …" if len(holes) > 8 else "")
    notes.append(f"{len(holes)} missing slices at {places} mm along the scan: interpolated")


def canvas(plan: Plan) -> tuple[int, int, np.ndarray]:
    """Rows and columns that hold all slices, and the first pixel's shift (down, right) mm."""
    pixel_mm = np.array(plan.slices[0].pixel_mm)
    lowest, highest = plan.shifts.min(axis=0), plan.shifts.max(axis=0)
    rows, columns = np.array(plan.slices[0].shape) + np.ceil(
        (highest - lowest) / pixel_mm - 1e-6
    ).astype(int)
    return int(rows), int(columns), lowest
