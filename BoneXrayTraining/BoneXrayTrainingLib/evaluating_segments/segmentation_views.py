"""Simulated radiographs of labelled CTs with the true mask of each structure.

Wrists are taken as extremities are: the hand on the detector, fingers up, seen from the tube. From
PA (palm on the detector) the hand is turned towards the oblique and the lateral view by lifting
its thumb, 45 and 90 degrees: the semi-pronated oblique of textbooks, and the lateral with the
ulna on the detector. Trunks are taken as `evaluate extract` takes them.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from BoneXrayLib.bone import BoneConfig
from BoneXrayLib.exposure import EXPOSURES, expose, named_exposure
from BoneXrayLib.geometry import Geometry, GeometryConfig, make_geometry
from BoneXrayLib.physics.thicknesses import EXPOSURE_EDGES, object_of_bins
from BoneXrayLib.projection import PreparedParts, prepare_ct, project_bins, project_prepared
from BoneXrayLib.radiograph import Radiograph

from ..labelled import MASK_OD
from .labelled_cts import FOREARM, LabelledCt

WRIST_VIEWS = {"PA": 0.0, "oblique": 45.0, "lateral": 90.0}
"""How far the thumb is lifted [degrees]."""
TRUNK_VIEWS = {"AP": "AP", "PA": "PA", "LAT": "LAT-L"}
NO_EXPOSURE = "none"
SOURCE_DETECTOR, HAND_DETECTOR = 1050.0, 40.0
"""Of wrists [mm]: source to detector, and the wrist's middle above it (textbooks: 100 to 110 cm,
the hand on the cassette)."""
REACH = 85.0
"""What of a wrist is in the picture, from the middle of its carpals [mm]."""
MARGINS = (30.0, -2.0, 20.0)
"""Around the structures [mm]: beyond the fingers' end, the forearm's (it goes on), on each side."""
PIXELS = {"wrist": 0.25, "trunk": 1.0}
LARGEST_SIDE, MOST_WIDER = 4096, 300.0


@dataclass(frozen=True)
class SegmentViews:
    """Which radiographs are taken of each patient."""

    views: tuple[str, ...] = ()
    """Wrist: PA, oblique, lateral; trunk: AP, PA, LAT. All of the anatomy's when empty."""
    draws: int = 1
    """Radiographs a view."""
    jitter: float = 0.0
    """How far a view is off at most [degrees]: the tube around the patient, and half as much along
    it; drawn evenly."""
    seed: int = 1
    """Of what is drawn, and of the noise."""
    exposure: str = ""
    """Named exposure, or none for optical density as it is; extremity for wrists, chest for trunks
    when empty."""
    pixel: float | None = None
    """Pixel size at the detector [mm]; 0.25 for wrists, 1 for trunks when None."""
    wider: float = 0.0
    """How much more than the wrist is in the picture of a wrist [mm]: beyond its fingers' end and
    along the forearm, half as much on each side. Trunks are always whole."""

    def __post_init__(self) -> None:
        known = dict.fromkeys((*WRIST_VIEWS, *TRUNK_VIEWS))
        for view in self.views:
            if view not in known:
                raise ValueError(f"views: got {view!r}; expected some of {', '.join(known)}")
        if self.draws < 1:
            raise ValueError(f"draws: got {self.draws}; expected at least 1")
        if not (math.isfinite(self.jitter) and 0 <= self.jitter <= 45):
            raise ValueError(f"jitter: got {self.jitter!r}; expected 0 to 45 degrees")
        if self.exposure not in ("", NO_EXPOSURE, *EXPOSURES):
            raise ValueError(
                f"exposure: got {self.exposure!r}; expected one of "
                f"{', '.join((NO_EXPOSURE, *EXPOSURES))}"
            )
        if self.pixel is not None and not 0.05 <= self.pixel <= 10:
            raise ValueError(f"pixel: got {self.pixel!r}; expected 0.05 to 10 mm")
        if not 0 <= self.wider <= MOST_WIDER:
            raise ValueError(f"wider: got {self.wider!r}; expected 0 to {MOST_WIDER:g} mm")

    def of(self, anatomy: str) -> tuple[str, ...]:
        """The views of an anatomy; none where only others are asked for."""
        known = WRIST_VIEWS if anatomy == "wrist" else TRUNK_VIEWS
        return tuple(v for v in self.views if v in known) if self.views else tuple(known)

    def exposure_of(self, anatomy: str) -> str:
        """The exposure of an anatomy."""
        return self.exposure or ("extremity" if anatomy == "wrist" else "chest")


@dataclass(frozen=True)
class Subject:
    """What a radiograph is of.

    Attributes:
        structures: what tables call each of its masks.
        members: for each mask the model's structures that together it is the truth of.
        data: data set, or whose bones they are made of.
        patient, anatomy, view: of the image.
        side: of a wrist, where it is known.
        rotate: how far off the view it was taken, around and along the patient [degrees].
        exposure: named exposure, none, or empty for a real radiograph.
    """

    structures: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    data: str
    patient: str
    anatomy: str
    view: str
    side: str = ""
    rotate: tuple[float, float] = (0.0, 0.0)
    exposure: str = ""


