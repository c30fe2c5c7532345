"""The shots of a long-leg view: where tube and detector stand for each, and how rows share them.

A whole leg is longer than a detector. So the detector moves along one line and takes several shots
that overlap, and they are stitched. Either the tube moves along with it ("translate"), or it stays
and only turns after the detector ("tilt").

A point between tube and detector that is magnified M times falls, seen from a tube at t along that
line, on t + M · (x - t). Two tubes one step apart so see it (M - 1) · step apart: a moved tube
doubles what lies in an overlap by this parallax, and misses it where the overlap is less than the
parallax. A tube that stays has no parallax: all its shots are parts of one perspective.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from .geometry import MAX_PIXELS_A_SIDE, Geometry, make_geometry
from .long_leg_config import LongLegConfig
from .volume import Volume

LEAST_OVERLAP = 0.1
"""Of a shot's height, where nothing else is asked for and the parallax needs no more."""


@dataclass(frozen=True, eq=False)
class ShotPlan:
    """Shots and their place in the stitched picture.

    Attributes:
        shots: source and detector of each, from the picture's top to its bottom; RAS mm.
        first_rows: row of the stitched picture where each shot starts.
        whole: the detector of the stitched picture, the tube in its middle.
        moves: whether the tube moves from shot to shot.
        notes: what will be missing, one sentence each.
    """

    shots: tuple[Geometry, ...]
    first_rows: tuple[int, ...]
    whole: Geometry
    moves: bool
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the stitched picture."""
        return self.whole.size

    @property
    def step_mm(self) -> float:
        """From one shot to the next along the detector's line; 0 for a single shot."""
        if len(self.shots) == 1:
            return 0.0
        return (self.first_rows[1] - self.first_rows[0]) * self.whole.pixel_mm[0]

    @property
    def geometry(self) -> Geometry | None:
        """The one perspective of the whole picture; None where the tube moved."""
        return None if self.moves else self.whole

    @property
    def statement(self) -> str:
        """What lengths in the picture mean, in words."""
        factor = self.whole.magnification
        said = f"Lengths are at the detector. At the isocentre they appear {factor:.3f} times"
        if not self.moves:
            return f"{said}, along and across the leg; every point appears once."
        doubled = self.step_mm * (factor - 1)
        return (
            f"{said} across the leg and within a shot, and once from tube to tube, every "
            f"{self.step_mm:.1f} mm; a point at the isocentre's depth appears twice in an overlap, "
            f"{doubled:.1f} mm apart."
        )

    def to_dict(self) -> dict:
        """What records and nodes keep of the plan; numbers, texts and lists only."""
        shots = zip(self.first_rows, self.shots, strict=True)
        return {
            "statement": self.statement,
            "notes": list(self.notes),
            "magnification": self.whole.magnification,
            "step_mm": self.step_mm,
            "blend": "linear over the rows that two shots share",
            "shots": [{"first_row": row, "geometry": shot.to_dict()} for row, shot in shots],
            "geometry": None if self.geometry is None else self.geometry.to_dict(),
        }

    def weights(self) -> np.ndarray:
        """Share of each shot in each row of the stitched picture, (shots, rows); sums to 1.

        Linear over an overlap: the picture fades from one shot to the next.
        """
        rows, height = self.size[0], self.shots[0].size[0]
        shares = np.zeros((len(self.shots), rows))
        last = len(self.shots) - 1
        for n, first in enumerate(self.first_rows):
            steps = np.arange(1, height + 1, dtype=np.float64)
            shared = height - (self.first_rows[1] - self.first_rows[0]) if last else 0
            rising = np.minimum(steps / (shared + 1), 1.0)
            above = rising if n > 0 else np.ones(height)
            below = rising[::-1] if n < last else np.ones(height)
            shares[n, first : first + height] = np.minimum(above, below)
        return shares / shares.sum(axis=0)

    def shot_points(self, ras: np.ndarray) -> np.ndarray:
        """Stitched (row, column) of RAS points (N, 3) [mm] in every shot, (shots, N, 2)."""
        found = np.stack([shot.project_points(ras) for shot in self.shots])
        found[..., 0] += np.asarray(self.first_rows)[:, None]
        return found

    def project_points(self, ras: np.ndarray) -> np.ndarray:
        """Stitched (row, column) of RAS points (N, 3) [mm], (N, 2), by the shot that shows most.

        With a moved tube a point in an overlap has a second, fainter image: `shot_points`.
        """
        found = self.shot_points(ras)
        middles = np.asarray(self.first_rows) + (self.shots[0].size[0] - 1) / 2
        nearest = np.abs(found[..., 0] - middles[:, None]).argmin(axis=0)
        return found[nearest, np.arange(found.shape[1])]

    def parallax_mm(self, ras: np.ndarray) -> np.ndarray:
        """How far apart two neighbouring shots show RAS points (N, 3) [mm], (N,) at the detector.

        (M - 1) · step, M the magnification at the point's depth; 0 where the tube stays.
        """
        depth = np.abs((np.atleast_2d(ras) - self.whole.source) @ self.whole.normal)
        factor = self.whole.source_detector_mm / depth
        return (factor - 1) * (self.step_mm if self.moves else 0.0)


