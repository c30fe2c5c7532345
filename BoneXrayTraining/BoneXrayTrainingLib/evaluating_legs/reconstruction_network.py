"""A subject's bone in a standing leg, simulated radiographs of it, and what the network finds."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import torch

from BoneXrayLib.geometry import Geometry
from BoneXrayLib.leg_features import LegFeatures
from BoneXrayLib.legs.leg_detection import DetectConfig, detect
from BoneXrayLib.models import Model
from BoneXrayLib.projection import project
from BoneXrayLib.radiograph import Radiograph

from ..learning.configuration import TrainConfig
from ..legs.bones import Bones, LegBone, read_bones
from ..legs.config import LegsConfig
from ..legs.patient import leg_patient
from ..legs.standing import standing_leg
from ..sampling.appearance import add_noise, expose, respond
from ..shape_building.alignment import fitted
from .reconstruction_cases import VIEWS, Case, ReconstructionTest, looked_at
from .reconstruction_folds import Fold


def other_bones(config: TrainConfig) -> Bones:
    """The bones that a leg is completed with, of the configuration of a feature network."""
    if config.task != "features":
        raise ValueError(f"legs: a configuration for {config.task!r}; expected 'features'")
    plain = dataclasses.replace(config.legs, models=(), leave_out=())
    return read_bones(config.ct, Path(config.data_root), plain)


def network_case(
    fold: Fold,
    test: ReconstructionTest,
    others: Bones,
    legs: LegsConfig,
    model: Model,
    rng: np.random.Generator,
) -> Case:
    """A bone in a leg whose features are found by the network."""
    bone = fold.model.bone
    own = LegBone(fold.subject, bone, dataclasses.replace(fold.mesh, name=bone), fold.marks)
    bones = Bones({**others.whole, bone: [own]}, others.others, {})
    # The same numbers stand the leg and make its CT.
    seed, look = int(rng.integers(2**31)), dataclasses.replace(legs, shape=0.0, sampled=0.0)
    leg = standing_leg(bones, np.random.default_rng(seed), look)
    patient = leg_patient(bones, "leg", look, np.random.default_rng(seed))
    mesh = next(each for each in leg if each.kind == bone).mesh
    move = fitted(fold.mesh.vertices, mesh.vertices, sized=True)
    marks = fold.marks.moved(move.scale * move.rotation, move.shift)
    geometries, stated = looked_at(mesh, test, rng)
    radiographs, features = [], []
    seconds = 0.0
    for name, geometry in zip(VIEWS, geometries, strict=True):
        image = simulated(project(patient.parts, geometry), geometry, f"{fold.subject} {name}", rng)
        start = time.perf_counter()
        config = DetectConfig(side="right", view="AP" if name == "AP" else "LAT")
        found = detect(image, config, model).of(bone)
        seconds += time.perf_counter() - start
        radiographs.append(image)
        features.append(found or LegFeatures(bone, "right", name))
    return Case(fold, mesh, marks, tuple(radiographs), tuple(features), stated, seconds)


def simulated(
    layers: np.ndarray, geometry: Geometry, name: str, rng: np.random.Generator
) -> Radiograph:
    """A radiograph as a console shows it of layers (N, rows, columns) of optical density."""
    image = torch.from_numpy(np.asarray(layers, np.float32).sum(axis=0))
    image = add_noise(respond(expose(image, image, rng), rng)[0], rng, 0.7)
    return Radiograph(
        image.numpy(), "display", geometry.pixel_mm, geometry.magnification, geometry, name
    )