@dataclass(frozen=True, eq=False)
class MaskedRadiograph:
    """One question to a model, with its answer.

    Attributes:
        radiograph: what the model is given.
        masks: (structures, rows, columns) bool, the truth.
        subject: what it is of.
    """

    radiograph: Radiograph
    masks: np.ndarray
    subject: Subject


def take_views(ct: LabelledCt, config: SegmentViews) -> Iterator[MaskedRadiograph]:
    """All radiographs of one patient, with the projections of its structures as masks."""
    coarse = BoneConfig(remove_couch=ct.remove_couch)
    prepared = prepare_ct(ct.volume, coarse, ct.labels, ct.names)
    for view in config.of(ct.anatomy):
        for number in range(config.draws):
            label = f"{config.seed} {ct.patient} {view} {number}"
            rotate = drawn_rotation(config, label)
            pixel = config.pixel or PIXELS[ct.anatomy]
            geometry = geometry_of(ct, view, rotate, pixel, config.wider)
            yield _taken(ct, prepared, geometry, view, rotate, config, label)


def geometry_of(
    ct: LabelledCt, view: str, rotate: tuple[float, float], pixel: float, wider: float = 0.0
) -> Geometry:
    """Source and detector of a view of a standing patient, turned off it by `rotate` [degrees].

    The picture of a wrist is `wider` than it [mm], as `SegmentViews` says.
    """
    if ct.anatomy != "wrist":
        config = GeometryConfig(view=TRUNK_VIEWS[view], rotate=rotate, pixel=pixel)
        whole = tuple(max(1, round(n / pixel)) for n in config.size)
        config = dataclasses.replace(config, size=(whole[0], whole[1]))
        return make_geometry(config, ct.volume.centre_ras)
    lifted = WRIST_VIEWS[view] + rotate[0]
    turn = (lifted if ct.side == "right" else -lifted, rotate[1])
    points = _in_reach(ct, REACH + wider)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    config = GeometryConfig(
        view="PA", rotate=turn, source_detector=SOURCE_DETECTOR,
        source_object=SOURCE_DETECTOR - HAND_DETECTOR, pixel=pixel, size=(1, 1),
    )  # fmt: skip
    low, high = _extent(make_geometry(config, middle), points, wider)
    size = np.clip(np.ceil((high - low) / pixel).astype(int), 16, LARGEST_SIDE)
    shift = (low + high) / 2
    config = dataclasses.replace(
        config, size=(int(size[0]), int(size[1])), shift=(float(shift[0]), float(shift[1]))
    )
    standing = make_geometry(config, middle)
    return dataclasses.replace(standing, row_axis=-standing.row_axis)


def _in_reach(ct: LabelledCt, reach: float) -> np.ndarray:
    """Places of the voxels of a wrist's structures in reach of its carpals, (N, 3) RAS mm."""
    kji = np.argwhere(ct.labels)
    value = ct.labels[tuple(kji.T)]
    matrix = ct.volume.ijk_to_ras
    points = kji[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
    forearm = [n for n, name in ct.names.items() if name in FOREARM]
    carpals = points[~np.isin(value, forearm)]
    centre = (carpals if len(carpals) else points).mean(axis=0)
    return points[np.linalg.norm(points - centre, axis=1) <= reach]


def _extent(geometry: Geometry, points: np.ndarray, wider: float) -> tuple[np.ndarray, np.ndarray]:
    """Where points fall on the detector with their margins, low and high (down, right) [mm]."""
    found = geometry.project_points(points) * geometry.pixel_mm
    # The standing hand's fingers point down.
    fingers, forearm, beside = MARGINS
    beside += wider / 2
    low, high = np.array([forearm, beside]), np.array([fingers + wider, beside])
    return found.min(axis=0) - low, found.max(axis=0) + high


def _taken(
    ct: LabelledCt,
    prepared: PreparedParts,
    geometry: Geometry,
    view: str,
    rotate: tuple[float, float],
    config: SegmentViews,
    label: str,
) -> MaskedRadiograph:
    layers = project_prepared(prepared, geometry)
    exposure = config.exposure_of(ct.anatomy)
    name = f"{ct.patient} {view}"
    if exposure == NO_EXPOSURE:
        radiograph = Radiograph(layers.sum(axis=0), "optical density", geometry.pixel_mm,
                                geometry.magnification, geometry, name)  # fmt: skip
    else:
        marker = ct.side[0].upper() if ct.side else "auto"
        seed = zlib.crc32(label.encode())
        setting = named_exposure(exposure, marker=marker, seed=seed)
        bins = project_bins(prepared, geometry, EXPOSURE_EDGES)
        shown = expose(object_of_bins(bins, layers[1:].sum(axis=0)), geometry, setting).display
        radiograph = dataclasses.replace(shown, name=name, geometry=None)
    names = ct.structures
    masks = layers[[prepared.names.index(name) for name in names]] > MASK_OD
    subject = Subject(names, tuple((n,) for n in names), ct.source, ct.patient, ct.anatomy, view,
                      ct.side, rotate, exposure)  # fmt: skip
    return MaskedRadiograph(radiograph, masks, subject)


def drawn_rotation(config: SegmentViews, label: str) -> tuple[float, float]:
    """How far off its view a radiograph is taken, around and along the patient [degrees]."""
    rng = np.random.default_rng(zlib.crc32(label.encode()))
    around, along = rng.uniform(-1.0, 1.0, 2) * config.jitter
    return float(around), float(along) / 2
