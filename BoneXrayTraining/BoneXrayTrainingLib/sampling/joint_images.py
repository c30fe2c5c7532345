"""Radiographs of joints with a mask of the upper and of the lower bone, from a folder or a list.

BLS-GAN (Wang et al., AAAI 2025), as its repository and loader have it: 8-bit images of 256 x 256,

    Data/Layer_seg_Dataset/{image,upper,lower,background}/NAME.{jpg,bmp}
    Dataset_cases/CASE/NAME.jpg, NAME_mask_upper.bmp, NAME_mask_lower.bmp
    Dataset_cases/background/CASE_NAME.jpg

with its lists (.json) of entries `image`, `upper`, `lower` and, in some, `background`: paths from
the list's folder or one above it. NAME begins with the patient, then _L_ or _R_.

Plain: images/NAME.png (.jpg, .tif, .bmp), masks/NAME_upper.png, masks/NAME_lower.png and, where
there are some, backgrounds/NAME.png: the image as it would be without both bones. Masks: above 0
= bone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .layer_images import density_of_brightness

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
INNER = ("Data/Layer_seg_Dataset", "Layer_seg_Dataset", "Data/Dataset_cases", "Dataset_cases")
IMAGES, BACKGROUNDS = ("image", "images"), ("background", "backgrounds")
UPPER, LOWER = "upper", "lower"
LIST = ".json"
JPEG_GREY = 127
"""Above it a grey value of a mask that was kept as JPEG is bone."""


@dataclass(frozen=True)
class JointFile:
    """One image, its two masks, and its soft tissue where that is known."""

    image: Path
    upper: Path
    lower: Path
    background: Path | None
    patient: str


@dataclass(frozen=True, eq=False)
class JointImage:
    """One joint, (rows, columns): float32 optical density, -ln(1 - brightness), and bool masks.

    `soft` is the image without both bones, or None where nobody knows.
    """

    image: np.ndarray
    upper_mask: np.ndarray
    lower_mask: np.ndarray
    soft: np.ndarray | None


def joint_files(path: str | Path) -> tuple[JointFile, ...]:
    """The joints of a folder, or of a list (.json), by name.

    Raises:
        FileNotFoundError, ValueError: not there, no known layout, or a mask that is missing.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"data: {path} does not exist; expected a folder of joint images")
    if path.suffix.lower() == LIST:
        return _of_list(path)
    inner = next((path / name for name in INNER if (path / name).is_dir()), path)
    for root in (inner, path):
        found = _of_folders(root) or _plain(root) or _cases(root)
        if found:
            return tuple(sorted(found, key=lambda f: str(f.image)))
    raise ValueError(
        f"data: {path} holds no joint images; expected images/NAME.png with masks/NAME_upper.png "
        "and masks/NAME_lower.png, or BLS-GAN's folders or list (.json)"
    )


def read_joint(file: JointFile, is_bone_dark: bool = False) -> JointImage:
    """One joint's image, masks and soft tissue; `is_bone_dark` says how the files hold them.

    Raises:
        ValueError: an unreadable picture, or one of another size than the image.
    """
    image = read_grey(file.image)
    rest = {p: read_grey(p) for p in (file.upper, file.lower, file.background) if p is not None}
    for path, pixels in rest.items():
        if pixels.shape != image.shape:
            raise ValueError(
                f"data: {path.name}: shape {pixels.shape}; expected that of {file.image.name}, "
                f"{image.shape}"
            )
    soft = None if file.background is None else _density(rest[file.background], is_bone_dark)
    upper, lower = (_mask(rest[p], p) for p in (file.upper, file.lower))
    return JointImage(_density(image, is_bone_dark), upper, lower, soft)


