"""The Python packages the work needs, installed in Slicer when first needed and agreed to."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import tempfile
from pathlib import Path

import slicer
import slicer.util

REQUESTER = "BoneXray"
SLICERS_OWN = ("numpy", "scipy", "SimpleITK", "vtk", "pydicom", "pillow", "requests")
"""Packages that come with Slicer: an installation must leave them as they are."""

TRAINING_PACKAGES = ("monai>=1.3", "onnx>=1.16")
"""What training needs besides, without torch."""


def requirement_lines() -> list[str]:
    """The one list of run-time packages, a requirement each."""
    text = (Path(__file__).parents[1] / "requirements.txt").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def missing_packages(extra: tuple[str, ...] = ()) -> list[str]:
    """Requirements of which no version at all is installed; Slicer's own are taken as there."""
    missing = []
    for line in (*requirement_lines(), *extra):
        name = re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0]
        if name not in SLICERS_OWN and not _is_installed(name):
            missing.append(line)
    return missing


_found: set[str] = set()


def _is_installed(name: str) -> bool:
    """Whether a package is there. One that was is not looked for again: sliders ask, too."""
    if name not in _found:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return False
        _found.add(name)
    return True


def ensure_packages(extra: tuple[str, ...] = ()) -> None:
    """Install what is missing, after asking the user; nothing happens where all is there.

    Raises:
        RuntimeError: the user declined, or pip failed.
    """
    missing = missing_packages(extra)
    if not missing:
        return
    with tempfile.TemporaryDirectory() as folder:
        constraints = _constraints_file(Path(folder))
        try:
            import slicer.packaging as slicer_packaging
        except ImportError:  # Slicer before 5.12
            _ask_and_install(missing, constraints)
        else:
            slicer_packaging.pip_ensure(missing, constraints=constraints, requester=REQUESTER)
    still = missing_packages(extra)
    if still:
        raise RuntimeError(f"{REQUESTER} cannot work without {', '.join(still)}")


def _ask_and_install(missing: list[str], constraints: Path) -> None:
    text = (
        f"{REQUESTER} needs these Python packages, which are not installed yet:\n\n"
        + "\n".join(missing)
        + "\n\nInstall them now? This needs a network connection and some minutes."
    )
    if slicer.util.confirmOkCancelDisplay(text, REQUESTER):
        slicer.util.pip_install([*missing, "-c", str(constraints)])


def _constraints_file(folder: Path) -> Path:
    """Pins Slicer's own packages to the versions that are installed."""
    pins = []
    for name in SLICERS_OWN:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if re.fullmatch(r"[0-9.]+", version):  # a build of Slicer's own has no such release
            pins.append(f"{name}=={version}")
    path = folder / "constraints.txt"
    path.write_text("\n".join(pins) + "\n", encoding="utf-8")
    return path


def ensure_training_packages() -> None:
    """As `ensure_packages`, and what training needs besides; torch by its own extension.

    Raises:
        RuntimeError: the user declined, pip failed, or the extension PyTorch is not installed.
    """
    ensure_torch()
    ensure_packages(TRAINING_PACKAGES)


def ensure_torch() -> None:
    """Have torch installed by the extension PyTorch, which picks the build for the computer's GPU.

    Raises:
        RuntimeError: the extension is missing, or the user declined.
    """
    if importlib.util.find_spec("torch") is not None:
        return
    try:
        import PyTorchUtils
    except ImportError:
        raise RuntimeError(
            "Training needs PyTorch. Install the extension PyTorch with the Extensions Manager, "
            "restart Slicer and try again."
        ) from None
    if PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True) is None:
        raise RuntimeError("Training cannot work without PyTorch.")
