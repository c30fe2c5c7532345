"""Shape models without a subject, and that subject's own bone to be rebuilt.

One mesh is laid over all subjects once; a model without one of them has its mean and modes of the
others. The common mesh, its vertices that are landmarks, and the weights of a covariance's parts
are of all.
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
from ..shape_building.alignment import fitted, procrustes
from ..shape_building.building import FEW, Built, Whole, in_correspondence, modelled, without
from ..shape_building.config import ShapeModelConfig
from ..shape_building.covariance import Amplitudes
from ..shape_building.landmarks import standing
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
    whole = [subject for subject in subjects if subject.is_whole]
    names = [subject.name for subject in whole]
    for name in wanted:
        if name not in names:
            raise ValueError(f"subjects: got {name!r}; expected one of {', '.join(names)}")
    if len(whole) < 2:
        raise ValueError(f"surface: got {len(whole)} whole bones; expected two or more")
    parts = [subject for subject in subjects if not subject.is_whole]
    laid = _laid(config, whole, kept, tell)
    built = _built(config, laid, whole)
    if kept is not None and laid.amplitudes is None:
        _write(kept, config, whole, laid, built.amplitudes)
    for number, subject in enumerate(whole):
        if not wanted or subject.name in wanted:
            model = without(built, subject.name, config, parts).model
            yield _fold(subject, laid.shapes[number], model)


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
