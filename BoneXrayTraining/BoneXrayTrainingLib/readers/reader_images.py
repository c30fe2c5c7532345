"""Images for a reader study: found by case, shown as 8-bit grey, plainly spoilt for decoys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from BoneXrayLib.display import display_window, to_grey
from BoneXrayLib.picture_files import SUFFIXES, is_picture, read_picture
from BoneXrayLib.radiograph import read_radiograph

KINDS = (*SUFFIXES, ".dcm", ".nrrd")


def images_of(source: str, argument: str) -> dict[str, Path]:
    """The images of a condition by the name of their case.

    Args:
        source: a folder, where a case is called as its file without the suffix; or a pattern with
            one `*`, such as `results/*/enhanced.png`, where it is called what the `*` stands for.
        argument: what to call the source in an error.

    Raises:
        ValueError: nothing is found, or two images have one name.
    """
    if source.count("*") > 1:
        raise ValueError(f"{argument}: got {source}; expected a folder, or a pattern with one *")
    found: dict[str, Path] = {}
    for name, path in _named(source):
        if name in found:
            raise ValueError(f"{argument}: {found[name].name} and {path.name} are both {name!r}; "
                             "expected one image a case")  # fmt: skip
        found[name] = path
    if not found:
        raise ValueError(f"{argument}: {source} holds no image; expected {', '.join(KINDS)}")
    return found


def _named(source: str) -> Iterator[tuple[str, Path]]:
    """The images of a source with the names of their cases, in order."""
    parts = Path(source).parts
    star = next((n for n, part in enumerate(parts) if "*" in part), len(parts))
    root, rest = Path(*parts[:star]), parts[star:] or ("*",)
    before, after = rest[0].split("*")
    for path in sorted(root.glob("/".join(rest))) if root.is_dir() else ():
        if path.is_file() and path.suffix.lower() in KINDS:
            part = path.relative_to(root).parts[0]
            name = part[len(before) : len(part) - len(after)]
            yield (Path(name).stem if len(rest) == 1 and not after else name), path


def common_cases(conditions: Mapping[str, Mapping[str, Path]]) -> list[str]:
    """The cases, which every condition must have; a ValueError names the first that one lacks."""
    every = sorted({case for images in conditions.values() for case in images})
    for name, images in conditions.items():
        lacking = [case for case in every if case not in images]
        if lacking:
            raise ValueError(
                f"{name}: has no image of {lacking[0]!r} ({len(lacking)} of {len(every)} are "
                "missing); expected the same cases in every condition"
            )
    return every


def grey_of(path: Path) -> np.ndarray:
    """An image as readers see it, (rows, columns) uint8.

    8- and 16-bit pictures as they are; DICOM and NRRD radiographs bone bright, in the window that
    shows them well.
    """
    if is_picture(path):
        pixels, _ = read_picture(path)
        top = 255 if pixels.max() <= 255 else 65535
        return to_grey(pixels, 0, top)
    pixels = read_radiograph(path).pixels
    return to_grey(pixels, *display_window(pixels))


def spoilt(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A plainly bad version of an image, same shape, uint8: blurred, flat and noisy."""
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(image.astype(np.float32), max(image.shape) / 20)
    noisy = 110 + 0.25 * (blurred - blurred.mean()) + rng.normal(0, 45, image.shape)
    return np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)
