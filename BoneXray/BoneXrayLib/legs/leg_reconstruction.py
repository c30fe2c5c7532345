"""The bones of a leg in 3D from one or two radiographs: features found or given, geometry, fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..geometry import Geometry
from ..leg_features import LegFeatures
from ..progress import IsCancelled, Progress, part_of, raise_if_cancelled
from ..radiograph import Radiograph
from ..reconstruction import Reconstruction, View, reconstruct
from ..shape_model import ShapeModel, read_shape_model
from .leg_config import LegConfig
from .leg_finding import find_features
from .leg_geometry import TYPED_ANGLE, TYPED_SHIFT_MM, Shot, Shots, shot_geometries

MOST_IMAGES = 2


@dataclass(frozen=True, eq=False)
class RebuiltBone:
    """A bone, and the numbers of the images that it was found in."""

    found: Reconstruction
    images: tuple[int, ...]

    @property
    def name(self) -> str:
        """Such as femur-right, as its files are called."""
        return f"{self.found.bone}-{self.found.side}"


@dataclass(frozen=True, eq=False)
class RebuiltLeg:
    """What was made of one or two radiographs of a leg.

    Attributes:
        radiographs: the images.
        features: of each image, its bones'.
        geometries: of each image, before they were refined.
        bones: rebuilt, in the first image's frame.
        models: name and version of all models that were used.
        notes: what was taken for granted, and what was not clear, a sentence each.
        warnings: what an image looks like if not like a radiograph.
    """

    radiographs: tuple[Radiograph, ...]
    features: tuple[tuple[LegFeatures, ...], ...]
    geometries: tuple[Geometry, ...]
    bones: tuple[RebuiltBone, ...]
    models: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Bones whose fit is not to be believed, and why."""
        return tuple(
            f"{bone.name}: {bone.found.verdict}" for bone in self.bones if not bone.found.converged
        )


ORIGIN = (
    "The bone is taken to lie near the origin of the frame, as nothing else is said: from one view "
    "its depth and size follow from that."
)


def _origin_notes(placed: Shots) -> list[str]:
    """Of a projection matrix, which says nothing of where on its rays the patient is."""
    at = [geometry.isocentre for geometry in placed.geometries]
    return [ORIGIN] if len(at) == 1 and not placed.is_typed and not np.any(at[0]) else []


def _refuse_the_same(radiographs: Sequence[Radiograph]) -> None:
    """Two views of one image would look as sure as two images."""
    first, *others = (radiograph.pixels for radiograph in radiographs)
    if any(np.array_equal(first, other) for other in others):
        raise ValueError("image: both are the same picture; expected two views of a leg, or one")


