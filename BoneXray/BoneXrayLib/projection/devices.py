"""Where to project: on the CPU with our kernels, or on a GPU through nanodrr where there is one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..attenuation import MU_WATER_70KEV, check_mu_water
from ..bone import Parts
from ..files import one_line
from ..geometry import Geometry
from ..geometry_config import one_of
from ..progress import Cancelled, IsCancelled
from .entry import project, project_prepared
from .prepared import PreparedParts

if TYPE_CHECKING:
    from .gpu import UploadedParts

Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")
CPU = "cpu"
OLDEST_NANODRR = (0, 1, 7)
"""The first with labels that go with the voxels."""

logger = logging.getLogger(__name__)


def obstacle() -> str | None:
    """What keeps projection from the GPU, in words; None where nothing does.

    Imports torch only where nanodrr is installed.
    """
    try:
        found = version("nanodrr")
    except PackageNotFoundError:
        return "nanodrr is not installed"
    if tuple(int(n) for n in found.split(".")[:3] if n.isdecimal()) < OLDEST_NANODRR:
        oldest = ".".join(map(str, OLDEST_NANODRR))
        return f"nanodrr {found} is installed; expected {oldest} or newer"
    try:
        import torch
    except (ImportError, OSError) as error:
        return f"torch cannot be imported: {one_line(error)}"
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    return None


def available() -> bool:
    """Whether a GPU can be used."""
    return obstacle() is None


def used_device(choice: str = "auto") -> str:
    """What a choice comes to here: "cpu", or "cuda:0 (name of the GPU)".

    Raises:
        ValueError: no such choice, or "cuda" where no GPU can be used.
    """
    one_of("device", choice, DEVICES)
    if choice == CPU:
        return CPU
    reason = obstacle()
    if reason is None:
        import torch

        number = torch.cuda.current_device()
        return f"cuda:{number} ({torch.cuda.get_device_name(number)})"
    if choice == "cuda":
        raise ValueError(f"device: got 'cuda', but {reason}; expected 'auto' or 'cpu' here")
    return CPU


def project_on(
    parts: Parts | PreparedParts,
    geometry: Geometry,
    device: str = "auto",
    mu_water: float = MU_WATER_70KEV,
    progress: Callable[[float, str], None] | None = None,
    is_cancelled: IsCancelled | None = None,
    uploaded: UploadedParts | None = None,
) -> tuple[np.ndarray, str]:
    """`project`, on the device of choice; and which it was, as `used_device` says it.

    A GPU that fails, for want of memory or else, is left for the CPU, and a warning is logged.
    `uploaded`: the same parts, on the GPU already.

    Raises:
        ValueError: `mu_water` is not a positive number; no such device.
        Cancelled: `is_cancelled()` became true.
    """
    check_mu_water(mu_water)
    used = used_device(device)
    if used != CPU:
        try:
            return _on_gpu(uploaded or parts, geometry, mu_water, progress, is_cancelled), used
        except Cancelled:
            raise
        except Exception as error:  # memory, driver, compiler: each fault has a class of its own
            logger.warning("%s failed, so the CPU projects: %s", used, one_line(error))
        _release_gpu_memory()
    if isinstance(parts, PreparedParts):
        return project_prepared(parts, geometry, mu_water, progress, is_cancelled), CPU
    return project(parts, geometry, mu_water, progress, is_cancelled), CPU


def _on_gpu(
    parts: Parts | PreparedParts | UploadedParts,
    geometry: Geometry,
    mu_water: float,
    progress: Callable[[float, str], None] | None,
    is_cancelled: IsCancelled | None,
) -> np.ndarray:
    from .gpu import project_gpu

    return project_gpu(parts, geometry, mu_water, progress, is_cancelled)


def _release_gpu_memory() -> None:
    """Give back what torch keeps for later; the GPU may not answer any more."""
    import torch

    try:
        torch.cuda.empty_cache()
    except RuntimeError as error:
        logger.debug("no memory given back: %s", one_line(error))


class ReadyParts:
    """Parts for many views on whichever device: copied to a GPU once, when first used there."""

    def __init__(self, prepared: PreparedParts) -> None:
        self.prepared = prepared
        self._uploaded: UploadedParts | None = None
        self._fits = True

    def project(
        self,
        geometry: Geometry,
        device: str = "auto",
        progress: Callable[[float, str], None] | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> tuple[np.ndarray, str]:
        """As `project_on`. Where the parts did not fit into the GPU's memory, the CPU projects."""
        if self._uploaded is None and self._fits and used_device(device) != CPU:
            self._upload()
        return project_on(
            self.prepared,
            geometry,
            device if self._fits else CPU,
            progress=progress,
            is_cancelled=is_cancelled,
            uploaded=self._uploaded,
        )

    def _upload(self) -> None:
        from .gpu import upload

        try:
            self._uploaded = upload(self.prepared)
        except Exception as error:  # as in `project_on`
            logger.warning("not copied to the GPU, so the CPU projects: %s", one_line(error))
            self._fits = False
            _release_gpu_memory()
