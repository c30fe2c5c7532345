"""How one bone's layer moved between two visits: a rigid motion, and how sure it is.

The start is the best masked correlation over all shifts and some rotations; Gauss-Newton then
minimises the weighted squares of gain * first(moved back) + offset - second over shift, rotation,
gain and offset, so exposure does not matter. Pixels where bones overlap and where masks end are
weighted by how well they fit, outliers less (Huber). The covariance is that of the jackknife over
square blocks: how the result changes when a block is left out tells of all that disturbs it,
errors of masks and separation, which are smooth, included.

Positions are (row, column) in mm from the middle of pixel (0, 0); angles turn rows to columns.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from .bone_motion import LayerImage, Motion, turn_matrix
from .layer_search import first_guess

SMOOTHING_MM = (0.6, 0.3, 0.15)
"""Standard deviation of the smoothing of both images, one pass of Gauss-Newton each."""
MOST_STEPS = 40
STILL_MM = 1e-5
"""A step below this ends a pass."""
HUBER = 2.0
"""Residual, in standard deviations, from which a pixel counts less."""
BLOCK_MM = 4.0
"""Side of the blocks of the jackknife: farther apart, errors are taken to be independent."""
LEAST_ERROR_PX = 0.01
"""Of a shift, whatever the residuals say: errors of a mask that go along a whole margin move the
bone and leave none (so on the phantoms of the benchmark, whose intervals else hold too little)."""
MOST_PIXELS = 60_000
"""Compared at once; of larger bones every n-th row and column."""
FEWEST_PIXELS, FEWEST_OF_KIND = 100, 20
RIM, MIXED = 1, 2
BORDER_MM = 4.0
"""Around the bone, what of the image is looked at."""


def register(first: LayerImage, second: LayerImage, most_degrees: float = 8.0) -> Motion:
    """The motion that takes a bone's layer of the first visit to the second's.

    Args:
        first, second: the same bone's layers; pixel sizes and exposures may differ.
        most_degrees: how far the bone may have turned.

    Raises:
        ValueError: a mask without enough pixels, or layers that do not show the same bone.
    """
    for place, image in (("first", first), ("second", second)):
        if np.count_nonzero(image.mask) < FEWEST_PIXELS:
            raise ValueError(
                f"{place}: the bone has {np.count_nonzero(image.mask)} pixels; expected at least "
                f"{FEWEST_PIXELS} in its mask"
            )
    (first, start), (second, end) = _cropped(first), _cropped(second)
    middle = first.points(*np.nonzero(first.mask)).mean(axis=0)
    now = first_guess(first, second, middle, most_degrees)
    for smoothing in SMOOTHING_MM:
        fit = _Fit(first, second, middle, smoothing)
        now = fit.solve(now)
    found = fit.motion(now)
    return replace(found, middle_mm=middle + start, shift_mm=found.shift_mm + end - start)


def _cropped(image: LayerImage) -> tuple[LayerImage, np.ndarray]:
    """The box of the bone and some more, and where it begins [mm]."""
    pixel = np.array(image.pixel_mm)
    places = np.argwhere(image.mask)
    more = np.ceil(BORDER_MM / pixel).astype(int)
    low = np.maximum(places.min(axis=0) - more, 0)
    high = places.max(axis=0) + more + 1
    box = slice(low[0], high[0]), slice(low[1], high[1])
    part = LayerImage(image.pixels[box], image.mask[box], image.others[box], image.pixel_mm)
    return part, low * pixel


class _Fit:
    """Gauss-Newton at one smoothing."""

    def __init__(
        self, first: LayerImage, second: LayerImage, middle: np.ndarray, smoothing: float
    ) -> None:
        self.first, self.second, self.middle = first, second, middle
        spread = [smoothing / mm for mm in first.pixel_mm]
        pixels = first.pixels.astype(np.float64)
        orders = ((0, 0), (1, 0), (0, 1))
        self.images = [
            ndimage.spline_filter(ndimage.gaussian_filter(pixels, spread, order=o)) for o in orders
        ]
        target = second.pixels.astype(np.float64)
        self.target = ndimage.gaussian_filter(target, [smoothing / mm for mm in second.pixel_mm])
        reach = 0.6 + smoothing
        self.seen = [_grown(i.mask, reach, i.pixel_mm) for i in (first, second)]
        self.kinds = [_kinds(image, smoothing) for image in (first, second)]
        rows, columns = np.nonzero(self.seen[1])
        self.stride = max(1, int(np.ceil(np.sqrt(len(rows) / MOST_PIXELS))))
        kept = (rows % self.stride == 0) & (columns % self.stride == 0)
        rows, columns = rows[kept], columns[kept]
        self.places, self.points = (rows, columns), second.points(rows, columns)

    def solve(self, now: np.ndarray) -> np.ndarray:
        """Row shift, column shift [mm], angle [rad] from a start."""
        for _ in range(MOST_STEPS):
            jacobian, residual, weight, *_ = self.linearised(now)
            weighted = jacobian * weight[:, None]
            step = np.linalg.solve(weighted.T @ jacobian, weighted.T @ residual)[:3]
            # A step of more than 1 mm or 3 degrees leaves where the straight line holds.
            step /= max(1.0, float(np.abs(step[:2]).max()), abs(step[2]) / 0.05)
            now = now + step
            if np.abs(step[:2]).max() < STILL_MM and abs(step[2]) < STILL_MM / 10:
                break
        return now

    def linearised(self, now: np.ndarray) -> tuple:
        """Jacobian (N, 5), residual, weight, which pixels, gain."""
        back = turn_matrix(-now[2])
        way = self.points - self.middle - now[:2]
        at = (way @ back.T + self.middle) / self.first.pixel_mm
        inside = (_sampled(self.seen[0], at) > 0) & self._within(at)
        if np.count_nonzero(inside) < FEWEST_PIXELS:
            raise ValueError(
                "second: no part of the bone is in both visits; expected the same bone"
            )
        at, way = at[inside], way[inside]
        value, by_row, by_column = (
            ndimage.map_coordinates(i, at.T, order=3, prefilter=False, mode="nearest")
            for i in self.images
        )
        slope = np.stack([by_row, by_column], axis=1) / self.first.pixel_mm
        target = self.target[self.places][inside]
        kinds = np.maximum(self.kinds[1][self.places][inside], _sampled(self.kinds[0], at))
        gain, offset, weight = _exposure(value, target, kinds)
        turned = way @ (back @ [[0.0, 1.0], [-1.0, 0.0]]).T
        motion = gain * np.column_stack([-slope @ back, (slope * turned).sum(axis=1)])
        jacobian = np.column_stack([motion, value, np.ones_like(value)])
        return jacobian, target - gain * value - offset, weight, inside, gain

    def motion(self, now: np.ndarray) -> Motion:
        """The result with its covariance."""
        jacobian, residual, weight, inside, gain = self.linearised(now)
        blocks = self._blocks(inside)
        weighted = jacobian * weight[:, None]
        curvatures = np.zeros((blocks.max() + 1, 5, 5))
        slopes = np.zeros((len(curvatures), 5))
        for n in range(5):
            slopes[:, n] = np.bincount(blocks, weighted[:, n] * residual)
            for m in range(5):
                curvatures[:, n, m] = np.bincount(blocks, weighted[:, n] * jacobian[:, m])
        without = np.linalg.solve(
            curvatures.sum(axis=0) - curvatures, (slopes.sum(axis=0) - slopes)[..., None]
        )[..., 0]
        covariance = (without.T @ without * (1 - 1 / len(without)))[:3, :3]
        least = LEAST_ERROR_PX * np.array(self.second.pixel_mm)
        away = self.points[inside] - self.points[inside].mean(axis=0)
        turned = least @ least / (away**2).sum(axis=1).mean()
        covariance += np.diag([*least**2, turned])
        left = np.sqrt(np.average(residual**2, weights=weight))
        contrast = self.target[self.places][inside].std()
        return Motion(now[:2], float(np.rad2deg(now[2])), self.middle, covariance,
                      float(gain), float(left / contrast), int(inside.sum()))  # fmt: skip

    def _blocks(self, inside: np.ndarray) -> np.ndarray:
        """Number of each pixel's block, from 0 without gaps."""
        row, column = (
            np.floor((self.points[inside] - self.points[inside].min(axis=0)) / BLOCK_MM)
            .astype(int)
            .T
        )
        return np.unique(row * (column.max() + 1) + column, return_inverse=True)[1]

    def _within(self, at: np.ndarray) -> np.ndarray:
        """Which places lie so far inside both images that the smoothing saw no edge."""
        rim = SMOOTHING_MM[-1] * 3
        where = ((at * self.first.pixel_mm, self.first), (self.points, self.second))
        inside = np.ones(len(at), bool)
        for points, image in where:
            last = (np.array(image.pixels.shape) - 1) * image.pixel_mm - rim
            inside &= ((points >= rim) & (points <= last)).all(axis=1)
        return inside


