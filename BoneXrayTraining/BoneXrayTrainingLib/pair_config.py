"""What is drawn of a pose and a beam: ranges and their limits."""

from __future__ import annotations

from dataclasses import dataclass, field

from BoneXrayLib.geometry import BEAMS

from .limits import check_above_0, check_number, check_span


@dataclass(frozen=True)
class PairConfig:
    """Ranges that poses and beams are drawn from; lengths in mm, angles in degrees."""

    size: int = 320
    """Side of a sample [pixels]."""
    frontal_share: float = 0.35
    """Share of samples near AP or PA; as many near a lateral, the rest from anywhere around."""
    orbit: tuple[float, float] | None = None
    """Two angles between which the tube goes around the patient from PA [degrees], in place of the
    named views: -20 to 110 takes a right hand from PA to lateral, its thumb lifted."""
    jitter: float = 12.0
    """Standard deviation of the orbital angle about those views."""
    tilt: float = 10.0
    """Standard deviation of the tilt."""
    source_detector: tuple[float, float] = (900.0, 2000.0)
    magnification: tuple[float, float] = (1.05, 1.5)
    field_of_view: tuple[float, float] = (0.4, 1.25)
    """Side of the image over the larger side of the CT's extent as seen."""
    beams: dict[str, float] = field(
        default_factory=lambda: {"cone": 0.75, "localizer": 0.15, "parallel": 0.1}
    )
    off_centre: float = 0.5
    """Range of the isocentre about the CT's middle, as a share of its extent."""
    stretch: float = 0.1
    """Standard deviation of the patient's stretch along R, A and S."""
    shear: float = 0.06
    """Standard deviation of the patient's shear."""
    deformation: float = 7.0
    """Standard deviation of the smooth displacements in a CT's variants [mm]."""

    def __post_init__(self) -> None:
        check_number("pairs.size", self.size, 16)
        check_number("pairs.frontal_share", self.frontal_share, 0, 0.5)
        for name in ("jitter", "tilt", "off_centre", "stretch", "shear", "deformation"):
            check_number(f"pairs.{name}", getattr(self, name), 0)
        if self.orbit is not None:
            check_span("pairs.orbit", self.orbit, -360, 360)
        check_span("pairs.source_detector", self.source_detector, 50)
        check_span("pairs.magnification", self.magnification, 1.001)
        check_span("pairs.field_of_view", self.field_of_view, 0.01)
        unknown = sorted(set(self.beams) - set(BEAMS))
        if unknown:
            raise ValueError(
                f"pairs.beams: got {unknown[0]!r}; expected some of {', '.join(BEAMS)}"
            )
        for name, share in self.beams.items():
            check_number(f"pairs.beams.{name}", share, 0)
        check_above_0("pairs.beams, the sum", sum(self.beams.values()))
