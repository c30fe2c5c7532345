"""Peers of `projection.py` that take seconds a view: plastimatch, nanodrr and DiffDRR.

Each is made from HU (k, j, i) and ijk_to_ras (4, 4); `projector(geometry)` gives a function
that projects anew, (rows, columns) line integrals of μ with row 0 on top. The volume is handed
over as attenuation, so that no peer converts HU in its own way.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from BoneXrayLib.attenuation import mu_from_hu
from BoneXrayLib.geometry import Geometry

SAMPLES = 500
"""Along each ray, what nanodrr and DiffDRR take when they are told nothing."""
STRIPS = 16
"""Pieces of the detector, one after the other: of all at once the samples take gigabytes."""
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


class Plastimatch:
    """plastimatch's exact path through voxels; a program of its own, that times itself."""

    def __init__(self, hu: np.ndarray, ijk_to_ras: np.ndarray) -> None:
        import SimpleITK as sitk

        self.program = plastimatch_program()
        self.folder = tempfile.TemporaryDirectory()
        matrix = RAS_TO_LPS[:, None] * ijk_to_ras[:3, :3]
        spacing = np.linalg.norm(matrix, axis=0)
        image = sitk.GetImageFromArray(mu_from_hu(hu))
        image.SetSpacing(spacing.tolist())
        image.SetDirection((matrix / spacing).ravel().tolist())
        image.SetOrigin((RAS_TO_LPS * ijk_to_ras[:3, 3]).tolist())
        sitk.WriteImage(image, str(Path(self.folder.name) / "volume.mha"))

    def projector(self, geometry: Geometry) -> Callable[[], np.ndarray]:
        """A function that runs the program and says in `own_seconds` how long it projected."""
        towards_tube = geometry.source - geometry.isocentre
        distance = np.linalg.norm(towards_tube)
        size, pixel = geometry.size, geometry.pixel_mm
        options = {
            "--algorithm": "exact",
            "--hu-conversion": "none",
            "--output-format": "pfm",
            "--dim": _words(size),
            "--detector-size": _words(np.multiply(size, pixel)),
            "--sad": str(distance),
            "--sid": str(geometry.source_detector_mm),
            "--isocenter": _words(RAS_TO_LPS * geometry.isocentre),
            "--nrm": _words(RAS_TO_LPS * towards_tube / distance),
            "--vup": _words(RAS_TO_LPS * -geometry.row_axis),
            "--input": "volume.mha",
            "--output": "view",
        }
        command = [str(self.program), "drr", *(word for pair in options.items() for word in pair)]

        def run() -> np.ndarray:
            done = subprocess.run(
                command, cwd=self.folder.name, capture_output=True, text=True, check=True
            )
            spent = re.search(r"Total time:\s*([\d.]+)", done.stdout)
            if spent is None:
                raise ValueError(f"plastimatch: no 'Total time' in {done.stdout!r}")
            run.own_seconds = float(spent.group(1))
            path = Path(self.folder.name) / "view0000.pfm"
            values = path.read_bytes().split(b"\n", 3)[3]
            # Its lengths are in centimetres.
            return np.frombuffer(values, "<f4").reshape(size) * np.float32(10.0)

        run.command = command
        return run


def plastimatch_program() -> str | None:
    """Where plastimatch is: beside this Python, or on the PATH."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which("plastimatch", path=places)


def _words(numbers: np.ndarray | tuple) -> str:
    return " ".join(str(float(n)) if n != int(n) else str(int(n)) for n in numbers)


class NanoDrr:
    """nanodrr's renderer, on the CPU."""

    def __init__(self, hu: np.ndarray, ijk_to_ras: np.ndarray) -> None:
        import torch
        from nanodrr.data import Subject

        values = torch.from_numpy(mu_from_hu(hu))[None, None]
        size = torch.tensor(hu.shape[::-1], dtype=torch.float32)
        to_grid = torch.diag(torch.cat([2.0 / size, torch.ones(1)]))
        to_grid[:3, 3] = 1.0 / size - 1.0
        to_world = torch.from_numpy(ijk_to_ras)
        places = (to_world.float(), to_world.inverse().float(), to_grid, torch.zeros(3))
        self.subject = Subject(values, values, *places, 0, convert_to_mu=False)

    def projector(self, geometry: Geometry) -> Callable[[], np.ndarray]:
        """A function that projects anew."""
        import torch
        from nanodrr.drr import render

        source, strips = _rays(geometry)
        camera = (torch.eye(3)[None], torch.eye(4)[None], torch.ones(1))

        def run() -> np.ndarray:
            with torch.no_grad():
                found = [
                    render(self.subject, *camera, 1, strip.shape[1], SAMPLES, src=source, tgt=strip)
                    for strip in strips
                ]
            return torch.cat(found, dim=-1).reshape(geometry.size).numpy()

        return run


class DiffDrr:
    """DiffDRR's trilinear renderer, on the CPU."""

    def __init__(self, hu: np.ndarray, ijk_to_ras: np.ndarray) -> None:
        import torch
        from diffdrr.drr import DRR

        values = torch.from_numpy(mu_from_hu(hu)).permute(2, 1, 0)
        subject = SimpleNamespace(
            volume=SimpleNamespace(affine=ijk_to_ras),
            density=SimpleNamespace(data=values),
            mask=None,
            reorient=torch.eye(4),
        )
        # Detector and pose of its own are not used: it gets our rays.
        self.drr = DRR(subject, sdd=1000.0, height=2, delx=1.0, renderer="trilinear")

    def projector(self, geometry: Geometry) -> Callable[[], np.ndarray]:
        """A function that projects anew."""
        import torch

        source, strips = _rays(geometry)

        def run() -> np.ndarray:
            with torch.no_grad():
                found = [
                    self.drr.render(self.drr.density, source, strip, n_points=SAMPLES)
                    for strip in strips
                ]
            return torch.cat(found, dim=-1).reshape(geometry.size).numpy()

        return run


def _rays(geometry: Geometry) -> tuple:
    """The source (1, 1, 3), and pixels in strips of (1, n, 3), RAS mm: tensors float32."""
    import torch

    source = torch.from_numpy(geometry.source).float()[None, None]
    targets = torch.from_numpy(geometry.detector_points()).float().reshape(1, -1, 3)
    return source, targets.chunk(STRIPS, dim=1)
