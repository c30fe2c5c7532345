"""Where two bones of a joint end, below the pixel: margins of their layers along the joint.

Seen along straight lines from the upper to the lower bone, the masks give the middle of the joint
space, and a curve through it the local axis at each station: its normal. Along that the layer of
each bone, which the other bone does not disturb, is searched near its mask's end for the steepest
fall, to a fraction of a pixel by a parabola. Rays along a rounded surface make an edge like a
square root, whose steepest fall after blur lies inside it: the margin is that much farther out.
Positions are (row, column) in mm from the middle of
pixel (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

SMOOTHING_MM = 0.12
"""Standard deviation of the smoothing before the steepest fall is looked for."""
NEAR_MM = 0.75
"""How far from the mask's end the margin may be."""
FINER = 5
"""Samples a pixel along the local axis."""
OUTWARD = 0.523
"""Way from the steepest fall of a blurred square root out to its edge, over the way from there to
where the fall is half as steep."""
ROUNDS = 3
CURVE = 4
"""Degree of the curve through the middle of the joint space."""
FEWEST = 5
"""Stations that make a profile."""


@dataclass(frozen=True, eq=False)
class Margins:
    """Both margins along a joint.

    Attributes:
        along_mm: (N,) place of each station along the joint, 0 in the middle.
        upper: (N, 2) margin of the upper bone [mm].
        lower: (N, 2) of the lower bone.
        axes: (N, 2) unit vectors from the upper to the lower bone: the local axis.
        axis: (2,) that of the whole joint.
    """

    along_mm: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    axes: np.ndarray
    axis: np.ndarray


def find_margins(
    layers: tuple[np.ndarray, np.ndarray],
    masks: tuple[np.ndarray, np.ndarray],
    pixel_mm: tuple[float, float],
    share: float,
    smooth_along_mm: float,
) -> Margins:
    """The margins of the upper and the lower bone.

    Args:
        layers: (rows, columns) of each bone, upper first.
        masks: (rows, columns) bool of each.
        pixel_mm: (row, column) spacing.
        share: middle part of the stretch where the bones face each other that is measured.
        smooth_along_mm: length along the joint over which margins are smoothed.

    Raises:
        ValueError: the bones do not face each other, or no margins are found.
    """
    axis, curve, ends, origin = _middle_of_space(masks, pixel_mm, share)
    across = np.array([-axis[1], axis[0]])
    step = min(pixel_mm)
    stations = np.linspace(*ends, max(FEWEST, round(float(np.diff(ends)[0]) / step) + 1))
    slope = np.polyval(np.polyder(curve), stations)
    middle = origin + stations[:, None] * across + np.polyval(curve, stations)[:, None] * axis
    axes = (axis - slope[:, None] * across) / np.sqrt(1 + slope**2)[:, None]
    found = [
        _margin(layer, mask, pixel_mm, middle, axes * sign)
        for layer, mask, sign in zip(layers, masks, (1, -1), strict=True)
    ]
    ways = np.array([found[0], -found[1]])
    kept = np.isfinite(ways).all(axis=0)
    if kept.sum() < FEWEST:
        raise ValueError(
            f"masks: {int(kept.sum())} places with a margin of both bones along the joint; "
            f"expected at least {FEWEST}: masks that end where the bones of the layers do"
        )
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(middle, axis=0).T))]
    along, middle, axes, ways = along[kept], middle[kept], axes[kept], ways[:, kept]
    ways = _smoothed(ways, along, smooth_along_mm)
    upper, lower = (middle + way[:, None] * axes for way in ways)
    return Margins(along - (along[0] + along[-1]) / 2, upper, lower, axes, axis)


