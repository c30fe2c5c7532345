"""Surfaces of subjects to a shape model: common mesh, correspondence, mean, modes, landmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from BoneXrayLib.shape_model import ShapeModel

from ..mesh_ct.meshes import Mesh
from .alignment import fitted, procrustes
from .config import ShapeModelConfig
from .correspondence import Template, corresponding
from .covariance import Amplitudes, likeliest_amplitudes, modes_of, roots, without_rigid
from .kernels import spread
from .landmarks import MARKS, standing
from .partial import Posterior, posterior, with_rigid
from .remeshing import remeshed
from .surface import cloud_of, surface_distances
from .surface_files import Subject

SOME = 350
"""Vertices that the likelihood of amplitudes looks at."""
PRIOR_MODES = 250
"""Of the covariance that parts of bones are seen with."""
FEW = 5
"""Below so many whole subjects the configuration's amplitudes are taken, not the likeliest."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class Whole:
    """Whole bones on one mesh.

    Attributes:
        mesh: their mean.
        names: of the subjects.
        shapes: (N, V, 3) mm, rigidly on the mean.
        surfaces: of the subjects, moved as their shapes were.
        distances: (N,) mm, mean between each subject's surface and its shape.
    """

    mesh: Mesh
    names: tuple[str, ...]
    shapes: np.ndarray
    surfaces: tuple[Mesh, ...]
    distances: np.ndarray

    def without(self, name: str) -> Whole:
        """The same but for a subject; the mean is that of the others."""
        kept = [n for n, each in enumerate(self.names) if each != name]
        return Whole(
            self.mesh.moved(self.shapes[kept].mean(axis=0)),
            tuple(self.names[n] for n in kept),
            self.shapes[kept],
            tuple(self.surfaces[n] for n in kept),
            self.distances[kept],
        )


@dataclass(frozen=True, eq=False)
class Built:
    """A shape model and what it was made from.

    Attributes:
        model: of right bones, without a card.
        whole: the whole bones.
        parts: what partial subjects told, by name.
        amplitudes: of the parts of the covariance.
    """

    model: ShapeModel
    whole: Whole
    parts: dict[str, Posterior]
    amplitudes: Amplitudes


def build(config: ShapeModelConfig, subjects: list[Subject], progress: Progress) -> Built:
    """The shape model of a configuration and its subjects.

    Raises:
        ValueError: the template is not among the subjects, or there are fewer than two whole ones.
    """
    whole = [subject for subject in subjects if subject.is_whole]
    if len(whole) < 2:
        raise ValueError(f"surface: got {len(whole)} whole bones; expected two or more")
    mesh, shapes, distances = in_correspondence(config, whole, progress)
    mesh = standing(config.bone, mesh.moved(procrustes(shapes)[1]))
    moves = [fitted(shape, mesh.vertices) for shape in shapes]
    laid = Whole(
        mesh,
        tuple(subject.name for subject in whole),
        np.stack([move.of(shape) for move, shape in zip(moves, shapes, strict=True)]),
        tuple(
            subject.mesh.moved(move.of(subject.mesh.vertices))
            for move, subject in zip(moves, whole, strict=True)
        ),
        distances,
    )
    progress(0.8, "weighing how bones may differ")
    parts = [subject for subject in subjects if not subject.is_whole]
    return modelled(config, laid, parts, None, progress)


def in_correspondence(
    config: ShapeModelConfig, whole: list[Subject], progress: Progress
) -> tuple[Mesh, np.ndarray, np.ndarray]:
    """The common mesh, subjects' shapes (N, V, 3) on it, and mean distances (N,) mm of both."""
    first = next((each for each in whole if each.name == config.template), None)
    if first is None or not first.source.axes:
        raise ValueError(f"template: got {config.template!r}; expected a whole subject with axes")
    progress(0.0, f"the common mesh of {first.name}")
    mesh = remeshed(first.mesh, config.vertices, np.random.default_rng(config.seed))
    mesh = standing(config.bone, mesh)
    template = Template.of(mesh)
    shapes, distances = [], []
    for n, subject in enumerate(whole):
        progress(0.05 + 0.75 * n / len(whole), f"laying the mesh over {subject.name}")
        surface = cloud_of(subject.mesh)
        shape = corresponding(template, surface)
        shapes.append(shape)
        distances.append(surface_distances(cloud_of(mesh.moved(shape)), surface).mean())
    return mesh, np.stack(shapes), np.array(distances)


