"""Shape models without a subject, and that subject's own bone to be rebuilt.

One mesh is laid over all subjects once; a model without one of them has its mean and modes of the
others. The common mesh, its vertices that are landmarks, and the weights of a covariance's parts
are of all. Or the model is a finished one, whose mean is laid over subjects that are not its own.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from BoneXrayLib.files import one_line, written_whole
from BoneXrayLib.progress import Progress
from BoneXrayLib.shape_model import ShapeModel

from ..legs.landmarks import Marks
from ..mesh_ct.meshes import Mesh
from ..mesh_ct.voxels import closed
from ..shape_building.alignment import aligned, fitted, procrustes
from ..shape_building.building import FEW, Built, Whole, in_correspondence, modelled, without
from ..shape_building.config import ShapeModelConfig
from ..shape_building.correspondence import Template, corresponding
from ..shape_building.covariance import Amplitudes
from ..shape_building.landmarks import standing
from ..shape_building.surface import cloud_of
from ..shape_building.surface_files import Subject, read_subjects


@dataclass(frozen=True, eq=False)
class Fold:
    """A subject that is to be rebuilt.

    Attributes:
        subject: whose bone.
        model: of right bones, built without the subject.
        mesh: the subject's own surface as a right bone, in the model's frame.
        marks: landmarks and spheres on it, as the model marks its shapes.
    """

    subject: str
    model: ShapeModel
    mesh: Mesh
    marks: Marks


@dataclass(frozen=True, eq=False)
class Laid:
    """One mesh over all subjects: the mesh, shapes (N, V, 3) in the subjects' own frames, and mean
    distances (N,) mm; the weights of the covariance's parts once they are found."""

    mesh: Mesh
    shapes: np.ndarray
    distances: np.ndarray
    amplitudes: Amplitudes | None = None


def folds(
    config: ShapeModelConfig,
    wanted: Sequence[str] = (),
    kept: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Fold]:
    """A fold for each whole subject, or for those that are wanted.

    Args:
        config: of the shape model.
        wanted: names of subjects.
        kept: file that surfaces laid over each other are kept in; read where it is there.
        progress: told fraction and message.

    Raises:
        FileNotFoundError, ValueError: surfaces that are not there or of no use; no such subject.
    """
    tell = progress or (lambda fraction, message: None)
    subjects = read_subjects(config)
    whole = _whole_bones(subjects, wanted, 2)
    parts = [subject for subject in subjects if not subject.is_whole]
    laid = _laid(config, whole, kept, tell)
    built = _built(config, laid, whole)
    if kept is not None and laid.amplitudes is None:
        _write(kept, config, whole, laid, built.amplitudes)
    for number, subject in enumerate(whole):
        if not wanted or subject.name in wanted:
            model = without(built, subject.name, config, parts).model
            yield _fold(subject, laid.shapes[number], model)


def folds_by(
    config: ShapeModelConfig,
    model: ShapeModel,
    wanted: Sequence[str] = (),
    progress: Progress | None = None,
    either_side: bool = False,
) -> Iterator[Fold]:
    """A fold for each whole subject, or for those that are wanted, by a finished model.

    Args:
        config: names the surfaces.
        model: of right bones, of other subjects.
        wanted: names of subjects.
        progress: told fraction and message.
        either_side: whether bones may be left ones, which is told by how they fit, and not by what
            the configuration says.

    Raises:
        FileNotFoundError, ValueError: surfaces that are not there or of no use; no such subject.
    """
    whole = _whole_bones(read_subjects(config), wanted, 1)
    length = float(np.ptp(model.mean[:, 2]))
    for subject in whole:
        size = float(np.ptp(subject.mesh.vertices, axis=0).max())
        if not 0.5 * length < size < 2.0 * length:
            raise ValueError(
                f"surface: {subject.name} is {size:.3g} mm long; expected a whole {model.bone}, "
                f"about {length:.0f} mm"
            )
    template = Template.of(Mesh(model.bone, model.mean, model.faces))
    for number, subject in enumerate(whole):
        if not wanted or subject.name in wanted:
            if progress is not None:
                progress(number / len(whole), f"laying the model over {subject.name}")
            one = _righted(subject, template.mesh) if either_side else subject
            yield _fold(one, corresponding(template, cloud_of(one.mesh)), model)


