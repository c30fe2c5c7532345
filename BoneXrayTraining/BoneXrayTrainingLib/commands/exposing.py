"""What the commands that expose a radiograph have in common: each setting, under its own name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

if TYPE_CHECKING:
    from BoneXrayLib.physics.exposure_config import ExposureConfig


@dataclass
class OfExposure:
    """An exposure, none unless it is named, and what is to differ from it."""

    exposure: Annotated[str | None, arg(metavar="NAME")] = None
    """Expose it, too: chest, extremity, pelvis, localizer or c-arm."""
    kvp: Annotated[float | None, arg(metavar="KV")] = None
    """Tube voltage instead of that exposure's [kV]."""
    mas: Annotated[float | None, arg(metavar="MAS")] = None
    """Tube current by time instead of that exposure's [mAs]."""
    filtration_al: Annotated[float | None, arg(metavar="MM")] = None
    """Total filtration instead of that exposure's [mm aluminium]."""
    filtration_cu: Annotated[float | None, arg(metavar="MM")] = None
    """Copper besides [mm]."""
    anode_angle: Annotated[float | None, arg(metavar="DEG")] = None
    """Angle of the tungsten anode [deg], 6 to 20."""
    grid: Annotated[bool | None, arg(metavar="True|False")] = None
    """Whether there is an anti-scatter grid."""
    focal_spot: Annotated[float | None, arg(metavar="MM")] = None
    """Nominal size of the focal spot [mm]."""
    detector: Annotated[str | None, arg(metavar="NAME")] = None
    """What catches the rays: csi or selenium."""
    scatter: Annotated[bool | None, arg(metavar="True|False")] = None
    """Whether scattered radiation is added."""
    blur: Annotated[bool | None, arg(metavar="True|False")] = None
    """Whether focal spot and detector blur."""
    noise: Annotated[bool | None, arg(metavar="True|False")] = None
    """Whether there is noise."""
    seed: Annotated[int | None, arg(metavar="N")] = None
    """Which of the possible noises."""
    collimation: Annotated[float | None, arg(metavar="MM")] = None
    """Border that the collimator covers [mm at the detector]."""
    marker: Annotated[str | None, arg(metavar="WORD")] = None
    """Lead letter for the patient's side: L, R, none, or auto: by the view."""

    def exposure_config(self) -> ExposureConfig | None:
        """The exposure that is asked for, None for none; its own fields put in place."""
        from BoneXrayLib.physics.exposure_config import ExposureConfig, named_exposure

        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(ExposureConfig)}
        if self.exposure is not None:
            return named_exposure(self.exposure, **own)
        given = next((name for name, value in own.items() if value is not None), None)
        if given is not None:
            raise ValueError(f"{given}: got {own[given]!r}; expected --exposure with it")
        return None