def _of_list(path: Path) -> tuple[JointFile, ...]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"data: {path.name}: no JSON list ({error})") from None
    keys = ("image", UPPER, LOWER)
    is_list = isinstance(entries, list) and entries
    if not is_list or not all(
        isinstance(e, dict) and all(isinstance(e.get(k), str) for k in keys) for e in entries
    ):
        raise ValueError(f"data: {path.name}: expected a list of entries with image, upper, lower")
    first = entries[0]["image"]
    root = next((p for p in path.absolute().parents if (p / first).is_file()), None)
    if root is None:
        raise ValueError(f"data: {path.name}: {first} is not beside the list or above it")
    found = []
    for entry in entries:
        image = root / entry["image"]
        said = entry.get("background", "")
        background = root / said if said else _background(image)
        file = JointFile(
            image, root / entry[UPPER], root / entry[LOWER], background, patient_of(image.stem)
        )
        _check_there(file)
        found.append(file)
    return tuple(found)


def _of_folders(root: Path) -> list[JointFile]:
    """image/, upper/, lower/ beside each other."""
    images = next((root / name for name in IMAGES if (root / name).is_dir()), None)
    if images is None or not all((root / side).is_dir() for side in (UPPER, LOWER)):
        return []
    masks = {side: _pictures(root / side) for side in (UPPER, LOWER)}
    return [
        _file(image, masks[UPPER].get(name), masks[LOWER].get(name), _background(image), name)
        for name, image in _pictures(images).items()
    ]


def _plain(root: Path) -> list[JointFile]:
    """images/ and masks/."""
    images = next((root / name for name in IMAGES if (root / name).is_dir()), None)
    if images is None or not (root / "masks").is_dir():
        return []
    masks = _pictures(root / "masks")
    if not any(name.endswith((f"_{UPPER}", f"_{LOWER}")) for name in masks):
        return []
    return [
        _file(image, masks.get(f"{name}_{UPPER}"), masks.get(f"{name}_{LOWER}"),
              _background(image), name)
        for name, image in _pictures(images).items()
    ]  # fmt: skip


def _cases(root: Path) -> list[JointFile]:
    """A folder a case, and background/ beside them."""
    folders = [p for p in sorted(root.iterdir()) if p.is_dir() and p.name not in BACKGROUNDS]
    grounds = next((_pictures(root / n) for n in BACKGROUNDS if (root / n).is_dir()), {})
    found = []
    for case in folders:
        pictures = _pictures(case)
        for name, image in pictures.items():
            upper, lower = (pictures.get(f"{name}_mask_{side}") for side in (UPPER, LOWER))
            if upper is not None or lower is not None:
                ground = grounds.get(f"{case.name}_{name}")
                found.append(_file(image, upper, lower, ground, case.name))
    return found


def _file(
    image: Path, upper: Path | None, lower: Path | None, background: Path | None, name: str
) -> JointFile:
    if upper is None or lower is None:
        side = UPPER if upper is None else LOWER
        raise ValueError(f"data: {image.name} has no mask of its {side} bone")
    return JointFile(image, upper, lower, background, patient_of(name))


def patient_of(name: str) -> str:
    """Whose a joint is: what comes before _L_ or _R_, or all of the name."""
    return re.split(r"_[LR](?:_|$)", name)[0]


def _background(image: Path) -> Path | None:
    """The picture of the same name in the folder of backgrounds beside the image's."""
    for name in BACKGROUNDS:
        folder = image.parent.parent / name
        for suffix in (image.suffix, *SUFFIXES):
            if (folder / f"{image.stem}{suffix}").is_file():
                return folder / f"{image.stem}{suffix}"
    return None


def _check_there(file: JointFile) -> None:
    for path in (file.image, file.upper, file.lower, file.background):
        if path is not None and not path.is_file():
            raise FileNotFoundError(f"data: {path} does not exist; expected a picture")


def _pictures(folder: Path) -> dict[str, Path]:
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    return {p.stem: p for p in found}


def read_grey(path: Path) -> np.ndarray:
    """Grey values (rows, columns) uint8 of a picture.

    Raises:
        ValueError: no readable picture.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"data: {path.name}: not a readable picture ({error})") from None


def _mask(grey: np.ndarray, path: Path) -> np.ndarray:
    is_jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    return grey > (JPEG_GREY if is_jpeg and grey.max() > 1 else 0)


def _density(grey: np.ndarray, is_bone_dark: bool) -> np.ndarray:
    bright = 255 - grey if is_bone_dark else grey
    return density_of_brightness(bright / np.float32(255)).astype(np.float32)
