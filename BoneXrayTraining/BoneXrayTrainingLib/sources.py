"""CTs to make samples of: which file, which patient, and how it becomes parts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from BoneXrayLib.bone import BoneConfig, Parts
from BoneXrayLib.label_maps import read_labels, resample_labels
from BoneXrayLib.volume import read_volume

from .deformation import deformed
from .label_ct import label_ct
from .limits import check_number
from .mesh_ct import SUFFIX as MESHES
from .mesh_ct import MeshConfig, MeshCt, mesh_ct, read_others, read_patient
from .pairs import tissue_parts
from .regions import check_chains


@dataclass(frozen=True)
class CtSource:
    """One CT to train on or to validate with."""

    path: str
    """CT, label map or surface meshes of bones (.npz), relative to the data root."""
    patient: str
    """Training and validation must not share one."""
    licence: str
    """As its source states it; goes into the model's card."""
    share: float = 1.0
    """How often it is drawn, relative to the others."""
    preset: str = "bone"
    remove_contrast: bool = False
    """Take contrast medium away from the bones: for CTs that hold some."""
    bones: tuple[int, ...] = ()
    """For label maps: the values that are bones; Hounsfield units are then made up."""
    crop: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Parts of the CT to use, as fractions along i, j or k."""
    heart: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """Chains of spheres [R, A, S, radius] in mm around the heart, for simulated contrast medium."""
    vessels: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """The same around vessels and kidneys."""
    variants: int = 1
    """How many patients to make of this one: itself and copies of it, smoothly deformed; of
    meshes, patients drawn anew."""
    seed: int = 0
    """Of what is drawn of it, beside the run's: entries of one patient that differ in it alone draw
    other patients, with the same one they draw the same."""
    mesh: MeshConfig = field(default_factory=MeshConfig)
    """For surface meshes: which they are, and how they lie. Flesh and units are then made up."""
    labels: str = ""
    """To learn bones by name: label map of the CT, relative to the data root."""
    label_names: str = ""
    """Names of the labels where the map has none: CSV, JSON or colour table, as `read_names`."""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """To learn bones by name: which labels are a structure's, by patterns of their names, or by
    values; `2@left` is the half of label 2 on the patient's left. A structure that is not here is
    the label of its own name."""
    upright: str = ""
    """To learn bones by name: "wrist" turns the CT until the hand stands, fingers down and palm to
    the front, and mirrors a left hand, however it lay."""
    near: float = 0.0
    """To learn bones by name: keep only what lies this near to a labelled bone [mm], as of a hand
    that lies on the belly; 0 keeps all."""

    def __post_init__(self) -> None:
        check_chains(self.heart, f"{self.path}: heart")
        check_chains(self.vessels, f"{self.path}: vessels")
        if self.upright not in ("", "wrist"):
            raise ValueError(f"{self.path}: upright: got {self.upright!r}; expected wrist")
        for name in ("share", "seed"):
            check_number(f"{self.path}: {name}", getattr(self, name), 0)
        check_crop(self.crop, f"{self.path}: crop")
        if self.variants < 1:
            raise ValueError(f"{self.path}: variants: got {self.variants}; expected at least 1")
        if self.is_made_up_of_meshes and self.bones:
            raise ValueError(f"{self.path}: bones; expected mesh.only, for this is no label map")
        if not self.is_made_up_of_meshes and self.mesh != MeshConfig():
            raise ValueError(f"{self.path}: mesh; expected none, for this is no file of meshes")

    @property
    def people(self) -> tuple[str, ...]:
        """All whose bones are in it: the patient, and whom meshes are drawn towards."""
        other = self.mesh.towards.patient
        return (self.patient, other) if other else (self.patient,)

    def rng(self, seed: int, *number: int) -> np.random.Generator:
        """What is drawn by for a run's seed and, where there are several, a patient's number."""
        own = (self.seed,) if self.seed else ()
        return np.random.default_rng([seed, *number, *own, *self.patient.encode()])

    @property
    def is_made_up_of_meshes(self) -> bool:
        """Whether the file holds surfaces rather than voxels."""
        return self.path.lower().endswith(MESHES)

    @property
    def is_made_up(self) -> bool:
        """Whether the Hounsfield units are invented."""
        return bool(self.bones) or self.is_made_up_of_meshes


def check_crop(crop: dict[str, tuple[float, float]], name: str) -> None:
    """Refuse what is no part of a CT along i, j or k."""
    for axis, span in crop.items():
        if axis not in ("i", "j", "k") or len(span) != 2 or not 0 <= span[0] < span[1] <= 1:
            raise ValueError(f"{name}: got {axis} = {span}; expected i, j or k, within 0 to 1")


def load_source(
    source: CtSource,
    data_root: Path,
    seed: int,
    series: str | None = None,
    labels: Path | None = None,
    structures: tuple[int, ...] = (),
) -> Parts:
    """Read one CT and split it into tissues.

    Args:
        source: the CT.
        data_root: where its path starts.
        seed: for what is made up of a label map.
        series: number or UID of the DICOM series, where a folder holds several.
        labels: label map of the CT whose `structures` are the bones, a layer each.
        structures: the values that count; all when empty.
    """
    path = data_root / source.path
    if source.is_made_up_of_meshes:
        return mesh_patient(source, data_root, seed, 0)
    if source.bones:
        tissues, ijk_to_ras, _ = read_labels(path)
        rng = source.rng(seed)
        volume = label_ct(tissues, ijk_to_ras, tuple(source.bones), rng, name=source.patient)
    else:
        volume = read_volume(path, series)
    bone, of_labels = (
        BoneConfig(source.preset, remove_contrast=source.remove_contrast),
        (None, None),
    )
    if labels is not None:
        values, labels_to_ras, names = read_labels(labels)
        of_labels = resample_labels(values, labels_to_ras, volume), names
        found = [str(value) for value in structures if value in names]
        if structures and not found:
            raise ValueError(f"structures: {list(structures)}; {labels.name} holds none of them")
        bone = BoneConfig(preset=source.preset, labels=tuple(found))
    parts = tissue_parts(volume, bone, source.heart, source.vessels, *of_labels)
    return cropped(parts, source.crop)


def load_variants(
    source: CtSource, data_root: Path, seed: int, spread_mm: float
) -> list[tuple[CtSource, Parts]]:
    """All patients that are made of one source, its share divided by them."""
    parts = load_source(source, data_root, seed)
    each = dataclasses.replace(source, share=source.share / source.variants)
    others = range(1, source.variants)
    made = [make_variant(source, data_root, seed, n, parts, spread_mm) for n in others]
    return [(each, one) for one in (parts, *made)]


def make_variant(
    source: CtSource, data_root: Path, seed: int, number: int, parts: Parts, spread_mm: float
) -> Parts:
    """Patient `number` of a source, a deformed copy of `parts` (number 0) or drawn anew."""
    if source.is_made_up_of_meshes:
        return mesh_patient(source, data_root, seed, number)
    rng = source.rng(seed, number)
    return deformed(parts, rng, spread_mm)


def mesh_patient(source: CtSource, data_root: Path, seed: int, number: int) -> Parts:
    """Patient `number` of a file of meshes, as tissues; raises as `made_of_meshes`."""
    made = made_of_meshes(source, data_root, seed, number)
    parts = tissue_parts(made.volume, BoneConfig(preset=source.preset, remove_couch=False))
    return cropped(parts, crop_across(source))


def made_of_meshes(source: CtSource, data_root: Path, seed: int, number: int) -> MeshCt:
    """Patient `number` of a file of meshes, cut along the limb; those of several take turns.

    Raises:
        FileNotFoundError, ValueError: the file, or what the entry says of it, in one line.
    """
    meshes = read_patient(data_root / source.path, source.mesh, number)
    rng = source.rng(seed, number)
    keep = source.crop.get("k", (0.0, 1.0))
    others = read_others(data_root, source.mesh)
    return mesh_ct(meshes, rng, source.mesh, keep, source.patient, others)


def crop_across(source: CtSource) -> dict[str, tuple[float, float]]:
    """What is still to be cropped of a CT that was made of meshes."""
    return {axis: span for axis, span in source.crop.items() if axis != "k"}


def cropped(parts: Parts, crop: dict[str, tuple[float, float]]) -> Parts:
    """The part of a patient between fractions along i, j or k."""
    spans = []
    for axis, count in zip("kji", parts.hu.shape, strict=True):
        low, high = crop.get(axis, (0.0, 1.0))
        spans.append(slice(round(low * count), round(high * count)))
    matrix = parts.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ [s.start for s in spans[::-1]]
    cut = tuple(spans)
    hu, part = np.ascontiguousarray(parts.hu[cut]), np.ascontiguousarray(parts.part[cut])
    return Parts(hu, matrix, part, None, parts.names)