def modelled(
    config: ShapeModelConfig, whole: Whole, parts: list[Subject], amplitudes: Amplitudes | None,
    progress: Progress,
) -> Built:  # fmt: skip
    """The model of whole bones and parts of others; amplitudes that are None are found."""
    if amplitudes is None and len(whole.names) < FEW:
        amplitudes = config.amplitudes
    if amplitudes is None:
        some = spread(whole.mesh.vertices, min(SOME, len(whole.mesh.vertices)))
        amplitudes, _ = likeliest_amplitudes(whole.shapes, config.spread, some)
    mean, root = whole.mesh, joined(whole.shapes, whole.mesh.vertices, config, amplitudes)
    told = {}
    if parts:
        root = short_root(root, PRIOR_MODES)
        for n, subject in enumerate(parts):
            progress(0.8 + 0.1 * n / len(parts), f"the whole bone of {subject.name}")
            part = cloud_of(subject.mesh)
            told[subject.name] = posterior(mean, root, part, config.spread.noise)
        mean, root = with_parts(config, mean, whole.shapes, root, told)
    return Built(model_of(config, mean, root), whole, told, amplitudes)


def without(built: Built, name: str, config: ShapeModelConfig, parts: list[Subject]) -> Built:
    """The model without one of its whole subjects, on the same mesh, by the same amplitudes.

    Its landmarks are the same vertices: found anew on another mean, the top of a flat trochanter
    would be another place, and what is measured another thing.
    """
    found = modelled(config, built.whole.without(name), parts, built.amplitudes, lambda *_: None)
    model = replace(found.model, marks=built.model.marks, rounds=built.model.rounds)
    return replace(found, model=model)


def joined(
    shapes: np.ndarray, mean: np.ndarray, config: ShapeModelConfig, amplitudes: Amplitudes
) -> np.ndarray:
    """Root (3 V, Q) of the covariance: its parts, weighted."""
    parts = roots(shapes, mean, config.spread)
    weighted = zip(amplitudes.of(), parts, strict=True)
    return np.concatenate([np.sqrt(a) * part for a, part in weighted if a > 0], axis=1)


def model_of(config: ShapeModelConfig, mesh: Mesh, root: np.ndarray) -> ShapeModel:
    """The model of a mean and its covariance's root."""
    modes, deviations = modes_of(root, config.modes)
    marks, rounds = MARKS[config.bone](mesh)
    return ShapeModel(config.bone, mesh.vertices, mesh.faces, modes, deviations, marks, rounds)


def short_root(root: np.ndarray, count: int) -> np.ndarray:
    """Root (3 V, at most count) of the same covariance but for its smallest deformations."""
    modes, deviations = modes_of(root, count)
    return modes.reshape(len(modes), len(root)).T * deviations


def with_parts(
    config: ShapeModelConfig, mesh: Mesh, shapes: np.ndarray, root: np.ndarray,
    parts: dict[str, Posterior],
) -> tuple[Mesh, np.ndarray]:  # fmt: skip
    """Mean and covariance's root with what partial subjects told."""
    known = np.concatenate([shapes, np.stack([part.vertices for part in parts.values()])])
    mean = known.mean(axis=0)
    total = config.prior_subjects + len(known)
    columns = [np.sqrt(config.prior_subjects) * root, (known - mean).reshape(len(known), -1).T]
    # All are in the same coefficients: their sum needs one root only.
    left = np.sum([part.covariance for part in parts.values()], axis=0)
    columns.append(with_rigid(root, mesh.vertices) @ np.linalg.cholesky(left))
    root = without_rigid(np.concatenate(columns, axis=1), mean) / np.sqrt(total)
    return mesh.moved(mean), root
