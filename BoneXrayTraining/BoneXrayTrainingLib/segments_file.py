"""Label maps with names as a segmentation that Slicer opens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from BoneXrayLib.files import written_whole
from BoneXrayLib.segments.structures import structure
from BoneXrayLib.volume_files import write_image_file

SUFFIX = ".seg.nrrd"


def checked_segments_file(path: Path) -> Path:
    """The path, refused before the work is done where nothing can be written to it.

    Raises:
        ValueError: another suffix, or a folder that is not there.
    """
    path = path.expanduser()
    if not path.name.lower().endswith(SUFFIX) or path.is_dir():
        raise ValueError(f"output: {path}; expected the name of a {SUFFIX} file")
    if not path.parent.is_dir():
        raise ValueError(f"output: folder {path.parent} does not exist; expected an existing one")
    return path


def write_segments(
    path: Path, labels: np.ndarray, ijk_to_ras: np.ndarray, names: Mapping[int, str]
) -> None:
    """Write labels (k, j, i) as one layer of named, coloured segments, whole or not at all."""
    extent = f"0 {labels.shape[2] - 1} 0 {labels.shape[1] - 1} 0 {labels.shape[0] - 1}"
    keys = {
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    for number, (value, name) in enumerate(names.items()):
        colour = [level / 255 for level in structure(name).colour]
        segment = f"Segment{number}_"
        keys[segment + "ID"] = f"Segment_{value}"
        keys[segment + "Name"] = name
        keys[segment + "Color"] = " ".join(f"{share:.3f}" for share in colour)
        keys[segment + "Layer"] = "0"
        keys[segment + "LabelValue"] = str(value)
        keys[segment + "Extent"] = extent
    with written_whole(path) as beside:
        write_image_file(beside, labels, ijk_to_ras, keys)
