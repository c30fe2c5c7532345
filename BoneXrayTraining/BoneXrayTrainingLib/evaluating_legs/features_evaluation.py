"""How well features of legs are found: simulated radiographs of legs, beside a trivial guess."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch

from BoneXrayLib.cards.model_card import ModelCard
from BoneXrayLib.leg_features import LegFeatures
from BoneXrayLib.legs.leg_channels import POINTS
from BoneXrayLib.legs.leg_detection import DetectConfig, detect
from BoneXrayLib.models import Model
from BoneXrayLib.progress import Progress
from BoneXrayLib.radiograph import Radiograph

from ..learning.configuration import TrainConfig
from ..learning.run_pools import leg_pool
from ..legs.patient import NAMES
from ..pairs import TISSUES
from ..sampling.appearance import add_noise, expose, respond
from ..sampling.leg_images import EDGE_OD
from ..sampling.leg_views import LegPair, LegTruth, turned

MARGIN_PX = 2.0
"""Landmarks nearer to the border, or beyond it, are not asked for."""


@dataclass(frozen=True, eq=False)
class LegCase:
    """One radiograph to be measured on.

    Attributes:
        radiograph: as it is shown to the model.
        truth: its features.
        masks: (2, rows, columns) bool, femur and tibia.
        mm: of the patient that a pixel shows.
    """

    radiograph: Radiograph
    truth: LegTruth
    masks: np.ndarray
    mm: float


def leg_case(pair: LegPair, rng: np.random.Generator) -> LegCase:
    """A radiograph of a sample: every other one mirrored, two of three as a console shows them."""
    layers = np.asarray(pair.layers, dtype=np.float32)
    truth, side = pair.truth, layers.shape[-1]
    if rng.random() < 0.5:
        layers = layers[..., ::-1].copy()
        truth = turned(truth, np.diag([-1.0, 1.0]), np.zeros(2), (side, side))
    image, domain = torch.from_numpy(layers.sum(0)), "optical density"
    if rng.random() < 2 / 3:
        image, domain = respond(expose(image, image, rng), rng)[0], "display"
    image = add_noise(image, rng, 0.7)
    pixel = (pair.draw.pixel, pair.draw.pixel)
    radiograph = Radiograph(image.numpy(), domain, pixel, pair.magnification, name=pair.draw.source)
    masks = layers[len(TISSUES) :] > EDGE_OD
    return LegCase(radiograph, truth, masks, pair.draw.pixel / pair.magnification)


def evaluate_features(
    config: TrainConfig,
    model: Model,
    images: int = 60,
    seed: int = 1,
    progress: Progress | None = None,
    detect_config: DetectConfig | None = None,
) -> list[dict[str, Any]]:
    """Figures as a card's `evaluation` has them.

    The legs are of the bones of the configuration's patients in `validation`; of all its bones,
    put together anew, where it names none.
    """
    kept_out = bool(config.validation)
    config = dataclasses.replace(config, seed=config.seed + 1000 * seed)
    pool = leg_pool(config, kept_out=kept_out, progress=progress)
    cases, found = [], []
    for number in range(images):
        rng = np.random.default_rng([seed, 31, number])
        cases.append(leg_case(pool.project(rng, number % len(pool.legs), f"leg {number}"), rng))
        found.append(detect(cases[-1].radiograph, detect_config, model))
        if progress is not None:
            progress((number + 1) / images, f"image {number + 1} of {images}")
    rows = [measured(case, {f.bone: f for f in d.features}, d.side, d.view)
            for case, d in zip(cases, found, strict=True)]  # fmt: skip
    data = (
        f"{images} simulated radiographs of {len(pool.legs)} legs put together of "
        f"{subjects_of(config, model.card)}"
    )
    return figures(data, rows, _guessed(cases))


def subjects_of(config: TrainConfig, card: ModelCard) -> str:
    """Of whom legs to measure on are, as a model's card knows them."""
    if not config.validation:
        return "subjects it was trained on"
    known = {str(source["name"]).lower() for source in card.trained_on["sources"]}
    seen = [patient for patient in config.validation if patient.lower() in known]
    if seen:
        return f"subjects of whom it was trained on {', '.join(seen)}"
    return "held-out subjects"