def plan_shots(config: LongLegConfig, volume: Volume) -> ShotPlan:
    """Place the shots of a long-leg view around the middle of the CT.

    Raises:
        ValueError: shots that cannot be stitched, or a picture too long; names the field.
    """
    single = make_geometry(config.geometry_config((1, 1)), volume.centre_ras)
    extent = _Extent.of(single, volume)
    moves = config.method == "translate" and config.shots > 1
    height, overlap, notes = _heights(config, extent, moves)
    rows = config.shots * height - (config.shots - 1) * overlap
    width = extent.width if config.width is None else config.width
    columns = max(1, math.ceil(width / config.pixel - 1e-9))
    for name, pixels in (("length", rows), ("width", columns)):
        if pixels > MAX_PIXELS_A_SIDE:
            raise ValueError(
                f"{name}: {pixels * config.pixel:g} mm would be {pixels} pixels; expected at most "
                f"{MAX_PIXELS_A_SIDE}"
            )
    whole = make_geometry(config.geometry_config((rows, columns)), volume.centre_ras)
    first_rows = tuple(n * (height - overlap) for n in range(config.shots))
    shots = []
    for first in first_rows:
        offset = (first + (height - rows) / 2) * config.pixel * whole.row_axis
        source = whole.source + offset if moves else whole.source
        place = {"centre": whole.centre + offset, "source": source, "size": (height, columns)}
        shots.append(dataclasses.replace(whole, **place))
    return ShotPlan(tuple(shots), first_rows, whole, moves, notes)


@dataclass(frozen=True, eq=False)
class _Extent:
    """The CT's corners: distance [mm] along the leg from the middle, and 1 - 1 / magnification."""

    along: np.ndarray
    shrink: np.ndarray
    width: float

    @classmethod
    def of(cls, geometry: Geometry, volume: Volume) -> _Extent:
        corners = volume.corners_ras - geometry.source
        ray = geometry.centre - geometry.source
        depth = corners @ ray / np.linalg.norm(ray)
        if depth.min() <= 0:
            raise ValueError(
                f"source_object: got {np.linalg.norm(geometry.isocentre - geometry.source):g}; "
                "the tube would stand within the CT; expected it before the patient"
            )
        factor = geometry.source_detector_mm / depth
        width = 2 * np.abs(corners @ geometry.column_axis * factor).max()
        along = np.abs(corners @ geometry.row_axis)
        return cls(along, np.maximum(1 - 1 / factor, 0.0), float(width))


def _heights(
    config: LongLegConfig, extent: _Extent, moves: bool
) -> tuple[int, int, tuple[str, ...]]:
    """Rows of a shot, rows of an overlap, and what will be missing, a sentence."""
    shots = config.shots
    needed = max(float(extent.shrink.max()) if moves else 0.0, LEAST_OVERLAP)
    share, overlap = (needed, 0.0) if config.overlap is None else (0.0, config.overlap)
    height = _height(config, extent, moves, share)
    overlap = max(overlap, share * height)
    length = shots * height - (shots - 1) * overlap
    if length / config.pixel < shots:
        raise ValueError(f"shots: got {shots}; expected one a row at most, {length:g} mm long")
    overlap_rows = math.ceil(overlap / config.pixel - 0.5)
    rows = math.ceil((length / config.pixel + (shots - 1) * overlap_rows) / shots - 1e-9)
    if overlap_rows >= rows:
        raise ValueError(f"overlap: got {overlap:g}; expected less than the length, {length:g} mm")
    missing = float(extent.shrink.max()) * rows - overlap_rows
    if not moves or missing < 1.5:
        return rows, overlap_rows, ()
    enough = needed * length / (shots - (shots - 1) * needed)
    return rows, overlap_rows, (
        f"what is near the tube falls between the shots, up to {missing * config.pixel:.0f} mm at "
        f"the detector; an overlap of {enough:.0f} mm shows all",
    )  # fmt: skip


def _height(config: LongLegConfig, extent: _Extent, moves: bool, share: float) -> float:
    """Height [mm] of a shot, for the length that was asked for or for all of the CT.

    Shots of height h that overlap by `share` · h or by `config.overlap` are together
    h · (shots - (shots - 1) · share) - (shots - 1) · overlap long. The CT's end, at `along`, is
    within a tube's only shot when the picture is 2 · M · along long, and within the last shot of a
    moved tube when it is 2 · along + (1 - 1/M) · h long.
    """
    of_height = config.shots - (config.shots - 1) * share
    shared = (config.shots - 1) * (config.overlap or 0.0)
    if config.length is not None:
        return (config.length + shared) / of_height
    if moves:
        return float(((2 * extent.along + shared) / (of_height - extent.shrink)).max())
    return float((2 * extent.along / (1 - extent.shrink)).max() + shared) / of_height
