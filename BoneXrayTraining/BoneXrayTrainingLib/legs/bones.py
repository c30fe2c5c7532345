"""The bones that legs are put together from: those of mesh files, and samples of shape models."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from BoneXrayLib.shape_model import ShapeModel, read_shape_model

from ..mesh_ct.meshes import Mesh, read_patient
from ..mesh_ct.patient import kind_of
from ..mesh_ct.shape import draw_waves
from ..mesh_ct.voxels import closed
from ..sources import CtSource
from .config import LegsConfig
from .landmarks import Marks, femur_marks, tibia_marks
from .marking import model_marks

LONG_BONES = {"femur": femur_marks, "tibia": tibia_marks}
COMPANIONS = {"patella": "femur", "pelvis": "femur", "fibula": "tibia", "foot": "tibia"}
"""Kinds of further bones, and the bone that each goes with."""
WHOLE_MM = 250.0
"""Shorter pieces of a long bone are no whole ones."""
WAVES_MM = (60.0, 220.0)
BESIDE_MM = 25.0
"""Bones no further apart meet in a joint."""


@dataclass(frozen=True, eq=False)
class LegBone:
    """A bone of a right leg.

    Attributes:
        subject: whose.
        kind: as `mesh_ct` calls them: femur, tibia, patella, pelvis, fibula, foot.
        mesh: its surface, named by its kind.
        marks: of a femur or a tibia.
    """

    subject: str
    kind: str
    mesh: Mesh
    marks: Marks = dataclasses.field(default_factory=lambda: Marks({}, {}))

    def moved(self, matrix: np.ndarray, shift: np.ndarray) -> LegBone:
        """Turned and scaled by a matrix (3, 3), then shifted [mm], with all that is marked."""
        mesh = self.mesh.moved(self.mesh.vertices @ matrix.T + shift)
        return dataclasses.replace(self, mesh=mesh, marks=self.marks.moved(matrix, shift))


@dataclass(frozen=True, eq=False)
class Bones:
    """All bones there are to draw from.

    Attributes:
        whole: femora and tibiae of subjects, by kind.
        others: further bones by kind, each with the femur or tibia that it lies beside.
        models: shape models by bone.
    """

    whole: dict[str, list[LegBone]]
    others: dict[str, list[tuple[LegBone, LegBone]]]
    models: dict[str, ShapeModel]

    def draw(self, kind: str, rng: np.random.Generator, config: LegsConfig) -> LegBone:
        """A femur or a tibia: a sample of its shape model, or a subject's, smoothly changed."""
        lot, model, own = rng.random(), self.models.get(kind), self.whole[kind]
        if model is not None and (lot < config.sampled or not own):
            return sampled_bone(model, rng, config.spread)
        chosen = own[int(rng.integers(len(own)))]
        waves = draw_waves(rng, WAVES_MM, config.shape)
        mesh = chosen.mesh.moved(waves.at(chosen.mesh.vertices)) if config.shape else chosen.mesh
        marks = LONG_BONES[kind](mesh.vertices)
        if model is not None:
            marks = model_marks(model, mesh, marks)
        return dataclasses.replace(chosen, mesh=mesh, marks=marks)

    def companion(
        self, kind: str, subject: str, rng: np.random.Generator
    ) -> tuple[LegBone, LegBone] | None:
        """A further bone and the one it lies beside: of a subject, else of any; None without."""
        found = self.others.get(kind, [])
        found = [pair for pair in found if pair[0].subject == subject] or found
        return found[int(rng.integers(len(found)))] if found else None

    def completed(self, by: Bones) -> Bones:
        """With bones of others for the kinds that are lacking."""
        whole = {kind: own or by.whole[kind] for kind, own in self.whole.items()}
        lacking = [kind for kind, own in self.whole.items() if not own and kind not in self.models]
        models = {kind: by.models[kind] for kind in lacking if kind in by.models}
        return Bones(whole, by.others | self.others, self.models | models)

    def refuse_known(self, subjects: Iterable[str], what: str) -> None:
        """Refuse shape models that were built of subjects (names, with * and ?) to be kept out."""
        for model in self.models.values():
            sources = model.card.trained_on["sources"] if model.card is not None else []
            for subject in subjects:
                known = [s["name"] for s in sources if fnmatch.fnmatchcase(s["name"], subject)]
                if known:
                    raise ValueError(
                        f"{what}: {known[0]} is a subject of the shape model of the {model.bone}; "
                        "expected a model that was built without"
                    )

    def check(self) -> None:
        """Refuse to make legs of nothing."""
        for kind, found in self.whole.items():
            if not found and kind not in self.models:
                raise ValueError(
                    f"ct: no whole {kind} in the files and no shape model of one in legs.models; "
                    "expected one"
                )


