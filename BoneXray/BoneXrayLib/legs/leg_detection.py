"""A radiograph of a leg: femur and tibia by box, landmarks, ellipses and outline; side and view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..domain import domain_warnings
from ..framing import content
from ..geometry_config import check_pixel
from ..leg_features import SIDES, EllipseFeature, LegFeatures, PointFeature
from ..models import Model, find_model
from ..progress import IsCancelled, Progress, part_of
from ..radiograph import POLARITIES, Radiograph
from ..segments.mask_pieces import tidy
from ..segments.structures import structure
from .heat_maps import Peak, ellipse_of_disc
from .leg_channels import BONES, ELLIPSES, OUTPUTS, POINTS
from .leg_looks import Look, best_peaks, joined, looked, squares
from .leg_pieces import of_one_bone

if TYPE_CHECKING:
    from collections.abc import Sequence

VIEWS = ("AP", "LAT")
UNSURE = (0.2, 0.8)
"""Between these shares side and view are not told."""
CLEAR_FROM_THE_SIDE = ("head",)
"""Round parts to be found in a lateral image: the condyles lie over each other there, and which of
them is the medial one cannot be seen. Both were found half-way between, 4 to 5 mm off."""
LEAST_AREA = 40
"""Pixels of the network that a bone covers at least."""


@dataclass
class DetectConfig:
    """The fields of command and panel for finding the bones of a leg."""

    model: str = "features-leg"
    """Name or folder of the model."""
    pixel: float | None = None
    """Pixel size at the detector [mm], for files that do not say it."""
    polarity: str = "auto"
    """auto, bone-bright or bone-dark: how bone is stored in the file."""
    side: str = "auto"
    """auto, right or left: which leg it is."""
    view: str = "auto"
    """auto, AP or LAT: how it was taken."""
    presence: float = 0.4
    """How likely a landmark must be in the image to count."""
    closer: bool = True
    """Look again at parts of a leg that is small in the image."""

    def __post_init__(self) -> None:
        if self.pixel is not None:
            check_pixel(self.pixel)
        for name, known in (
            ("polarity", POLARITIES), ("side", ("auto", *SIDES)), ("view", ("auto", *VIEWS)),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name}: got {getattr(self, name)!r}; expected one of {', '.join(known)}"
                )
        if not (np.isfinite(self.presence) and 0 < self.presence < 1):
            raise ValueError(f"presence: got {self.presence!r}; expected above 0 and below 1")


@dataclass(frozen=True, eq=False)
class LegDetection:
    """What was found of a leg in one radiograph.

    Attributes:
        radiograph: the input.
        features: of each bone that was found, in pixels of the radiograph.
        side, view: as found or as given.
        messages: what was not clear, a sentence each.
        model: name and version of the model.
        warnings: what the image looks like if not like a radiograph; see `domain_warnings`.
    """

    radiograph: Radiograph
    features: tuple[LegFeatures, ...]
    side: str
    view: str
    messages: tuple[str, ...]
    model: str
    warnings: tuple[str, ...] = ()

    def of(self, bone: str) -> LegFeatures | None:
        """The features of a bone, None where it was not found."""
        return next((found for found in self.features if found.bone == bone), None)


def detect(
    radiograph: Radiograph,
    config: DetectConfig | None = None,
    model: Model | None = None,
    model_folders: Sequence[str] = (),
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    runtime: str = "auto",
) -> LegDetection:
    """Find femur and tibia of one leg in a radiograph.

    Args:
        radiograph: any radiograph, bone bright, hung as radiographs are.
        config: which model, what is known; `model` overrides it with a loaded one.
        model: a model found already.
        model_folders: where else to look for models.
        progress: told fraction and message.
        is_cancelled: asked before and during each run of the network.
        runtime: "auto", or "torch" to run the weights with torch.

    Raises:
        ValueError: no such model, one of another task or with other outputs.
        Cancelled: `is_cancelled()` became true.
    """
    config = config or DetectConfig()
    model = model or find_model(config.model, "features", model_folders)
    check_outputs(model)
    part = content(radiograph.pixels, radiograph.domain, model.card.framing)
    tell = part_of(progress, 0, 2)
    # Left and right look alike in a lateral image.
    side = SIDES[0] if config.view == VIEWS[1] and config.side == "auto" else config.side
    frontal = None if config.view == "auto" else config.view == VIEWS[0]
    looks = [looked(model, radiograph, part, side, tell, is_cancelled, runtime, frontal)]
    side, _, _ = told(looks[0], config)
    closer = squares(looks[0], radiograph.pixels.shape) if config.closer else []
    for number, square in enumerate(closer):
        tell = part_of(progress, len(closer) + number, 2 * len(closer))
        looks.append(looked(model, radiograph, square, side, tell, is_cancelled, runtime))
    name = f"{model.card.name} {model.card.version}"
    return read_looks(radiograph, looks, config, name)


def check_outputs(model: Model) -> None:
    """Refuse a model whose answers are not those that are read here."""
    names = tuple(output["name"] for output in model.card.outputs)
    if names != OUTPUTS:
        raise ValueError(
            f"model {model.folder}: card.json: outputs: {len(names)} from {names[0]!r} on; "
            f"expected the {len(OUTPUTS)} features of a leg"
        )


def read_looks(
    radiograph: Radiograph, looks: Sequence[Look], config: DetectConfig, model: str
) -> LegDetection:
    """Features out of the network's answers; the first is to the whole image."""
    peaks, masks = best_peaks(looks), joined(looks)
    least = LEAST_AREA * float(np.prod(looks[0].step / masks.step))
    bones = [_mask(name, masks, peaks, config, least) for name in BONES]
    there = [name for name, mask in zip(BONES, bones, strict=True) if mask.sum() >= least]
    side, view, messages = told(looks[0], config)
    if not there:
        messages = ("no femur or tibia found; expected a radiograph of one leg",)
    features = tuple(
        _features(bone, side, view, bones[BONES.index(bone)], masks, peaks, config)
        for bone in there
    )
    return LegDetection(
        radiograph, features, side, view, messages, model, domain_warnings(radiograph)
    )