def _middle_of_space(masks, pixel_mm, share) -> tuple[np.ndarray, np.ndarray, tuple, np.ndarray]:
    """Axis, curve of the middle (way along the axis over place across), its ends, its origin."""
    points = [np.argwhere(mask) * np.array(pixel_mm) for mask in masks]
    for place, found in zip(("upper_mask", "lower_mask"), points, strict=True):
        if not len(found):
            raise ValueError(f"{place}: empty; expected the pixels of a bone")
    middles = [p.mean(axis=0) for p in points]
    axis = middles[1] - middles[0]
    if not axis.any():
        raise ValueError("upper_mask, lower_mask: the same place; expected two bones")
    axis = axis / np.linalg.norm(axis)
    origin = (middles[0] + middles[1]) / 2
    for _ in range(ROUNDS):
        at, middle = _facing(points, origin, axis, max(pixel_mm), share)
        slope = np.polyfit(at, middle, 1)[0]
        across = np.array([-axis[1], axis[0]])
        axis = (axis - slope * across) / np.hypot(1, slope)
    at, middle = _facing(points, origin, axis, max(pixel_mm), share)
    curve = np.polyfit(at, middle, min(CURVE, len(at) // 4))
    return axis, curve, (at[0], at[-1]), origin


def _facing(points, origin, axis, bin_mm, share) -> tuple[np.ndarray, np.ndarray]:
    """Places across the axis where both bones are, and the middle between their ends there."""
    across = np.array([-axis[1], axis[0]])
    places = [np.rint((p - origin) @ across / bin_mm).astype(int) for p in points]
    low = max(p.min() for p in places)
    count = min(p.max() for p in places) - low + 1
    ends = []
    for place, found, sign in zip(places, points, (1, -1), strict=True):
        end = np.full(max(count, 0), -np.inf)
        inside = (place >= low) & (place < low + count)
        np.maximum.at(end, place[inside] - low, sign * ((found[inside] - origin) @ axis))
        ends.append(sign * end)
    there = np.flatnonzero(np.isfinite(ends[0]) & np.isfinite(ends[1])) if count > 0 else []
    cut = round(len(there) * (1 - share) / 2)
    kept = np.asarray(there, int)[cut : len(there) - cut]
    if len(kept) < FEWEST:
        raise ValueError(
            f"upper_mask, lower_mask: the bones face each other over {len(kept)} pixels; expected "
            f"at least {FEWEST}"
        )
    return (kept + low) * bin_mm, (ends[0][kept] + ends[1][kept]) / 2


def _margin(layer, mask, pixel_mm, middle, outward) -> np.ndarray:
    """Way [mm] from each station along its outward axis to the end of the bone; NaN for none."""
    pixel = np.array(pixel_mm)
    step = min(pixel_mm) / FINER
    reach = float(np.hypot(*(np.array(mask.shape) * pixel)))
    far = np.arange(-reach, reach, step * FINER / 2)
    inside = _along(mask.astype(np.float32), pixel, middle, outward, far, 1) > 0.5
    last = inside.shape[1] - 1 - np.argmax(inside[:, ::-1], axis=1)
    end = np.where(inside.any(axis=1), far[last] + step * FINER / 4, np.nan)
    smooth = ndimage.gaussian_filter(layer.astype(np.float64), SMOOTHING_MM / pixel)
    near = np.arange(-NEAR_MM, NEAR_MM + step, step)
    start = middle + np.nan_to_num(end)[:, None] * outward
    fall = -np.gradient(_along(smooth, pixel, start, outward, near, 3), step, axis=1)
    weighted = fall * np.cos(np.pi / 2 * near / (near[-1] + step)) ** 2
    best = np.clip(np.argmax(weighted, axis=1), 1, len(near) - 2)
    # The weight only chooses the edge; its place is that of the unweighted fall.
    best = _climbed(fall, best)
    rows = np.arange(len(best))
    before, top, after = (fall[rows, best + n] for n in (-1, 0, 1))
    bent = before - 2 * top + after
    part = np.divide(0.5 * (before - after), bent, out=np.zeros_like(bent), where=bent < 0)
    sure = (top > 0) & (top >= before) & (top >= after) & np.isfinite(end)
    if not sure.any():
        return np.full(len(end), np.nan)
    outward_mm = OUTWARD * step * float(np.median(_half_way(fall[sure], best[sure])))
    return np.where(sure, end + near[best] + np.clip(part, -1, 1) * step + outward_mm, np.nan)


def _half_way(fall: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Samples from each row's summit outward to where it is half as high, or to the end."""
    ways = np.arange(fall.shape[1])
    low = (fall < fall[np.arange(len(best)), best][:, None] / 2) & (ways > best[:, None])
    return np.where(low.any(axis=1), np.argmax(low, axis=1), fall.shape[1] - 1) - best - 0.5


def _climbed(fall: np.ndarray, best: np.ndarray) -> np.ndarray:
    """The nearest summit of each row uphill from a place."""
    rows = np.arange(len(best))
    for _ in range(fall.shape[1]):
        up = (fall[rows, best + 1] > fall[rows, best]).astype(int)
        up -= (fall[rows, best - 1] > fall[rows, best]).astype(int)
        moved = np.clip(best + up, 1, fall.shape[1] - 2)
        if (moved == best).all():
            break
        best = moved
    return best


def _along(image, pixel, start, direction, ways, order) -> np.ndarray:
    """The image along lines: (stations, ways); 0 outside."""
    at = (start[:, None] + ways[None, :, None] * direction[:, None]) / pixel
    return ndimage.map_coordinates(image, np.moveaxis(at, -1, 0), order=order, mode="constant")


def _smoothed(ways: np.ndarray, along: np.ndarray, length_mm: float) -> np.ndarray:
    """Margins smoothed by a parabola over a length, those far from their neighbours replaced."""
    count = round(length_mm / float(np.median(np.diff(along)))) // 2 * 2 + 1
    count = min(count, (ways.shape[1] - 1) // 2 * 2 + 1)
    if count < 5:
        return ways
    calm = ndimage.median_filter(ways, (1, count), mode="nearest")
    away = np.abs(ways - calm)
    limit = np.maximum(4 * 1.4826 * np.median(away, axis=1, keepdims=True), 0.02)
    ways = np.where(away > limit, calm, ways)
    return signal.savgol_filter(ways, count, 2, axis=1, mode="interp")
