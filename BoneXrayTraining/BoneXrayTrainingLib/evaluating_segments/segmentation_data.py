"""What named bones are measured on: labelled CTs, patients made of meshes, masked radiographs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from BoneXrayLib.files import plain_stem
from BoneXrayLib.radiograph import check_reading

from ..choices import cts_in_folder, label_map_beside
from ..mappings import from_mapping, read_toml
from ..mesh_ct import SUFFIX as MESHES
from ..mesh_ct import MeshConfig
from ..sources import check_crop

ANATOMIES = ("wrist", "trunk")
UPRIGHT = ("as is", "wrist")


@dataclass(frozen=True)
class LabelledSource:
    """A CT with labels, or a file of bone meshes of which patients are made."""

    path: str
    """CT file or DICOM folder, or surface meshes of bones (.npz); in a list, relative to it."""
    labels: str = ""
    """Label map of the CT, beside it unless the path says otherwise; meshes bring their own."""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Which labels each structure is made of: names or numbers, with * and ?; `2@left` is the half
    of label 2 on the patient's left. The structure's own name where it is not said."""
    patient: str = ""
    """Whose it is; the file's name when empty."""
    anatomy: str = ""
    """wrist or trunk, which says the views; by the bones that are labelled when empty."""
    upright: str = ""
    """How the CT comes to stand as views are named by: "as is" (its patient's RAS), or "wrist",
    turned by its labelled bones. Labelled wrists are turned when empty, others are not."""
    matrix: tuple[tuple[float, ...], ...] = ()
    """Instead of `upright`: a turn, 3 x 3 or 4 x 4, from the CT's RAS mm to the standing one's."""
    near: float = 0.0
    """Keep only what lies this near to a label [mm], as of a hand on a belly; 0 keeps all."""
    remove_couch: bool = True
    """Leave the couch out of a CT's radiographs."""
    crop: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Parts of the CT to use, as fractions along i, j or k; of meshes the part of the limb, k."""
    mesh: MeshConfig = field(default_factory=MeshConfig)
    """For meshes: which they are and how they lie."""
    draws: int = 1
    """For meshes: how many patients to make."""
    seed: int = 20261
    """For meshes: of what is drawn."""

    def __post_init__(self) -> None:
        for name, known in (("anatomy", ANATOMIES), ("upright", UPRIGHT)):
            if getattr(self, name) not in ("", *known):
                raise ValueError(
                    f"{name}: got {getattr(self, name)!r}; expected one of {', '.join(known)}"
                )
        if self.draws < 1:
            raise ValueError(f"draws: got {self.draws}; expected at least 1")
        if not self.is_of_meshes and not self.labels:
            raise ValueError(f"labels: got none for {self.path}; expected its label map")
        if self.is_of_meshes and self.labels:
            raise ValueError(f"labels: got {self.labels} for {self.path}; meshes bring their own")
        if not self.is_of_meshes and (self.draws > 1 or self.mesh != MeshConfig()):
            raise ValueError(f"draws, mesh: set for {self.path}; expected a file of meshes (.npz)")
        if self.upright and self.matrix:
            raise ValueError("matrix: set beside upright; expected one of them")
        check_crop(self.crop, "crop")

    @property
    def is_of_meshes(self) -> bool:
        """Whether the file holds surfaces rather than voxels."""
        return self.path.lower().endswith(MESHES)

    @property
    def whose(self) -> str:
        """The patient."""
        return self.patient or plain_stem(Path(self.path))


@dataclass(frozen=True)
class RadiographSource:
    """A folder of real radiographs with masks of their bones."""

    path: str
    """The folder; in a list, relative to it."""
    pixel: float = 0.0
    """Pixel size at the detector [mm], where the files do not say it."""
    polarity: str = "auto"
    """auto, bone-bright or bone-dark: how bone is stored in the files."""
    view: str = "PA"
    """What tables call the view."""
    split: str = "test"
    """Which of the data set's own parts, where it has some: train, val or test."""

    def __post_init__(self) -> None:
        check_reading(self.pixel or None, self.polarity)


