"""CT slices to one rectangular grid: sorted, tilt undone, gaps bridged, all of it said."""

from __future__ import annotations

import numpy as np

from ..progress import IsCancelled, Progress, raise_if_cancelled
from .dicom_files import read_dataset, stored_pixels
from .dicom_slices import LARGEST_SIDE, Slice
from .slice_plan import Plan, canvas, plan_grid

AIR_HU = -1000.0
#: Below this only padding lies (scanners write -1500, -2000, -3024 outside their field).
LOWEST_HU = -1100.0


def stack_slices(
    slices: list[Slice],
    notes: list[str],
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Hounsfield units (k, j, i) int16 or float32 on a rectangular grid, and ijk_to_lps (4, 4) mm.

    Planes that are no slice are linear between the two slices around them. A tilted gantry
    shifts each slice sideways against the last; every slice is moved back by linear interpolation
    onto a grid that holds them all, air (-1000 HU) outside.

    Raises:
        ValueError: fewer than 2 slices, gaps too wide to bridge, several slices in one place.
    """
    plan = plan_grid(slices, notes)
    first = plan.slices[0]
    rows, columns, origin_mm = canvas(plan)
    if max(rows, columns, len(plan.grid_heights)) > LARGEST_SIDE:
        size = f"{rows} x {columns} x {len(plan.grid_heights)}"
        raise ValueError(
            f"series: its slices spread over {size} voxels; expected {LARGEST_SIDE} a side"
        )
    axes = np.array([first.axes[1], first.axes[0]])  # down, right
    ijk_to_lps = np.eye(4)
    step = plan.grid_heights[1] - plan.grid_heights[0]
    ijk_to_lps[:3, 0] = axes[1] * first.pixel_mm[1]
    ijk_to_lps[:3, 1] = axes[0] * first.pixel_mm[0]
    ijk_to_lps[:3, 2] = first.normal * step
    ijk_to_lps[:3, 3] = np.asarray(first.position) + origin_mm @ axes
    reader = _Reader(plan.slices, progress, is_cancelled)
    if not plan.resample:
        return _fill(reader, (len(plan.slices), rows, columns)), ijk_to_lps
    return _resample(plan, reader, rows, columns, origin_mm), ijk_to_lps


class _Reader:
    """Hounsfield units of sorted slices, one after the other."""

    def __init__(
        self, slices: list[Slice], progress: Progress | None, is_cancelled: IsCancelled | None
    ):
        self.slices, self.progress, self.is_cancelled = slices, progress, is_cancelled
        self.path, self.frames = None, np.empty(0)

    def __call__(self, index: int) -> np.ndarray:
        """(row, column) int16 where integral and fitting, else float32."""
        raise_if_cancelled(self.is_cancelled)
        one = self.slices[index]
        if self.progress is not None:
            self.progress(
                index / len(self.slices), f"reading slice {index + 1} of {len(self.slices)}"
            )
        if one.path != self.path:
            self.path, self.frames = one.path, stored_pixels(read_dataset(one.path), one.path.name)
        stored = self.frames[one.frame]
        if stored.shape != one.shape or stored.dtype.kind not in "iu":
            raise ValueError(
                f"{one.path.name}: colour or odd pixels; expected one grey value per pixel"
            )
        return hounsfield(stored, one)


def hounsfield(stored: np.ndarray, one: Slice) -> np.ndarray:
    """HU of one slice's stored values (row, column); padding becomes air."""
    whole = float(one.slope).is_integer() and float(one.intercept).is_integer()
    kind = np.int32 if whole else np.float32
    hu = stored.astype(kind) * kind(one.slope) + kind(one.intercept)
    if one.padding is not None:
        low, high = one.padding
        # Some files name a padding value that is also tissue; only one in air's range is believed.
        if high * one.slope + one.intercept <= -900:
            hu[(stored >= low) & (stored <= high)] = AIR_HU
    hu[hu < LOWEST_HU] = AIR_HU
    return hu.astype(np.int16) if whole and hu.max() <= 32767 else hu.astype(np.float32)


def _fill(read: _Reader, shape: tuple[int, int, int]) -> np.ndarray:
    hu = np.empty(shape, dtype=np.int16)
    for k in range(shape[0]):
        plane = read(k)
        if plane.dtype != hu.dtype and hu.dtype == np.int16:
            hu = hu.astype(np.float32)
        hu[k] = plane
    return hu


def _resample(
    plan: Plan, read: _Reader, rows: int, columns: int, origin_mm: np.ndarray
) -> np.ndarray:
    """Planes between moved-back slices; int16 in, int16 out (rounded to whole HU)."""
    pixels = (plan.shifts - origin_mm) / np.array(plan.slices[0].pixel_mm)
    above = np.clip(np.searchsorted(plan.heights, plan.grid_heights), 1, len(plan.slices) - 1)
    part = (plan.grid_heights - plan.heights[above - 1]) / np.diff(plan.heights)[above - 1]
    part = np.clip(part, 0, 1).astype(np.float32)
    hu = np.empty((len(plan.grid_heights), rows, columns), dtype=np.int16)
    held: dict[int, np.ndarray] = {}
    for k, (upper, share) in enumerate(zip(above, part, strict=True)):
        for index in (upper - 1, upper):
            if index not in held:
                plane = read(index)
                if plane.dtype != np.int16 and hu.dtype == np.int16:
                    hu = hu.astype(np.float32)
                held[index] = _moved(plane, pixels[index], rows, columns)
        held = {index: plane for index, plane in held.items() if index >= upper - 1}
        plane = held[upper - 1] * (1 - share) + held[upper] * share
        hu[k] = np.rint(plane) if hu.dtype == np.int16 else plane
    return hu


def _moved(plane: np.ndarray, shift: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The slice moved (down, right) by `shift` pixels onto a larger canvas of air, float32."""
    canvas = np.full((rows + 1, columns + 1), AIR_HU, dtype=np.float32)
    whole = np.floor(shift + 1e-6).astype(int)
    down, right = (shift - whole).astype(np.float32).clip(0, 1)
    height, width = plane.shape
    canvas[whole[0] : whole[0] + height, whole[1] : whole[1] + width] = plane
    if down > 1e-4:
        canvas[1:] = (1 - down) * canvas[1:] + down * canvas[:-1]
    if right > 1e-4:
        canvas[:, 1:] = (1 - right) * canvas[:, 1:] + right * canvas[:, :-1]
    return canvas[:rows, :columns]
