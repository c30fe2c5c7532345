"""What the images of an exposure are called as files: none overwrites another."""

from __future__ import annotations

import numpy as np

from .files import untaken


def named_images(
    full: np.ndarray, bone: np.ndarray, layers: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The images of an exposure by file name: full, bone, and the layers of named bones.

    Names that are one to a file system, or are full or bone, are numbered.
    """
    images, taken = {"full": full, "bone": bone}, {"full", "bone"}
    for layer, image in named_layers(layers).items():
        images[untaken(file_name(layer), taken)] = image
    return images


def named_layers(layers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The layers, or none where the bones have no names: bone and the rest are all there is."""
    return {} if set(layers) == {"rest", "bone"} else layers


def file_name(label: str) -> str:
    """A label as a file name on every system."""
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in label).strip("._")
    return kept or "layer"
