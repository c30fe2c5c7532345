"""A hand of balls and rods with a label for each bone, lying in its CT in any way."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from small_model import write_small_model

from BoneXrayLib.segments.structures import WRIST, structure
from BoneXrayLib.volume import Volume
from BoneXrayLib.volume_files import write_image_file

BALLS = {
    "scaphoid": (11, 2, 8, 7), "lunate": (0, 0, 10, 7), "triquetrum": (-11, -2, 7, 6),
    "pisiform": (-13, 9, 5, 4), "trapezium": (16, 7, -8, 6), "trapezoid": (8, 0, -11, 5),
    "capitate": (-1, 0, -6, 7), "hamate": (-11, 1, -7, 7),
}  # fmt: skip
"""Of a standing right hand: middle (R, A, S) and radius [mm]."""
RODS = {"radius": (6, 0, 9), "ulna": (-14, -1, 6)}
"""Middle (R, A) and radius [mm]; from S = 20 up."""
VOXEL = 1.25


def labelled_hand(turn: np.ndarray | None = None, side: str = "right") -> tuple[Volume, np.ndarray]:
    """The CT and its labels (k, j, i), the hand turned by a matrix (3, 3) about the origin."""
    turn = np.eye(3) if turn is None else turn
    corners = np.array(np.meshgrid((-26, 26), (-18, 18), (-45, 62))).reshape(3, -1)
    half = np.ceil(np.abs(turn @ corners).max(axis=1) / VOXEL)
    count, reach = 2 * half.astype(int) + 1, half * VOXEL
    matrix = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
    matrix[:3, 3] = -reach
    k, j, i = np.indices(count[::-1])
    place = np.stack([i, j, k], axis=-1) * VOXEL - reach
    r, a, s = np.moveaxis(place @ turn, -1, 0)
    r = r if side == "right" else -r
    hu = np.where((np.hypot(r / 25, a / 16) < 1) & (np.abs(s - 8) < 52), 40, -1000)
    labels = np.zeros(hu.shape, np.uint8)
    for n, name in enumerate(WRIST, start=1):
        if name in BALLS:
            x, y, z, radius = BALLS[name]
            inside = (r - x) ** 2 + (a - y) ** 2 + (s - z) ** 2 < radius**2
        else:
            x, y, radius = RODS[name]
            inside = (np.hypot(r - x, a - y) < radius) & (s > 20) & (s < 59)
        labels[inside & (labels == 0)] = n
    hu[labels > 0] = 600
    return Volume(hu.astype(np.int16), matrix, "hand"), labels


def write_hand(folder: Path, turn: np.ndarray | None = None, side: str = "right") -> str:
    """CT and labels as files; the word that names them."""
    volume, labels = labelled_hand(turn, side)
    folder.mkdir(parents=True, exist_ok=True)
    write_image_file(folder / "ct.nrrd", volume.hu, volume.ijk_to_ras)
    write_image_file(folder / "labels.nrrd", labels, volume.ijk_to_ras)
    return f"{folder / 'ct.nrrd'},{folder / 'labels.nrrd'}"


NAMES = "".join(f'{name} = ["{n}"]\n' for n, name in enumerate(WRIST, start=1))
"""The labels' numbers as an entry of a list says them."""


def write_list(path: Path, *entries: str) -> Path:
    """A list of hands in folders beside it: `FOLDER` and further lines."""
    text = ""
    for entry in entries:
        folder, _, more = entry.partition("\n")
        text += f'[[ct]]\npath = "{folder}/ct.nrrd"\nlabels = "labels.nrrd"\n{more}\n'
        text += f"[ct.names]\n{NAMES}"
    path.write_text(text)
    return path


def write_segment_model(folder: Path, trained_on: str = "nobody") -> Path:
    """A model folder whose card names the ten bones; what answers is the test's."""
    write_small_model(folder, "fake", "segment")
    card = json.loads((folder / "card.json").read_text())
    card["outputs"] = [{"name": name} for name in WRIST]
    card["trained_on"] = {"sources": [{"name": trained_on, "licence": "MIT"}], "cts": 1}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def answer_of(masks: dict[str, np.ndarray], shape: tuple[int, int]) -> SimpleNamespace:
    """What a segmenter gives."""
    found = np.stack([masks.get(name, np.zeros(shape, bool)) for name in WRIST])
    return SimpleNamespace(structures=tuple(structure(name) for name in WRIST), masks=found)
