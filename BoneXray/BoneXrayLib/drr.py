"""Digitally reconstructed radiographs: CT, bone window and geometry in, named images out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .attenuation import MU_WATER_70KEV
from .bone import BoneConfig
from .files import as_json, checked_output_folder, staged_folder
from .geometry import Geometry, GeometryConfig, make_geometry
from .image_names import named_images
from .poses import read_pose
from .progress import IsCancelled, Progress
from .projection import PreparedParts, prepare_ct, project_on, used_device
from .radiograph import Radiograph, display_window, write_float_nrrd, write_png
from .volume import Volume

RECORD, FROM_CONFIG = "drr.json", "view, distances and shift of the config"
POSE_SAYS = ("view", "rotate", "beam", "source_detector", "source_object", "shift")
"""Fields that a pose file stands for, beside size and pixel where it has them."""


@dataclass
class DrrConfig(GeometryConfig):
    """Everything a DRR depends on besides the CT; the fields of command and panel."""

    preset: str = "bone"
    """Bone window: bone (>= 200 HU, cleaned), 400-800, cortical or soft-ramp."""
    hu: tuple[float, float] | None = None
    """Own bone window LOW HIGH [HU], both included; replaces the window of the preset."""
    remove_couch: bool = True
    """Leave couch and boards out of the radiograph."""
    remove_contrast: bool = False
    """Leave contrast medium (blood, kidneys, bowel) out of the bones, by HU windows that clean."""
    pose: str | None = None
    """File that says where source and detector stood, instead of view, turn, beam, distances and
    shift: a drr.json, a 3 x 4 projection matrix (text or JSON, RAS mm to pixels), or a DICOM XA
    image of a C-arm. Size and pixel count where the file has none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.bone_config()

    def bone_config(self) -> BoneConfig:
        """The fields that choose bone voxels."""
        return BoneConfig(
            preset=self.preset,
            hu=self.hu,
            remove_couch=self.remove_couch,
            remove_contrast=self.remove_contrast,
        )

    @property
    def label(self) -> str:
        """What images of this exposure are called after: the view, or the file of the pose."""
        return self.view if self.pose is None else Path(self.pose).stem


@dataclass(frozen=True, eq=False)
class Drr:
    """One simulated exposure: optical densities (rows, columns) float32, bone bright.

    Attributes:
        layers: the parts by name, the rest first; they sum to `full`.
        geometry: source and detector, patient RAS mm.
        config: what was asked for.
        name: the CT's name.
        pose: where the geometry is from, in words.
        device: what projected it: "cpu", or the GPU by its name.
    """

    layers: dict[str, np.ndarray]
    geometry: Geometry
    config: DrrConfig
    name: str
    pose: str = FROM_CONFIG
    device: str = "cpu"

    @property
    def full(self) -> np.ndarray:
        """The radiograph of everything."""
        return np.stack(list(self.layers.values())).sum(axis=0)

    @property
    def bone(self) -> np.ndarray:
        """The radiograph of the bones alone: all layers but the rest."""
        return np.stack(list(self.layers.values())[1:]).sum(axis=0)

    def radiograph(self, image: np.ndarray, suffix: str) -> Radiograph:
        """`image` of this exposure as a `Radiograph` that knows its geometry."""
        return Radiograph(
            image,
            "optical density",
            self.geometry.pixel_mm,
            self.geometry.magnification,
            self.geometry,
            f"{self.name} {self.config.label} {suffix}",
        )


def exposure_geometry(config: DrrConfig, volume: Volume) -> Geometry:
    """Source and detector as the config's pose file says, or else its view and distances.

    Raises:
        FileNotFoundError: the pose file is not there.
        ValueError: it holds no pose, or one that looks past the CT.
    """
    if config.pose is None:
        return make_geometry(config, volume.centre_ras)
    geometry = read_pose(config.pose, config.size, config.pixel, volume.centre_ras)
    if _looks_past(geometry, volume.corners_ras):
        raise ValueError(
            f"pose: {Path(config.pose).name} looks past {volume.name}; expected a pose in this "
            "CT's own frame, RAS (a matrix in LPS says so in its JSON)"
        )
    return geometry


def pose_text(config: DrrConfig) -> str:
    """Where `exposure_geometry` takes source and detector from, in words."""
    return FROM_CONFIG if config.pose is None else f"file {Path(config.pose).name}"


