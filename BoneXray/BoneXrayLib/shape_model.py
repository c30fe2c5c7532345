"""Statistical shape of a bone: a mean surface and the ways in which bones differ from it.

    shape(b) = mean + Σ b_m · deviation_m · mode_m        b_m ~ N(0, 1), so that -2 log p = Σ b_m²

The modes are those of a covariance in which the subjects' surfaces and smooth deformations (a
Gaussian process) are added up: few subjects cannot show all that other bones have. The modes in
which bones differ most come first.

Model frame: RAS mm of a standing patient, +R the patient's right, +A the front, +S up; the origin
is the mean's centroid. Models are of RIGHT bones; `mirrored` gives that of left ones (x -> -x).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .cards.model_card import ModelCard
from .cards.model_files import SHAPE_FILE
from .files import one_line, staged_folder
from .models import Model, find_model, read_model_file, write_card
from .shape_marks import Mark, Sphere, fitted_sphere
from .shape_packing import packed_modes, unpacked_modes

BONES = ("femur", "tibia")
SIDES = ("right", "left")
TASK = "reconstruct"
MIRROR = np.array([-1.0, 1.0, 1.0])
MARK, WEIGHTS, ROUND = "mark.", "weights.", "round."


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """The shapes of one bone.

    Attributes:
        bone: "femur" or "tibia".
        mean: (V, 3) float64, mm in the model frame.
        faces: (F, 3) int64, vertices of the triangles, counter-clockwise from outside.
        modes: (M, V, 3) float64, orthogonal, each of root-mean-square length 1 over the vertices.
        deviations: (M,) mm: how far a vertex moves, in the root mean square, at one standard
            deviation.
        marks: landmarks by name that are means of vertices.
        rounds: vertices (K,) by name of the round parts that spheres are fitted to: head (femur),
            medial_condyle and lateral_condyle. A sphere's centre is a landmark `NAME_centre`.
        side: "right", or "left" of a mirrored model.
        card: what the model says of itself, where it was read from a file.
    """

    bone: str
    mean: np.ndarray
    faces: np.ndarray
    modes: np.ndarray
    deviations: np.ndarray
    marks: Mapping[str, Mark] = field(default_factory=dict)
    rounds: Mapping[str, np.ndarray] = field(default_factory=dict)
    side: str = "right"
    card: ModelCard | None = None

    def __post_init__(self) -> None:
        vertices, modes = np.shape(self.mean), np.shape(self.modes)
        if len(vertices) != 2 or vertices[1] != 3 or not np.isfinite(self.mean).all():
            raise ValueError(f"mean: got shape {vertices}; expected (vertices, 3), finite")
        if len(modes) != 3 or modes[1:] != vertices or not np.isfinite(self.modes).all():
            raise ValueError(
                f"modes: got shape {modes}; expected (modes, {vertices[0]}, 3), finite"
            )
        if np.shape(self.deviations) != modes[:1] or not (np.asarray(self.deviations) > 0).all():
            raise ValueError(f"deviations: expected {modes[0]} numbers above 0")
        if self.side not in SIDES:
            raise ValueError(f"side: got {self.side!r}; expected right or left")
        _check_numbers("faces", self.faces, vertices[0])
        for name, mark in self.marks.items():
            _check_numbers(f"mark {name}", mark.indices, vertices[0])
        for name, indices in self.rounds.items():
            _check_numbers(f"round {name}", indices, vertices[0])

    @property
    def count(self) -> int:
        """Number of modes."""
        return len(self.deviations)

    def shape(self, coefficients: np.ndarray) -> np.ndarray:
        """Vertices (V, 3) mm of coefficients (M,), or of the first few, in standard deviations."""
        coefficients = np.asarray(coefficients, dtype=np.float64)
        count = len(coefficients)
        if coefficients.ndim != 1 or count > self.count:
            raise ValueError(
                f"coefficients: got shape {coefficients.shape}; expected at most {self.count}"
            )
        scaled = coefficients * self.deviations[:count]
        return self.mean + np.tensordot(scaled, self.modes[:count], axes=1)

    def sample(self, rng: np.random.Generator, limit: float = 3.0) -> np.ndarray:
        """Coefficients (M,) of a bone drawn from the model, none beyond `limit`."""
        return np.clip(rng.standard_normal(self.count), -limit, limit)

    def coefficients(self, vertices: np.ndarray) -> np.ndarray:
        """Coefficients (M,) of the shape nearest to vertices (V, 3) mm in the model's order."""
        away = (vertices - self.mean).reshape(-1)
        along = self.modes.reshape(self.count, -1) @ away
        # Modes have squared length V, being of root mean square 1.
        return along / (len(self.mean) * self.deviations)

    def landmarks(self, vertices: np.ndarray) -> dict[str, np.ndarray]:
        """Landmarks (3,) mm by name on a shape's vertices (V, 3), in any frame."""
        places = {name: mark.of(vertices) for name, mark in self.marks.items()}
        spheres = self.spheres(vertices)
        return places | {f"{name}_centre": sphere.centre for name, sphere in spheres.items()}

    def spheres(self, vertices: np.ndarray) -> dict[str, Sphere]:
        """The spheres of the round parts by name on a shape's vertices (V, 3), in any frame."""
        return {name: fitted_sphere(vertices[at]) for name, at in self.rounds.items()}

    def with_modes(self, count: int) -> ShapeModel:
        """The same model with the first modes only."""
        return dataclasses.replace(
            self,
            modes=self.modes[:count],
            deviations=self.deviations[:count],
        )

    def mirrored(self) -> ShapeModel:
        """The model of the other side's bones: x -> -x, triangles still looking outwards.

        A coefficient means the same: bones of equal coefficients are mirror images.
        """
        return dataclasses.replace(
            self,
            mean=self.mean * MIRROR,
            modes=self.modes * MIRROR,
            faces=self.faces[:, ::-1],
            side=SIDES[1 - SIDES.index(self.side)],
        )

    def of_side(self, side: str) -> ShapeModel:
        """The model of right or of left bones."""
        if side not in SIDES:
            raise ValueError(f"side: got {side!r}; expected right or left")
        return self if side == self.side else self.mirrored()