def reconstruct_leg(
    radiographs: Sequence[Radiograph],
    config: LegConfig | None = None,
    features: Sequence[Sequence[LegFeatures]] | None = None,
    shots: Sequence[Shot] | None = None,
    models: Sequence[ShapeModel] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> RebuiltLeg:
    """Rebuild femur and tibia from one or two radiographs.

    Args:
        radiographs: one, or two of the same leg; the first one's geometry is trusted.
        config: bones, models, how the images were taken; the defaults when None.
        features: of each image, those of its bones; found by the network when None.
        shots: what is known of how each image was taken; only the images' own geometry when None.
        models: shape models, instead of those that the config names.
        progress: told fraction and message.
        is_cancelled: asked before each step.

    Raises:
        ValueError: no such images, no model of a bone, nothing found, or no geometry.
        Cancelled: `is_cancelled()` became true.
    """
    config = config or LegConfig()
    check_images(len(radiographs), config)
    _refuse_the_same(radiographs)
    shapes = shape_models(config, models)
    told = _Told([_title(model) for model in shapes.values()], [], [])
    if features is None:
        features = _found(radiographs, config, told, part_of(progress, 0, 2), is_cancelled)
    elif len(features) != len(radiographs):
        raise ValueError(f"features: got {len(features)}; expected one for each image")
    seen = _wanted(radiographs, features, config)
    shots = shots or [Shot(radiograph.geometry) for radiograph in radiographs]
    placed = shot_geometries(radiographs, shots, seen, shapes, config)
    told.notes.extend(_origin_notes(placed))
    config = _as_known(config, placed)
    bones = []
    for turn, bone in enumerate(config.bones):
        raise_if_cancelled(is_cancelled)
        if progress is not None:
            progress(0.4 + 0.6 * turn / len(config.bones), f"fitting the {bone}")
        rebuilt = _rebuilt(bone, shapes, radiographs, placed.geometries, seen, config)
        if rebuilt is None:
            told.notes.append(f"{bone}: not found in the images")
        else:
            bones.append(rebuilt)
    return RebuiltLeg(
        tuple(radiographs), tuple(seen), tuple(placed.geometries), tuple(bones),
        tuple(told.models), (*placed.notes, *dict.fromkeys(told.notes)),
        tuple(dict.fromkeys(told.warnings)),
    )  # fmt: skip


def _as_known(config: LegConfig, placed: Shots) -> LegConfig:
    """The configuration for what is known of how the images were taken."""
    fields: dict[str, Any] = {}
    if not placed.knows_size:
        fields["knows_size"] = False
    if placed.is_typed:
        fields["view_shift"] = max(config.view_shift, TYPED_SHIFT_MM)
        fields["view_angle"] = max(config.view_angle, TYPED_ANGLE)
    return dataclasses.replace(config, **fields)


class _Told(NamedTuple):
    """Names of the models, and what was found to say, so far."""

    models: list[str]
    notes: list[str]
    warnings: list[str]


def _found(
    radiographs: Sequence[Radiograph],
    config: LegConfig,
    told: _Told,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
) -> list[tuple[LegFeatures, ...]]:
    """The features that the network finds, and what it says of them."""
    seen_by = find_features(radiographs, config, progress, is_cancelled)
    told.models.insert(0, seen_by[0].model)
    told.notes.extend(f"{d.radiograph.name}: {m}" for d in seen_by for m in d.messages)
    told.warnings.extend(warning for d in seen_by for warning in d.warnings)
    return [detection.features for detection in seen_by]


def check_images(count: int, config: LegConfig) -> None:
    """Refuse more images than are used, or views of others."""
    if not 1 <= count <= MOST_IMAGES:
        raise ValueError(f"image: got {count}; expected one radiograph or two")
    if config.view and len(config.view) != count:
        raise ValueError(f"view: got {len(config.view)}; expected one for each image")


def shape_models(
    config: LegConfig, models: Sequence[ShapeModel] | None = None
) -> dict[str, ShapeModel]:
    """The shape model of each bone that is wanted, by bone.

    Raises:
        ValueError: none of a bone, two of one, or a model that is not there.
    """
    if models is None:
        # What is wanted of the shipped models alone is no reason to ask for the others.
        names = config.model
        if names == LegConfig.model:
            names = tuple(f"shape-{bone}" for bone in config.bones)
        models = [read_shape_model(name) for name in names]
    found: dict[str, ShapeModel] = {}
    for model in models:
        if model.bone in found:
            raise ValueError(f"model: got two of a {model.bone}; expected one of each bone")
        found[model.bone] = model
    lacking = [bone for bone in config.bones if bone not in found]
    if lacking:
        raise ValueError(f"model: none is of a {lacking[0]}; expected a model of each bone")
    return {bone: found[bone] for bone in config.bones}


def _title(model: ShapeModel) -> str:
    return f"shape of a {model.bone}" if model.card is None else model.card.title


def _wanted(
    radiographs: Sequence[Radiograph], features: Sequence[Sequence[LegFeatures]], config: LegConfig
) -> list[tuple[LegFeatures, ...]]:
    """The features of the bones that are to be rebuilt; every image has to show one."""
    seen = [tuple(f for f in view if f.bone in config.bones) for view in features]
    if not any(seen):
        raise ValueError(f"image: no {' or '.join(config.bones)} was found; expected one")
    if not all(seen):
        raise ValueError(f"image: {radiographs[[bool(s) for s in seen].index(False)].name}: no "
                         f"{' or '.join(config.bones)} was found; expected one")  # fmt: skip
    return seen


def _rebuilt(
    bone: str,
    shapes: dict[str, ShapeModel],
    radiographs: Sequence[Radiograph],
    geometries: Sequence[Geometry],
    features: Sequence[Sequence[LegFeatures]],
    config: LegConfig,
) -> RebuiltBone | None:
    """A bone from the images that show it; None where none does."""
    views, images = [], []
    for number, geometry in enumerate(geometries):
        for found in features[number]:
            if found.bone == bone:
                views.append(View(radiographs[number], geometry, found))
                images.append(number)
    if not views:
        return None
    return RebuiltBone(reconstruct(views, shapes[bone], config), tuple(images))