def pose_notes(config: DrrConfig, geometry: Geometry) -> tuple[str, ...]:
    """What was typed that a pose file's geometry overrules, in a line."""
    if config.pose is None:
        return ()
    usual, names = DrrConfig(), [*POSE_SAYS]
    names += ["size"] if config.size != geometry.size else []
    names += ["pixel"] if not np.allclose(config.pixel, geometry.pixel_mm) else []
    unused = [name for name in names if getattr(config, name) != getattr(usual, name)]
    said = f"{', '.join(unused)}: not used, as {Path(config.pose).name} says the pose"
    return (said,) if unused else ()


def _looks_past(geometry: Geometry, corners: np.ndarray) -> bool:
    """Whether a box of corners (8, 3) RAS mm lies wholly beside the beam or behind the source."""
    depth = (corners - geometry.source) @ (geometry.centre - geometry.source)
    if geometry.beam == "cone" and depth.min() <= 0:
        return bool(depth.max() <= 0)
    found = geometry.project_points(corners)
    beside = (found.max(axis=0) < -0.5) | (found.min(axis=0) > np.asarray(geometry.size) - 0.5)
    return bool(beside.any())


def simulate(
    volume: Volume,
    config: DrrConfig,
    labels: np.ndarray | None = None,
    label_names: dict[int, str] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    prepared: PreparedParts | None = None,
    geometry: Geometry | None = None,
    device: str = "auto",
) -> Drr:
    """Project a CT: bones (by window, or one layer a label) and the rest.

    Args:
        volume: the CT.
        config: view, beam and bone window.
        labels: (k, j, i) label map on the CT's grid; each label becomes a layer.
        label_names: names of the labels.
        progress: told fraction and message.
        is_cancelled: asked between blocks of rows.
        prepared: by `prepare_ct` of the same CT, labels and bone fields, to save its making.
        geometry: source and detector, RAS mm, instead of those of the config.
        device: "auto" (a GPU where there is one, through nanodrr, else the CPU), "cpu" or "cuda".

    Raises:
        FileNotFoundError, ValueError: the pose file is not there, or of no use; no such device.
        Cancelled: `is_cancelled()` became true.
    """

    def sooner(fraction: float, message: str) -> None:
        if progress is not None:
            progress(0.4 * fraction, message)

    def later(fraction: float, message: str) -> None:
        if progress is not None:
            progress(0.4 + 0.6 * fraction, message)

    used_device(device)
    pose = "geometry of the caller" if geometry is not None else pose_text(config)
    geometry = geometry or exposure_geometry(config, volume)
    if prepared is None:
        bone = config.bone_config()
        prepared = prepare_ct(volume, bone, labels, label_names, sooner, is_cancelled)
    images, used = project_on(prepared, geometry, device, progress=later, is_cancelled=is_cancelled)
    layers = dict(zip(prepared.names, images, strict=True))
    return Drr(layers, geometry, config, volume.name, pose, used)


def write_drr(drr: Drr, folder: str | Path, source: str | None = None) -> dict[str, Path]:
    """Write full.nrrd, bone.nrrd, a file a label, PNGs and drr.json; all of them or nothing.

    Existing files of these names are replaced, others in the folder stay.

    Returns:
        Path of each file by its name.
    """
    folder = checked_output_folder(folder)
    images = named_images(drr.full, drr.bone, drr.layers)
    with staged_folder(folder, RECORD) as stage:
        write_images(stage, images, drr.radiograph)
        (stage / RECORD).write_text(as_json(_record(drr, source)))
        names = sorted(path.name for path in stage.iterdir())
    return {name: folder / name for name in names}


def write_images(
    folder: Path,
    images: dict[str, np.ndarray],
    radiograph: Callable[[np.ndarray, str], Radiograph],
) -> None:
    """Write each image as float NRRD of `radiograph(image, name)` and as PNG."""
    for name, image in images.items():
        write_float_nrrd(folder / f"{name}.nrrd", radiograph(image, name))
        low, high = display_window(image)
        write_png(folder / f"{name}.png", image, low, high)


def read_geometry(path: str | Path) -> Geometry:
    """The geometry that `write_drr` recorded in a drr.json."""
    try:
        record = json.loads(Path(path).read_text())
        return Geometry.from_dict(record["geometry"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a drr.json written by this program ({error})") from None


def _record(drr: Drr, source: str | None) -> dict:
    return {
        "written_by": "BoneXray drr",
        "domain": "optical density",
        "polarity": "bone bright",
        "mu_water_per_mm": MU_WATER_70KEV,
        "ct": source or drr.name,
        "config": dataclasses.asdict(drr.config),
        "layers": list(drr.layers),
        "pose": drr.pose,
        "device": drr.device,
        "geometry": drr.geometry.to_dict(),
    }