def read_shape_model(name_or_folder: str | Path, side: str = "right") -> ShapeModel:
    """A shape model by name (shape-femur, or femur) or folder, of right or of left bones.

    Raises:
        ValueError: no such model, a folder that is refused, or a file that holds no such shapes.
    """
    if name_or_folder in BONES:
        name_or_folder = f"shape-{name_or_folder}"
    model = find_model(name_or_folder, TASK)
    tensors = load_tensors(model)
    try:
        marks = {
            name.removeprefix(MARK): Mark(at.astype(np.int64), tensors[WEIGHTS + name[len(MARK) :]])
            for name, at in tensors.items()
            if name.startswith(MARK)
        }
        found = ShapeModel(
            model.card.input["bone"],
            tensors["mean"].astype(np.float64),
            tensors["faces"].astype(np.int64),
            unpacked_modes(tensors),
            tensors["deviations"].astype(np.float64),
            marks,
            {
                n[len(ROUND) :]: a.astype(np.int64)
                for n, a in tensors.items()
                if n.startswith(ROUND)
            },
            card=model.card,
        )
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"model {model.folder}: {SHAPE_FILE}: {one_line(error)}") from None
    return found.of_side(side)


def write_shape_model(folder: str | Path, model: ShapeModel, card: ModelCard) -> ModelCard:
    """Write a model folder, its modes as `shape_packing` does; returns its card, with hashes."""
    from safetensors.numpy import save

    if model.side != SIDES[0]:
        raise ValueError(f"side: got {model.side!r}; expected a model of right bones")
    tensors = {
        "mean": model.mean.astype(np.float32),
        "faces": model.faces.astype(np.uint16 if len(model.mean) < 2**16 else np.uint32),
        **packed_modes(model.mean, model.modes, model.deviations),
        "deviations": model.deviations.astype(np.float64),
    }
    for name, mark in model.marks.items():
        tensors[MARK + name] = mark.indices.astype(np.int32)
        tensors[WEIGHTS + name] = mark.weights.astype(np.float64)
    tensors |= {ROUND + name: at.astype(np.int32) for name, at in model.rounds.items()}
    with staged_folder(Path(folder)) as stage:
        arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        (stage / SHAPE_FILE).write_bytes(save(arrays))
        return write_card(stage, card)


def load_tensors(model: Model) -> dict[str, np.ndarray]:
    """The arrays of a shape model's file, checked against its card."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(read_model_file(model, SHAPE_FILE))
    except SafetensorError as error:
        raise ValueError(f"model {model.folder}: {SHAPE_FILE}: {one_line(error)}") from None


def _check_numbers(name: str, numbers: np.ndarray, count: int) -> None:
    numbers = np.asarray(numbers)
    if not numbers.size or numbers.min() < 0 or numbers.max() >= count:
        raise ValueError(f"{name}: expected vertices 0 to {count - 1}")
