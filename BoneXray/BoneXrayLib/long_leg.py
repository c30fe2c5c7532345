"""Long-leg views: a CT longer than a detector, in several shots stitched to one picture.

`long_leg_shots.py` places the shots. Here they are projected and faded into one another in their
overlaps. All is linear in the parts, so bone + rest = whole holds for the stitched picture, too.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .attenuation import MU_WATER_70KEV
from .drr import write_images
from .files import as_json, checked_output_folder, staged_folder
from .image_names import named_images
from .long_leg_config import METHODS, LongLegConfig
from .long_leg_shots import ShotPlan, plan_shots
from .progress import IsCancelled, Progress
from .projection import PreparedParts, prepare_ct, project_prepared
from .radiograph import Radiograph
from .volume import Volume

__all__ = [
    "METHODS",
    "LongLeg",
    "LongLegConfig",
    "ShotPlan",
    "long_leg",
    "plan_shots",
    "write_long_leg",
]

RECORD = "long-leg.json"


@dataclass(frozen=True, eq=False)
class LongLeg:
    """A stitched picture: optical densities (rows, columns) float32, bone bright.

    Attributes:
        layers: the parts by name, the rest first; they sum to `full`.
        plan: the shots and what lengths mean.
        config: what was asked for.
        name: the CT's name.
    """

    layers: dict[str, np.ndarray]
    plan: ShotPlan
    config: LongLegConfig
    name: str

    @property
    def full(self) -> np.ndarray:
        """The picture of everything."""
        return np.stack(list(self.layers.values())).sum(axis=0)

    @property
    def bone(self) -> np.ndarray:
        """The picture of the bones alone: all layers but the rest."""
        return np.stack(list(self.layers.values())[1:]).sum(axis=0)

    def radiograph(self, image: np.ndarray, suffix: str) -> Radiograph:
        """`image` of this exposure as a `Radiograph`; it has a geometry if the tube stayed."""
        return Radiograph(
            image,
            "optical density",
            self.plan.whole.pixel_mm,
            self.plan.whole.magnification,
            self.plan.geometry,
            f"{self.name} {self.config.view} long leg {suffix}",
            (self.plan.statement, *self.plan.notes),
        )


def long_leg(
    volume: Volume,
    config: LongLegConfig,
    labels: np.ndarray | None = None,
    label_names: dict[int, str] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    prepared: PreparedParts | None = None,
) -> LongLeg:
    """Project a CT in overlapping shots along its long axis and stitch them.

    Args:
        volume: the CT.
        config: shots, tube and bone window.
        labels: (k, j, i) label map on the CT's grid; each label becomes a layer.
        label_names: names of the labels.
        progress: told fraction and message.
        is_cancelled: asked between steps and blocks of rows.
        prepared: by `prepare_ct` of the same CT, labels and bone fields, to save its making.

    Raises:
        ValueError: shots that cannot be stitched.
        Cancelled: `is_cancelled()` became true.
    """
    plan = plan_shots(config, volume)

    def sooner(fraction: float, message: str) -> None:
        if progress is not None:
            progress(0.4 * fraction, message)

    if prepared is None:
        bone = config.bone_config()
        prepared = prepare_ct(volume, bone, labels, label_names, sooner, is_cancelled)
    total = len(plan.shots)
    stitched = np.zeros((len(prepared.names), *plan.size), dtype=np.float32)
    for n, (shot, first, share) in enumerate(
        zip(plan.shots, plan.first_rows, plan.weights(), strict=True)
    ):

        def later(fraction: float, _: str, done: int = n) -> None:
            if progress is not None:
                progress(0.4 + 0.6 * (done + fraction) / total, f"shot {done + 1} of {total}")

        images = project_prepared(prepared, shot, progress=later, is_cancelled=is_cancelled)
        rows = slice(first, first + shot.size[0])
        stitched[:, rows] += share[rows, None].astype(np.float32) * images
    return LongLeg(dict(zip(prepared.names, stitched, strict=True)), plan, config, volume.name)


def write_long_leg(
    found: LongLeg, folder: str | Path, source: str | None = None
) -> dict[str, Path]:
    """Write full.nrrd, bone.nrrd, a file a label, PNGs and long-leg.json; all of them or nothing.

    Returns:
        Path of each file by its name.
    """
    folder = checked_output_folder(folder)
    images = named_images(found.full, found.bone, found.layers)
    with staged_folder(folder, RECORD) as stage:
        write_images(stage, images, found.radiograph)
        (stage / RECORD).write_text(as_json(_record(found, source)))
        names = sorted(path.name for path in stage.iterdir())
    return {name: folder / name for name in names}


def _record(found: LongLeg, source: str | None) -> dict:
    return {
        "written_by": "BoneXray long-leg",
        "domain": "optical density",
        "polarity": "bone bright",
        "mu_water_per_mm": MU_WATER_70KEV,
        "ct": source or found.name,
        "config": dataclasses.asdict(found.config),
        "layers": list(found.layers),
        **found.plan.to_dict(),
    }
