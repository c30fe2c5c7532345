"""A finger joint whose two bones are formulas: a moved bone is drawn anew, never resampled.

Each bone is a shell of cortical bone around trabecular bone, round about its axis; the trabeculae
are waves of many directions and lengths. A visit evaluates both on a grid four times as fine as the
image, blurs and takes means of pixels. Frame: (row, column) in mm from the image's middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

PIXEL_MM = 0.15
SIZE = (200, 180)
FINER = 4
BLUR_MM = 0.1
CORTICAL, TRABECULAR = 0.08, 0.025
"""Attenuation beyond that of soft tissue [1/mm]."""
SHELL_MM = 0.6
PHOTONS = 2500
"""In a pixel beside the bones: noise of 0.02 in optical density there."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a bone lies: turned by `degrees` (row axis towards column axis) about its middle.

    `shift` [mm], (row, column), goes on top; `middle` is a point of the bone in its first place.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    degrees: float = 0.0
    middle: tuple[float, float] = (0.0, 0.0)

    def matrix(self) -> np.ndarray:
        """(2, 2) rotation of (row, column)."""
        c, s = np.cos(np.deg2rad(self.degrees)), np.sin(np.deg2rad(self.degrees))
        return np.array([[c, -s], [s, c]])

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Where points (N, 2) of the first place come to [mm]."""
        middle = np.array(self.middle)
        return (points - middle) @ self.matrix().T + middle + self.shift

    def back(self, points: np.ndarray) -> np.ndarray:
        """Where points (N, 2) come from."""
        matrix, offset = self.affine_back()
        return points @ matrix.T + offset

    def affine_back(self) -> tuple[np.ndarray, np.ndarray]:
        """Matrix and offset from the image [mm] to the bone's first place."""
        back, middle = self.matrix().T, np.array(self.middle)
        return back, middle - back @ (middle + self.shift)


@dataclass(frozen=True, eq=False)
class Bone:
    """One end of a bone; `waves` (N, 4): row and column frequency [rad/mm], phase, amplitude."""

    end_mm: float
    is_upper: bool
    waves: np.ndarray
    head_mm: float
    shaft_mm: float
    round_mm: float
    power: float
    bend: float

    def half_width(self, depth: np.ndarray) -> np.ndarray:
        """Half its width [mm] at a depth [mm] from its end."""
        width = self.shaft_mm + (self.head_mm - self.shaft_mm) * np.exp(-(((depth - 4) / 7) ** 2))
        way = np.clip(depth / self.round_mm, 0, 1)
        return width * (1 - (1 - way) ** self.power) ** (1 / self.power)

    def density(self, back: np.ndarray, offset: np.ndarray, rows: np.ndarray, columns: np.ndarray):
        """Optical density on a grid of the image [mm], seen through `Place.affine_back`."""
        row = back[0, 0] * rows[:, None] + back[0, 1] * columns[None] + offset[0]
        column = back[1, 0] * rows[:, None] + back[1, 1] * columns[None] + offset[1]
        depth = (self.end_mm - row if self.is_upper else row - self.end_mm) + self.bend * column**2
        outer = _chord(self.half_width(depth), column)
        within = np.maximum(self.half_width(depth - SHELL_MM) - SHELL_MM, 0)
        inner = _chord(within, column)
        grain = 1 + self._waves(back, offset, rows, columns)
        return CORTICAL * (outer - inner) + TRABECULAR * inner * grain

    def _waves(self, back, offset, rows, columns) -> np.ndarray:
        """Sum of the waves: each is a product of a wave of rows and one of columns."""
        k = self.waves[:, :2]
        by_row = np.exp(1j * rows[:, None] * (k @ back[:, 0])).astype(np.complex64)
        by_column = np.exp(1j * columns[:, None] * (k @ back[:, 1])).astype(np.complex64)
        start = self.waves[:, 3] * np.exp(1j * (k @ offset + self.waves[:, 2]))
        return ((by_row * start.astype(np.complex64)) @ by_column.T).real

    def edge(self, columns: np.ndarray) -> np.ndarray:
        """Row [mm] of the bone's end over columns [mm], in its first place."""
        depth = np.linspace(0, self.round_mm, 4000)
        at = np.interp(np.abs(columns), self.half_width(depth), depth) - self.bend * columns**2
        return self.end_mm - at if self.is_upper else self.end_mm + at


