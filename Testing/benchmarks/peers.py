"""The peers of `projection.py`, and the geometry that all share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from slower_peers import DiffDrr, NanoDrr, Plastimatch, plastimatch_program

from BoneXrayLib.attenuation import mu_from_hu
from BoneXrayLib.geometry import Geometry, GeometryConfig, make_geometry

SOURCE_OBJECT, SOURCE_DETECTOR, DETECTOR_MM, PIXELS = 700.0, 1020.0, 512.0, 512
VIEWS = {"AP": (0.0, 0.0), "lateral": (90.0, 0.0), "rotated": (30.0, 0.0), "tilted": (38.0, 12.0)}


def geometry_of(view: str, beam: str = "cone") -> Geometry:
    """A view of the table's geometry, around the origin."""
    config = GeometryConfig(
        rotate=VIEWS[view],
        beam=beam,
        source_detector=SOURCE_DETECTOR,
        source_object=SOURCE_OBJECT,
        pixel=DETECTOR_MM / PIXELS,
        size=(PIXELS, PIXELS),
    )
    return make_geometry(config, np.zeros(3))


class Rtk:
    """ITK-RTK's Joseph projector on a volume with axes along the patient's.

    RTK turns around its y: x is the patient's left, y the long axis, z the front.
    """

    def __init__(self, hu: np.ndarray, ijk_to_ras: np.ndarray) -> None:
        import itk
        from itk import RTK

        self.itk, self.rtk = itk, RTK
        ras_to_rtk = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
        matrix = ras_to_rtk @ ijk_to_ras[:3, :3]
        spacing = np.linalg.norm(matrix, axis=0)
        self.volume = itk.image_from_array(mu_from_hu(hu))
        self.volume.SetSpacing(spacing.tolist())
        self.volume.SetDirection(itk.matrix_from_array(matrix / spacing))
        self.volume.SetOrigin((ras_to_rtk @ ijk_to_ras[:3, 3]).tolist())
        self.kind = type(self.volume)

    def projector(self, view: Geometry) -> Callable[[], np.ndarray]:
        """A function that projects anew: (rows, columns), row 0 on top."""
        rtk, kind = self.rtk, self.kind
        geometry = rtk.ThreeDCircularProjectionGeometry.New()
        x, y, z = (view.source - view.isocentre) / SOURCE_OBJECT
        orbital, tilt = np.degrees([np.arctan2(-x, y), np.arcsin(z)])
        geometry.AddProjection(SOURCE_OBJECT, SOURCE_DETECTOR, orbital, 0, 0, -tilt, 0, 0, 0)
        pixel = DETECTOR_MM / PIXELS
        stack = rtk.ConstantImageSource[kind].New()
        corner = -(PIXELS - 1) / 2 * pixel
        stack.SetOrigin([corner, corner, 0.0])
        stack.SetSpacing([pixel, pixel, 1.0])
        stack.SetSize([PIXELS, PIXELS, 1])
        stack.SetConstant(0.0)
        stack.Update()
        joseph = rtk.JosephForwardProjectionImageFilter[kind, kind].New()
        joseph.InPlaceOff()
        joseph.SetInput(0, stack.GetOutput())
        joseph.SetInput(1, self.volume)
        joseph.SetGeometry(geometry)

        def run() -> np.ndarray:
            joseph.Modified()
            joseph.Update()
            return self.itk.array_view_from_image(joseph.GetOutput())[0, ::-1]

        return run


def sparse_localizer(hu: np.ndarray, ijk_to_ras: np.ndarray) -> Callable[[], np.ndarray]:
    """The localizer by a sparse matrix: rays of one slice (Joseph), times all slices."""
    from scipy.sparse import csr_array

    counts = hu.shape[::-1]
    geometry = geometry_of("AP", "localizer")
    to_index = np.linalg.inv(ijk_to_ras)
    start = to_index[:2, :3] @ geometry.source + to_index[:2, 3]
    targets = geometry.detector_points()[0] @ to_index[:2, :3].T + to_index[:2, 3]
    rows, columns, weights = [], [], []
    j = np.arange(counts[1])
    for ray, (target, point) in enumerate(zip(targets, geometry.detector_points()[0], strict=True)):
        slope = (target[0] - start[0]) / (target[1] - start[1])
        i = start[0] + (j - start[1]) * slope
        left = np.floor(i).astype(int)
        length = np.linalg.norm((point - geometry.source)[:2]) / abs(target[1] - start[1])
        for at, share in ((left, 1 - (i - left)), (left + 1, i - left)):
            inside = (at >= 0) & (at < counts[0])
            rows.append(np.full(inside.sum(), ray))
            columns.append(j[inside] * counts[0] + at[inside])
            weights.append(share[inside] * length)
    entries = np.concatenate(weights).astype(np.float32)
    at = (np.concatenate(rows), np.concatenate(columns))
    matrix = csr_array((entries, at), shape=(len(targets), counts[0] * counts[1]))
    slices = np.ascontiguousarray(mu_from_hu(hu).reshape(len(hu), -1).T)
    return lambda: matrix @ slices


PEERS = {"itk-rtk": Rtk, "plastimatch": Plastimatch, "nanodrr": NanoDrr, "diffdrr": DiffDrr}
SLOW = {"nanodrr": 2, "diffdrr": 2}
"""How many rounds are enough for those that take many seconds a view."""


def installed() -> dict[str, str]:
    """Version of each peer, or "not installed"."""
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    program = plastimatch_program()
    if program is None:
        found["plastimatch"] = "not installed"
    elif found["plastimatch"] == "not installed":
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        found["plastimatch"] = (told.stdout.split("\n")[0] or "of unknown version").strip()
    return found


def peers_of(hu: np.ndarray, ijk_to_ras: np.ndarray) -> dict:
    """Every peer that is installed, with this volume."""
    there = installed()
    return {
        name: make(hu, ijk_to_ras) for name, make in PEERS.items() if there[name] != "not installed"
    }