def sampled_bone(model: ShapeModel, rng: np.random.Generator, spread: float = 1.0) -> LegBone:
    """A bone drawn from a shape model of right bones, `spread` times as far from its mean."""
    model = model.of_side("right")
    return modelled_bone(model, model.shape(spread * model.sample(rng)), f"{model.bone} sample")


def modelled_bone(model: ShapeModel, vertices: np.ndarray, subject: str) -> LegBone:
    """A shape of a model of right bones, marked as the model says."""
    rounds = model.spheres(vertices)
    points = model.landmarks(vertices)
    return LegBone(subject, model.bone, Mesh(model.bone, vertices, model.faces),
                   Marks(points, rounds))  # fmt: skip


def read_bones(sources: Sequence[CtSource], data_root: Path, config: LegsConfig) -> Bones:
    """All bones of the files and the shape models, without those of the subjects left out.

    Raises:
        FileNotFoundError, ValueError: a file or a shape model.
    """
    bones = Bones({kind: [] for kind in LONG_BONES}, {}, {})
    for name in config.models:
        model = read_shape_model(name)
        bones.models[model.bone] = model
    for source in sources:
        for subject, meshes in _subjects(source, data_root):
            if not any(fnmatch.fnmatchcase(subject, p) for p in config.leave_out):
                _add(bones, subject, meshes, source)
    bones.refuse_known(config.leave_out, "legs.leave_out")
    return bones


def _subjects(source: CtSource, data_root: Path) -> Iterator[tuple[str, list[Mesh]]]:
    """Subjects of one file, by name, and their meshes."""
    if not source.is_made_up_of_meshes:
        raise ValueError(f"{source.path}: expected surface meshes (.npz) for task 'features'")
    if source.mesh.towards.path:
        raise ValueError(f"{source.path}: mesh.towards; expected none for task 'features'")
    first, number = "", 0
    while True:
        meshes = read_patient(data_root / source.path, source.mesh, number)
        name = meshes[0].name
        if name == first:
            return
        yield (name if source.mesh.each else source.patient), meshes
        first, number = first or name, number + 1


def _add(bones: Bones, subject: str, meshes: list[Mesh], source: CtSource) -> None:
    hosts: dict[str, LegBone] = {}
    others = []
    for mesh in meshes:
        kind = kind_of(mesh.name, source.mesh.kind).name
        mesh = dataclasses.replace(closed(mesh), name=kind)
        if kind in LONG_BONES and np.ptp(mesh.vertices[:, 2]) > WHOLE_MM:
            hosts[kind] = LegBone(subject, kind, mesh, LONG_BONES[kind](mesh.vertices))
            bones.whole[kind].append(hosts[kind])
        elif kind in COMPANIONS:
            others.append(LegBone(subject, kind, mesh))
    for bone in others:
        host = hosts.get(COMPANIONS[bone.kind])
        if host is not None and _is_in_place(bone, host):
            bones.others.setdefault(bone.kind, []).append((bone, host))


def _is_in_place(bone: LegBone, host: LegBone) -> bool:
    """Whether a bone lies beside the one it goes with; a fibula is put there anyway."""
    if bone.kind == "fibula":
        return True
    tree = KDTree(host.mesh.vertices[::4])
    return float(tree.query(bone.mesh.vertices[::4])[0].min()) < BESIDE_MM