@dataclass(frozen=True, eq=False)
class Visit:
    """What a separator gives: layers and masks (2, rows, columns); radiograph and true layers."""

    layers: np.ndarray
    masks: np.ndarray
    image: np.ndarray
    exact: np.ndarray

    @property
    def overlap(self) -> int:
        """Pixels of both masks."""
        return int(self.masks.all(axis=0).sum())


def bone(end_mm: float, is_upper: bool, rng: np.random.Generator, waves: int = 160) -> Bone:
    """A metacarpal head (upper) or a phalanx base whose end lies at a row [mm]."""
    length = np.exp(rng.uniform(np.log(0.6), np.log(5.0), waves))
    turn = rng.uniform(0, 2 * np.pi, waves)
    k = 2 * np.pi / length
    amplitude = 0.3 * np.sqrt(2 / waves)
    grain = np.stack(
        [k * np.cos(turn), k * np.sin(turn), rng.uniform(0, 2 * np.pi, waves),
         np.full(waves, amplitude)], axis=1,
    )  # fmt: skip
    form = (7.5, 4.5, 6.0, 2.0, 0.0) if is_upper else (7.8, 4.8, 3.0, 3.0, 0.03)
    return Bone(end_mm, is_upper, grain, *form)


def visit(
    bones: tuple[Bone, Bone],
    places: tuple[Place, Place],
    rng: np.random.Generator,
    split_error: float = 0.0,
    gain: float = 1.0,
    noise: bool = True,
) -> Visit:
    """One radiograph's two layers.

    Args:
        bones: upper and lower.
        places: of each.
        rng: noise, errors of the masks and of the split.
        split_error: RMS [optical density] of what the split moves from one layer to the other in
            the overlap, a third of it copied from the other bone.
        gain: of the exposure.
        noise: of quanta; False also takes exact masks.
    """
    exact = np.stack([_layer(b, p) for b, p in zip(bones, places, strict=True)])
    rows = np.linspace(-1, 1, SIZE[0])[:, None]
    soft = 0.9 - 0.3 * rows**2 - 0.2 * np.linspace(-1, 1, SIZE[1]) ** 2
    wobble = 0.5 * np.stack([_smooth(rng, 1.0) for _ in exact]) if noise else np.zeros_like(exact)
    masks = exact > 0.03 * np.exp(wobble)
    both = masks.all(axis=0)
    total = exact.sum(axis=0)
    grain = rng.normal(size=SIZE) * np.sqrt(np.exp(total) / PHOTONS) * noise
    layers = exact + grain * np.where(both, exact / np.maximum(total, 1e-6), 1.0)
    if split_error and both.sum() > 1:
        moved = _smooth(rng, 0.5) + 0.5 * (exact[0] - exact[0][both].mean()) / exact[0][both].std()
        layers += split_error / 1.12 * np.where(both, moved, 0) * np.array([1, -1])[:, None, None]
    layers = gain * np.maximum(layers, 0) * masks
    return Visit(layers.astype(np.float32), masks, gain * (soft + total + grain), exact)


Placed = tuple[Place, Place]


