"""The Python packages the work needs, installed in Slicer when first needed and agreed to."""

from __future__ import annotations

import importlib.metadata
import re
import tempfile
from importlib import resources
from pathlib import Path

import slicer
import slicer.util

REQUESTER = "BoneXray"
SLICERS_OWN = ("numpy", "scipy", "SimpleITK", "vtk", "pydicom", "pillow", "requests")
"""Packages that come with Slicer: an installation must leave them as they are."""


def requirement_lines() -> list[str]:
    """The one list of run-time packages, a requirement each."""
    text = (resources.files(__package__) / "requirements.txt").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def missing_packages() -> list[str]:
    """Requirements of which no version at all is installed."""
    missing = []
    for line in requirement_lines():
        try:
            importlib.metadata.version(re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0])
        except importlib.metadata.PackageNotFoundError:
            missing.append(line)
    return missing


def ensure_packages() -> None:
    """Install what is missing, after asking the user; nothing happens where all is there.

    Raises:
        RuntimeError: the user declined, or pip failed.
    """
    if not missing_packages():
        return
    try:
        import slicer.packaging as slicer_packaging
    except ImportError:  # Slicer before 5.12
        _ask_and_install()
        return
    requirements = slicer_packaging.load_requirements(Path(__file__).with_name("requirements.txt"))
    with tempfile.TemporaryDirectory() as folder:
        constraints = _constraints_file(Path(folder))
        slicer_packaging.pip_ensure(requirements, constraints=constraints, requester=REQUESTER)


def _ask_and_install() -> None:
    missing = missing_packages()
    text = (
        f"{REQUESTER} needs these Python packages, which are not installed yet:\n\n"
        + "\n".join(missing)
        + "\n\nInstall them now? This needs a network connection and some minutes."
    )
    if not slicer.util.confirmOkCancelDisplay(text, REQUESTER):
        raise RuntimeError(f"{REQUESTER} cannot work without {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        constraints = _constraints_file(Path(folder))
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