def _kinds(image: LayerImage, smoothing: float) -> np.ndarray:
    """0 within and beside the bone, `RIM` where its mask ends, `MIXED` where bones overlap."""
    rim = _grown(image.mask, smoothing, image.pixel_mm)
    rim &= _grown(~image.mask, smoothing, image.pixel_mm)
    found = np.where(rim, RIM, 0).astype(np.uint8)
    found[_grown(image.others & image.mask, smoothing, image.pixel_mm)] = MIXED
    return found


def _exposure(
    value: np.ndarray, target: np.ndarray, kinds: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """Gain and offset of target over value, and weights by Huber.

    Rims and overlaps have spreads of their own: where masks or separation are poor they count
    little.
    """
    weight = np.ones_like(value)
    least = 1e-6 * max(float(np.ptp(target)), 1e-12)
    for _ in range(3):
        middle = np.average(value, weights=weight), np.average(target, weights=weight)
        away = value - middle[0]
        gain = np.sum(weight * away * (target - middle[1])) / np.sum(weight * away**2)
        offset = middle[1] - gain * middle[0]
        residual = target - gain * value - offset
        clear = np.abs(residual[kinds == 0])
        spreads = np.full(3, max(1.4826 * float(np.median(clear)) if clear.size else 0.0, least))
        for kind in (RIM, MIXED):
            own = residual[kinds == kind]
            if own.size > FEWEST_OF_KIND:
                spreads[kind] = max(float(np.sqrt(np.mean(own**2))), spreads[0])
        spread = spreads[kinds]
        weight = np.minimum(1, HUBER * spread / np.maximum(np.abs(residual), least)) / spread**2
    return float(gain), float(offset), weight


def _grown(mask: np.ndarray, reach_mm: float, pixel_mm: tuple[float, float]) -> np.ndarray:
    """The mask and what lies within a distance of it."""
    if not mask.any():
        return mask
    return ndimage.distance_transform_edt(~mask, sampling=pixel_mm) <= reach_mm


def _sampled(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The nearest pixels of places (N, 2) [pixels]; 0 outside."""
    rows, columns = np.rint(at).astype(int).T
    inside = (rows >= 0) & (columns >= 0) & (rows < image.shape[0]) & (columns < image.shape[1])
    found = np.zeros(len(at), image.dtype)
    found[inside] = image[rows[inside], columns[inside]]
    return found