def drawn_visits(
    rng: np.random.Generator, overlap: bool, split_error: float = 0.0
) -> tuple[tuple[Bone, Bone], tuple[Placed, Placed], tuple[Visit, Visit]]:
    """A joint in two visits: bones, where they lie in each, and what a separator gives.

    Between the visits the bones go 0.05 to 2 mm along the joint and up to 1 mm across it against
    each other and turn by up to 5 degrees each; the whole finger lies up to 3 mm elsewhere and is
    exposed up to a quarter more or less. With `overlap` masks share 20 pixels in a visit or both,
    else none.
    """
    while True:
        width = rng.uniform(-2.0, 1.0) if overlap else rng.uniform(2.5, 3.2)
        bones = bone(-width / 2, True, rng), bone(width / 2, False, rng)
        near = rng.uniform(0.05, 2.0) * (rng.choice([-1, 1]) if overlap else 1)
        part = rng.uniform()
        go = ((part * near, rng.uniform(-0.5, 0.5)), ((part - 1) * near, rng.uniform(-0.5, 0.5)))
        hand = rng.uniform(-3, 3, 2)
        tilt, lies = rng.uniform(-5, 5), tuple(rng.uniform(-0.5, 0.5, 2))
        ends = ((-width / 2 - 6, 0.0), (width / 2 + 4, 0.0))
        before = (Place(lies, tilt), Place(lies, tilt))
        after = []
        for end, way in zip(ends, go, strict=True):
            shift = before[0](np.array([end]))[0] - end + hand + way
            after.append(Place(tuple(shift), tilt + rng.uniform(-5, 5), end))
        visits = (
            visit(bones, before, rng, split_error),
            visit(bones, after, rng, split_error, rng.uniform(0.8, 1.25)),
        )
        shared = max(v.overlap for v in visits)
        if shared >= 20 if overlap else shared == 0:
            return bones, (before, tuple(after)), visits


def true_narrowing(places: tuple[Placed, Placed], at: np.ndarray, axis: np.ndarray) -> float:
    """How much nearer the bones came [mm] at a point, along an axis of the first visit.

    The axis points from the upper to the lower bone and turns by the mean of both rotations.
    """
    before, after = places
    moved = [new(old.back(at[None]))[0] for old, new in zip(before, after, strict=True)]
    turned = np.mean([new.degrees - old.degrees for old, new in zip(before, after, strict=True)])
    return float((moved[0] - moved[1]) @ (Place(degrees=float(turned)).matrix() @ axis))


def true_widths(
    bones: tuple[Bone, Bone], places: Placed, middle: np.ndarray, axes: np.ndarray
) -> np.ndarray:
    """(N,) width [mm] at points (N, 2) along axes (N, 2), NaN where a bone is not met."""
    ways = np.arange(-4, 4, 0.005)
    ends = []
    for one, place in zip(bones, places, strict=True):
        line = middle[:, None] + ways[None, :, None] * axes[:, None]
        row, column = np.moveaxis(place.back(line.reshape(-1, 2)).reshape(line.shape), -1, 0)
        beyond = (row > one.edge(column)) if one.is_upper else (row >= one.edge(column))
        at = np.argmax(beyond, axis=1)
        ends.append(np.where(beyond.any(axis=1) & ~beyond[:, 0], ways[at], np.nan))
    return ends[1] - ends[0]


def origin_mm() -> np.ndarray:
    """The phantom's origin in mm from the middle of pixel (0, 0), as the library counts."""
    return (np.array(SIZE) - 1) / 2 * PIXEL_MM


def _layer(bone: Bone, place: Place) -> np.ndarray:
    step = PIXEL_MM / FINER
    pad = 4 * FINER
    axes = [(np.arange(n * FINER + 2 * pad) - pad + 0.5) * step - n * PIXEL_MM / 2 for n in SIZE]
    fine = bone.density(*place.affine_back(), *axes).astype(np.float32)
    fine = ndimage.gaussian_filter(fine, BLUR_MM / step)[pad:-pad, pad:-pad]
    return fine.reshape(SIZE[0], FINER, SIZE[1], FINER).mean(axis=(1, 3), dtype=np.float64)


def _chord(half: np.ndarray, column: np.ndarray) -> np.ndarray:
    return 2 * np.sqrt(np.maximum(half**2 - column**2, 0))


def _smooth(rng: np.random.Generator, length_mm: float) -> np.ndarray:
    """A random field of spread 1."""
    field = ndimage.gaussian_filter(rng.normal(size=SIZE), length_mm / PIXEL_MM, mode="wrap")
    return field / field.std()