def _mask(
    bone: str, masks: Look, peaks: Sequence[Peak], config: DetectConfig, least: float
) -> np.ndarray:
    """Where a bone is, in pixels of the masks."""
    mask = tidy(masks.shares[BONES.index(bone)] > 0.5, structure(bone), least)
    points = _points(bone, peaks, config).values()
    at = np.array([(point.row, point.column) for point in points]).reshape(-1, 2)
    return of_one_bone(mask, (at - masks.first) / masks.step)


def _points(bone: str, peaks: Sequence[Peak], config: DetectConfig) -> dict[str, PointFeature]:
    """A bone's landmarks that are in the image, by name."""
    return {
        name: PointFeature(peak.row, peak.column, peak.covariance)
        for (owner, name), peak in zip(POINTS, peaks, strict=True)
        if owner == bone and peak.presence >= config.presence
    }


def told(look: Look, config: DetectConfig) -> tuple[str, str, tuple[str, ...]]:
    """Side, view, and what was not clear of them."""
    frontal, right = look.told
    messages = []
    view = config.view
    if view == "auto":
        view = VIEWS[0] if frontal >= 0.5 else VIEWS[1]
        if UNSURE[0] < frontal < UNSURE[1]:
            messages.append(
                f"view: not sure ({max(frontal, 1 - frontal):.0%} {view}); say AP or LAT"
            )
    side = config.side
    if side == "auto":
        side = SIDES[0] if right >= 0.5 or view == VIEWS[1] else SIDES[1]
        if view == VIEWS[1]:
            messages.append(f"side: a lateral image does not tell; taken as {side}, say which")
        elif UNSURE[0] < right < UNSURE[1]:
            messages.append(
                f"side: not sure ({max(right, 1 - right):.0%} {side}); say right or left"
            )
    return side, view, tuple(messages)


def _features(
    bone: str,
    side: str,
    view: str,
    mask: np.ndarray,
    masks: Look,
    peaks: Sequence[Peak],
    config: DetectConfig,
) -> LegFeatures:
    """What was found of one bone."""
    points = _points(bone, peaks, config)
    ellipses = {}
    if bone == BONES[0]:
        discs = zip(ELLIPSES, masks.shares[len(BONES) :], strict=True)
        clear = ELLIPSES if view == VIEWS[0] else CLEAR_FROM_THE_SIDE
        found = {name: ellipse_of_disc(share) for name, share in discs if name in clear}
        ellipses = {n: _into_image(e, masks) for n, e in found.items() if e is not None}
    # Without what the tidy mask leaves out, in the steps of the picture that is written of it.
    share = masks.shares[BONES.index(bone)]
    outline = np.rint(255 * np.where(mask | (share <= 0.5), share, 0.0)) / np.float32(255)
    return LegFeatures(
        bone, side, view, _box(mask, masks), points, ellipses, outline, "mask",
        (float(masks.first[0]), float(masks.first[1])),
        (float(masks.step[0]), float(masks.step[1])),
    )  # fmt: skip


def _box(mask: np.ndarray, look: Look) -> tuple[float, float, float, float]:
    """First and last row and column of a mask, in the image; outer edges of its pixels."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    low = look.into_image(np.array([rows[0], columns[0]]) - 0.5)
    high = look.into_image(np.array([rows[-1], columns[-1]]) + 0.5)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _into_image(ellipse: EllipseFeature, look: Look) -> EllipseFeature:
    """An ellipse of the answer in the image; its pixels are as good as square."""
    row, column = look.into_image(np.array([ellipse.row, ellipse.column]))
    scale = float(np.sqrt(np.prod(look.step)))
    return EllipseFeature(
        float(row), float(column), scale * ellipse.a, scale * ellipse.b, ellipse.angle
    )