Source = LabelledSource | RadiographSource


def segmentation_sources(data: Sequence[str | Path]) -> tuple[Source, ...]:
    """What words name: a TOML list, meshes (.npz), `CT,LABELS`, or a folder.

    A folder is one of CTs that have their labels beside them (see `label_map_beside`; others are
    left out), or of radiographs with masks.

    Raises:
        FileNotFoundError: a list or a file is not there.
        ValueError: nothing is named, or something that holds no truth.
    """
    if not data:
        raise ValueError("data: got none; expected labelled CTs, meshes or masked radiographs")
    found: list[Source] = []
    for word in data:
        found += _listed(Path(word)) if str(word).lower().endswith(".toml") else _worded(str(word))
    for source in found:
        for path in filter(None, (source.path, getattr(source, "labels", ""))):
            if not Path(path).exists():
                raise FileNotFoundError(f"data: {path} does not exist; expected a file or folder")
    names = Counter(source.whose for source in found if isinstance(source, LabelledSource))
    return tuple(_told_apart(source, names) for source in found)


def _told_apart(source: Source, names: Counter) -> Source:
    """With its folder in the patient's name, where files of one name are of nobody said."""
    if isinstance(source, RadiographSource) or source.patient or names[source.whose] == 1:
        return source
    folder = Path(source.path).resolve().parent.name
    return dataclasses.replace(source, patient=f"{folder}/{source.whose}")


def _worded(word: str) -> list[Source]:
    if word.lower().endswith(MESHES):
        return [LabelledSource(word)]
    if "," in word and not Path(word).exists():
        ct, _, labels = word.partition(",")
        return [LabelledSource(ct, labels)]
    if Path(word).is_dir():
        return _labelled(word) or [RadiographSource(word)]
    if not Path(word).exists():
        raise FileNotFoundError(f"data: {word} does not exist; expected a file or folder")
    raise ValueError(f"data: got {word}, a CT without labels; expected CT,LABELS or a TOML list")


def _labelled(folder: str) -> list[Source]:
    found: list[Source] = []
    for ct in cts_in_folder(folder):
        labels = label_map_beside(folder, ct)
        found += [LabelledSource(f"{folder}/{ct}", f"{folder}/{labels}")] if labels else []
    return found


def _listed(path: Path) -> list[Source]:
    if not path.is_file():
        raise FileNotFoundError(f"data: {path} does not exist; expected a TOML list")
    table = read_toml(path)
    unknown = sorted(set(table) - {"ct", "radiographs"})
    entries = {key: table.get(key, []) for key in ("ct", "radiographs")}
    if (
        unknown
        or not any(entries.values())
        or not all(isinstance(e, list) for e in entries.values())
    ):
        what = f"unknown {unknown[0]!r}" if unknown else "no entry"
        raise ValueError(f"data: {path.name}: {what}; expected [[ct]] or [[radiographs]] entries")
    found: list[Source] = []
    for key, kind in (("ct", LabelledSource), ("radiographs", RadiographSource)):
        for n, entry in enumerate(entries[key]):
            where = f"data: {path.name}: {key}[{n}]"
            found.append(_beside(path.parent, _entry(kind, entry, where)))
    return found


def _entry(kind: type[Source], entry: object, where: str) -> Source:
    try:
        return from_mapping(kind, entry, where)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(where) else f"{where}: {text}") from None


def _beside(folder: Path, source: Source) -> Source:
    """Its paths from where its list lies; labels from where the CT lies, or the list."""
    path = folder / source.path
    if isinstance(source, LabelledSource) and source.mesh.towards.path:
        towards = dataclasses.replace(
            source.mesh.towards, path=str(folder / source.mesh.towards.path)
        )
        source = dataclasses.replace(source, mesh=dataclasses.replace(source.mesh, towards=towards))
    if isinstance(source, RadiographSource) or not source.labels:
        return dataclasses.replace(source, path=str(path))
    beside = path.parent / source.labels
    labels = beside if beside.exists() else folder / source.labels
    return dataclasses.replace(source, path=str(path), labels=str(labels))