def _righted(subject: Subject, mean: Mesh) -> Subject:
    """The bone, or its mirror image where that lies nearer to a right one's mean."""
    vertices = subject.mesh.vertices * [-1.0, 1.0, 1.0]
    mirrored = Mesh(subject.mesh.name, vertices, subject.mesh.faces[:, ::-1])
    away = []
    for mesh in (subject.mesh, mirrored):
        surface = cloud_of(mesh)
        moved = aligned(mean.vertices, surface).of(mean.vertices)
        away.append(np.linalg.norm(surface.nearest(moved)[0] - moved, axis=1).mean())
    return subject if away[0] <= away[1] else Subject(subject.name, mirrored, subject.source)


def _whole_bones(subjects: Sequence[Subject], wanted: Sequence[str], least: int) -> list[Subject]:
    whole = [subject for subject in subjects if subject.is_whole]
    names = [subject.name for subject in whole]
    for name in wanted:
        if name not in names:
            raise ValueError(f"subjects: got {name!r}; expected one of {', '.join(names)}")
    if len(whole) < least:
        expected = ("none", "one", "two")[least]
        raise ValueError(f"surface: got {len(whole)} whole bones; expected {expected} or more")
    return whole


def _fold(subject: Subject, shape: np.ndarray, model: ShapeModel) -> Fold:
    move = fitted(shape, model.mean)
    mesh = closed(subject.mesh)
    mesh = mesh.moved(move.of(mesh.vertices))
    stood = move.of(shape)
    return Fold(subject.name, model, mesh, Marks(model.landmarks(stood), model.spheres(stood)))


def _built(config: ShapeModelConfig, laid: Laid, whole: Sequence[Subject]) -> Built:
    """The model of all whole subjects; without parts, which each fold has for itself."""
    mesh = standing(config.bone, laid.mesh.moved(procrustes(laid.shapes)[1]))
    moves = [fitted(shape, mesh.vertices) for shape in laid.shapes]
    found = Whole(
        mesh,
        tuple(subject.name for subject in whole),
        np.stack([move.of(shape) for move, shape in zip(moves, laid.shapes, strict=True)]),
        tuple(
            subject.mesh.moved(move.of(subject.mesh.vertices))
            for move, subject in zip(moves, whole, strict=True)
        ),
        laid.distances,
    )
    amplitudes = laid.amplitudes if len(whole) >= FEW else config.amplitudes
    return modelled(config, found, [], amplitudes, lambda *_: None)


def _laid(
    config: ShapeModelConfig, whole: list[Subject], kept: Path | None, tell: Progress
) -> Laid:
    if kept is not None and kept.exists():
        return _read(kept, config, whole)
    found = Laid(*in_correspondence(config, whole, tell))
    if kept is not None:
        _write(kept, config, whole, found, None)
    return found


def _write(
    path: Path,
    config: ShapeModelConfig,
    whole: Sequence[Subject],
    laid: Laid,
    amplitudes: Amplitudes | None,
) -> None:
    found = () if amplitudes is None else amplitudes.of()
    with written_whole(path) as stage, stage.open("wb") as file:
        np.savez_compressed(
            file, of=_mark(config, whole), vertices=laid.mesh.vertices, faces=laid.mesh.faces,
            shapes=laid.shapes, distances=laid.distances, amplitudes=np.array(found),
        )  # fmt: skip


def _read(path: Path, config: ShapeModelConfig, whole: Sequence[Subject]) -> Laid:
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["of"]) != _mark(config, whole):
                raise ValueError("of other surfaces or another configuration")
            found = file["amplitudes"]
            return Laid(
                Mesh(config.bone, file["vertices"], file["faces"]), file["shapes"],
                file["distances"], Amplitudes(*map(float, found)) if len(found) else None,
            )  # fmt: skip
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"kept: {path.name}: {one_line(error)}; expected none, or that of an earlier run"
        ) from None


def _mark(config: ShapeModelConfig, whole: Sequence[Subject]) -> str:
    """What mesh and weights depend on, in short."""
    names = ("bone", "template", "vertices", "seed", "spread")
    said = json.dumps({name: asdict(config)[name] for name in names}, sort_keys=True)
    digest = hashlib.sha256(said.encode())
    for subject in whole:
        digest.update(subject.name.encode() + subject.mesh.vertices.astype("<f4").tobytes())
    return digest.hexdigest()