def measured(
    case: LegCase, found: dict[str, LegFeatures], side: str, view: str
) -> dict[str, list[float]]:
    """Errors of one image by what is measured, in mm at the patient, or shares."""
    rows, columns = case.radiograph.pixels.shape
    out: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        out.setdefault(name, []).append(float(value))

    for (bone, name), at in zip(POINTS, case.truth.points, strict=True):
        if not _is_inside(at, rows, columns):
            continue
        point = found[bone].points.get(name) if bone in found else None
        add("found", point is not None)
        if point is not None:
            away = np.hypot(point.row - at[0], point.column - at[1]) * case.mm
            add("landmark", away)
            add("head centre", away) if name == "head_centre" else None
    head = case.truth.ellipses.get("head")
    seen = found["femur"].ellipses.get("head") if "femur" in found else None
    if head is not None and seen is not None and _is_inside((head.row, head.column), rows, columns):
        add("head radius", abs(np.sqrt(seen.a * seen.b) - np.sqrt(head.a * head.b)) * case.mm)
    for name, mask in zip(NAMES, case.masks, strict=True):
        if mask.mean() > 0.002:
            add("box", _overlap(_box(mask), found[name].box) if name in found else 0.0)
    add("view", (view == "AP") == case.truth.is_frontal)
    if case.truth.is_frontal:
        add("side", (side == "right") == case.truth.is_right)
    return out


def _is_inside(at: Any, rows: int, columns: int) -> bool:
    margin = MARGIN_PX
    return bool(margin <= at[0] <= rows - 1 - margin and margin <= at[1] <= columns - 1 - margin)


def _box(mask: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return rows[0] - 0.5, columns[0] - 0.5, rows[-1] + 0.5, columns[-1] + 0.5


def _overlap(one: tuple[float, ...], other: tuple[float, ...] | None) -> float:
    """Intersection over union of two boxes (row0, column0, row1, column1)."""
    if other is None:
        return 0.0
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    both = float(np.prod(np.maximum(high - low, 0.0)))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return both / (sum(areas) - both)


def _guessed(cases: list[LegCase]) -> dict[str, list[float]]:
    """Errors [mm], by landmark, of one who says where it is in the mean of all images."""
    places = np.array([case.truth.points for case in cases])
    errors: dict[str, list[float]] = {}
    sizes = np.array([case.radiograph.pixels.shape for case in cases])
    inside = np.array([
        [_is_inside(at, *size) for at in points]
        for points, size in zip(places, sizes, strict=True)
    ])  # fmt: skip
    shares = places / sizes[:, None]
    for number, (_, name) in enumerate(POINTS):
        there = inside[:, number]
        if there.any():
            off = (shares[there, number] - shares[there, number].mean(axis=0)) * sizes[there]
            mm = np.array([case.mm for case in cases])[there]
            errors.setdefault(name, []).extend(np.hypot(*off.T) * mm)
    return errors


def figures(
    data: str, rows: list[dict[str, list[float]]], guessed: dict[str, list[float]]
) -> list[dict[str, Any]]:
    """All images together as entries of a card; `guessed` are errors by landmark, beside them."""
    guess, of_head = (
        float(np.median(errors)) if errors else None
        for errors in (list(chain(*guessed.values())), guessed.get("head_centre"))
    )
    every: dict[str, list[float]] = {}
    for row in rows:
        for name, values in row.items():
            every.setdefault(name, []).extend(values)
    wanted = (
        ("landmark", "landmark error, median [mm]", np.median, guess),
        ("landmark", "landmark error, 90th percentile [mm]", lambda v: np.quantile(v, 0.9), None),
        ("found", "landmarks found [share]", np.mean, None),
        ("head centre", "femoral head centre error, median [mm]", np.median, of_head),
        ("head radius", "femoral head radius error, median [mm]", np.median, None),
        ("box", "box, mean intersection over union", np.mean, None),
        ("view", "views told rightly [share]", np.mean, 0.5),
        ("side", "sides of frontal images told rightly [share]", np.mean, 0.5),
    )
    return [
        {
            "data": data,
            "metric": metric,
            "value": round(float(how(every[name])), 3),
            "baseline": None if baseline is None else round(float(baseline), 3),
        }
        for name, metric, how, baseline in wanted
        if every.get(name)
    ]
