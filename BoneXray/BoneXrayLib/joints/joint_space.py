"""Joint space: its width along a joint, and by how much it narrowed between two visits.

Both take the layers of two bones, each as if the other were not there, so that bones which overlap
in the radiograph have margins, too: the width is negative there. Narrowing is not the difference of
two widths: each bone is registered as a whole to itself, which takes far less of a pixel to see.

Lengths are those at the detector, larger than in the patient by the magnification. Positions are
(row, column) in mm from the middle of pixel (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..radiograph import checked_pixel_mm
from .bone_motion import LayerImage, Motion, turn_matrix
from .joint_margins import Margins, find_margins
from .joint_space_config import JointConfig
from .layer_registration import register

SURE = 1.96
"""Standard errors on each side of a 95 % interval."""


@dataclass(frozen=True, eq=False)
class JointLayers:
    """The two bones of a joint in one visit.

    Attributes:
        upper, lower: (rows, columns) layers, 0 where the bone adds nothing.
        pixel_mm: (row, column) spacing, or one number for both.
        upper_mask, lower_mask: (rows, columns) bool.
        names: of the bones, upper first.

    Raises:
        ValueError: no pixel size, or arrays of different shapes or kinds.
    """

    upper: np.ndarray
    lower: np.ndarray
    pixel_mm: tuple[float, float]
    upper_mask: np.ndarray
    lower_mask: np.ndarray
    names: tuple[str, str] = ("upper bone", "lower bone")

    def __post_init__(self) -> None:
        if self.pixel_mm is None:
            raise ValueError("pixel_mm: unknown; expected the size of a pixel at the detector [mm]")
        object.__setattr__(self, "pixel_mm", checked_pixel_mm(self.pixel_mm))
        shape = np.shape(self.upper)
        for name in ("upper", "lower", "upper_mask", "lower_mask"):
            array = np.asarray(getattr(self, name))
            is_mask = name.endswith("mask")
            if array.shape != shape or array.ndim != 2 or (array.dtype == bool) != is_mask:
                wanted = f"{'bool' if is_mask else 'numbers'} of shape {shape}"
                raise ValueError(f"{name}: {array.dtype} of shape {array.shape}; expected {wanted}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name}: holds NaN or infinity; expected finite values")

    def turned_over(self) -> JointLayers:
        """The same bones, the upper one as the lower."""
        return JointLayers(
            self.lower,
            self.upper,
            self.pixel_mm,
            self.lower_mask,
            self.upper_mask,
            self.names[::-1],
        )

    def image(self, is_upper: bool) -> LayerImage:
        """One bone, to be registered."""
        mine, its = (self.upper_mask, self.lower_mask)[:: 1 if is_upper else -1]
        return LayerImage(self.upper if is_upper else self.lower, mine, its, self.pixel_mm)


@dataclass(frozen=True, eq=False)
class JointSpace:
    """Width of a joint space.

    Attributes:
        width_mm: (N,) along the joint, negative where the bones overlap.
        margins: where they are measured.
    """

    margins: Margins
    width_mm: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        way = self.margins.lower - self.margins.upper
        object.__setattr__(self, "width_mm", (way * self.margins.axes).sum(axis=1))

    @property
    def positions_mm(self) -> np.ndarray:
        """(N,) place of each width along the joint, 0 in the middle of what is measured."""
        return self.margins.along_mm

    @property
    def mean_mm(self) -> float:
        """Mean width."""
        return float(self.width_mm.mean())

    @property
    def minimum_mm(self) -> float:
        """Smallest width."""
        return float(self.width_mm.min())

    @property
    def minimum_at_mm(self) -> float:
        """Place along the joint of the smallest width."""
        return float(self.positions_mm[np.argmin(self.width_mm)])

    @property
    def overlap_share(self) -> float:
        """Part of the stretch where the bones overlap, 0 to 1."""
        return float((self.width_mm < 0).mean())

    @property
    def middle(self) -> np.ndarray:
        """(2,) the middle of the joint space."""
        return (self.margins.upper + self.margins.lower).mean(axis=0) / 2


@dataclass(frozen=True, eq=False)
class Narrowing:
    """How two bones of a joint moved between two visits, and so by how much they came nearer.

    Attributes:
        upper, lower: motion of each bone from the first visit to the second.
        first, second: the joint space of each visit.
        narrowing_mm: by how much the space became smaller at the middle of the joint, along the
            joint's axis.
        standard_error_mm: of that.
        sideways_mm: by how much the upper bone moved across the axis against the lower one, to
            the side where positions along the joint grow.
    """

    upper: Motion
    lower: Motion
    first: JointSpace
    second: JointSpace
    narrowing_mm: float
    standard_error_mm: float
    sideways_mm: float

    @property
    def interval_mm(self) -> tuple[float, float]:
        """95 % interval of the narrowing."""
        reach = SURE * self.standard_error_mm
        return self.narrowing_mm - reach, self.narrowing_mm + reach

    @property
    def bend_deg(self) -> float:
        """By how much the upper bone turned against the lower one."""
        return self.upper.rotation_deg - self.lower.rotation_deg


def joint_space(
    upper: np.ndarray,
    lower: np.ndarray,
    pixel_mm: tuple[float, float],
    upper_mask: np.ndarray,
    lower_mask: np.ndarray,
    config: JointConfig | None = None,
) -> JointSpace:
    """Width of the space between two bones along their joint.

    Args:
        upper, lower: (rows, columns) layer of each bone; "upper" is only the first of the two.
        pixel_mm: (row, column) spacing at the detector, or one number for both.
        upper_mask, lower_mask: (rows, columns) bool, overlapping where the bones do.
        config: what is measured.

    Raises:
        ValueError: no pixel size, or bones that do not face each other.
    """
    return space_of(JointLayers(upper, lower, pixel_mm, upper_mask, lower_mask), config)


def space_of(layers: JointLayers, config: JointConfig | None = None) -> JointSpace:
    """`joint_space` of a visit."""
    config = config or JointConfig()
    found = find_margins(
        (layers.upper, layers.lower),
        (layers.upper_mask, layers.lower_mask),
        layers.pixel_mm,
        config.share,
        config.smooth_along,
    )
    return JointSpace(found)


def narrowing(
    first: JointLayers, second: JointLayers, config: JointConfig | None = None
) -> Narrowing:
    """By how much a joint space narrowed from one visit to the next; negative where it widened.

    Each bone is registered to itself; how the hand lay and how long it was exposed do not matter.

    Raises:
        ValueError: bones that do not face each other, or do not show in both visits.
    """
    config = config or JointConfig()
    if second.names == first.names[::-1]:  # by their height in each image, as bones side by side
        second = second.turned_over()
    spaces, motions = [], []
    for layers, name in ((first, "first"), (second, "second")):
        try:
            spaces.append(space_of(layers, config))
        except ValueError as error:
            raise ValueError(f"{name} visit: {error}") from None
    for is_upper, name in zip((True, False), first.names, strict=True):
        try:
            motion = register(first.image(is_upper), second.image(is_upper), config.most_degrees)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        motions.append(motion)
    upper, lower = motions
    at, axis = spaces[0].middle, spaces[0].margins.axis
    way = (upper.move(at[None]) - lower.move(at[None]))[0]
    # The axis turns with the joint: half with either bone.
    axis = turn_matrix(np.deg2rad((upper.rotation_deg + lower.rotation_deg) / 2)) @ axis
    across = np.array([-axis[1], axis[0]])
    variance = _variance(upper, at, way, axis, 1) + _variance(lower, at, way, axis, -1)
    return Narrowing(
        upper, lower, *spaces, float(way @ axis), float(np.sqrt(variance)), float(way @ across)
    )


def _variance(motion: Motion, at: np.ndarray, way: np.ndarray, axis: np.ndarray, sign: int):
    """What a bone's motion adds to the variance of way · axis [mm²]."""
    quarter = turn_matrix(np.pi / 2)
    arm = turn_matrix(np.deg2rad(motion.rotation_deg)) @ (at - motion.middle_mm)
    by_angle = sign * (quarter @ arm) @ axis + 0.5 * way @ (quarter @ axis)
    slope = np.array([*(sign * axis), by_angle])
    return slope @ motion.covariance @ slope
