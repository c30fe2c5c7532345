"""How much contrast medium goes from the bones, and how much bone with it.

Run with `python Testing/benchmarks/contrast.py --ct FILE --labels FILE [--plain CT …]
[--chains TOML --data-root DIR] [--json FILE]`.

* `--ct`, `--labels`: an enhanced CT and its label map in the numbers of TotalSegmentator (of the
  chest CT of the samples it is `mask.nii.gz`, beside the CT in the same package). Printed are the
  share of labelled bone from 200 HU up that stays; the share that goes of all else, and of all else
  that has a label (unlabelled are, besides vessels, heads of ribs); and the relative RMSE of the
  bone image against the bone image of the labels, without and with the removal.
* `--plain`: CTs without contrast medium: what goes is bone.
* `--chains`: a training configuration whose CTs have `heart` and `vessels` as chains of spheres:
  their soft tissue is given the HU of blood, at several levels.

Exits with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
from scipy import ndimage

from BoneXrayLib.bone import BoneConfig, Parts, bone_weight
from BoneXrayLib.contrast import coarse_contrast
from BoneXrayLib.geometry import GeometryConfig, make_geometry
from BoneXrayLib.projection import project
from BoneXrayLib.volume import Volume, read_labels, read_volume
from BoneXrayTrainingLib.regions import inside_chains

BARS = {"bone kept": 0.99, "labelled other removed": 0.93, "plain bone removed": 0.003}
BONES = [*range(25, 51), *range(69, 79), *range(91, 117)]
CARTILAGE = 118
LEVELS = ((180, 15), (230, 15), (300, 20), (400, 25), (500, 30), (350, 60))
"""HU of the blood and standard deviation of the noise, which the whole CT gets."""


def weights(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """The bone weight without and with the removal, both (k, j, i) bool."""
    before = bone_weight(volume, BoneConfig(remove_contrast=False)) > 0
    return before, bone_weight(volume, BoneConfig(remove_contrast=True)) > 0


def seconds(volume: Volume) -> float:
    """Processor time of the mask, compiled beforehand, the least of three."""
    took = []
    for _ in range(3):
        began = time.process_time()
        coarse_contrast(volume)
        took.append(time.process_time() - began)
    return min(took)


def bone_image(volume: Volume, bone: np.ndarray, view: str) -> np.ndarray:
    parts = Parts(volume.hu, volume.ijk_to_ras, bone.astype(np.uint8), None, ("rest", "bone"))
    return project(parts, make_geometry(GeometryConfig(view=view), volume.centre_ras))[1]


def labelled(ct: Path, labels: Path) -> dict:
    """Shares and image errors on a CT with labels."""
    volume, (numbers, _, _) = read_volume(ct), read_labels(labels)
    before, after = weights(volume)
    bone = np.isin(numbers, BONES)
    other = before & ~bone & (numbers != CARTILAGE)
    row = {
        "seconds": seconds(volume),
        "bone kept": after[before & bone].mean(),
        "other removed": 1 - after[other].mean(),
        "labelled other removed": 1 - after[other & (numbers > 0)].mean(),
    }
    for view in ("AP", "LAT-L"):
        truth = bone_image(volume, before & bone, view)
        for name, weight in (("before", before), ("after", after)):
            error = bone_image(volume, weight, view) - truth
            row[f"{view} {name}"] = np.sqrt((error**2).mean() / (truth**2).mean())
    return row


def plain(ct: Path) -> dict:
    """What goes from a CT without contrast medium."""
    volume = read_volume(ct)
    before, after = weights(volume)
    return {"seconds": seconds(volume), "plain bone removed": 1 - after[before].mean()}


def enhanced(volume: Volume, chains: list, level: float, noise: float) -> Volume:
    """The CT with soft tissue inside the chains at `level` HU, blurred at the edge, and noise."""
    rng = np.random.default_rng(0)
    soft = ndimage.binary_opening(ndimage.binary_closing((volume.hu > -50) & (volume.hu < 130)))
    inside = inside_chains(volume.hu.shape, volume.ijk_to_ras, chains) & soft
    share = ndimage.gaussian_filter(
        inside.astype(np.float32), [0.6 / mm for mm in volume.spacing_mm[::-1]]
    )
    hu = volume.hu + share * (level - np.clip(volume.hu, 0, 80))
    grain = ndimage.gaussian_filter(rng.normal(size=hu.shape).astype(np.float32), 0.7)
    hu += grain * (noise / grain.std()) * (volume.hu > -500)
    return Volume(np.rint(hu).astype(np.int16), volume.ijk_to_ras, volume.name)


def simulated(entry: dict, root: Path) -> dict:
    """Per level: what goes of the simulated blood, and of the CT's own bone."""
    volume = read_volume(root / entry["path"])
    bone = bone_weight(volume, BoneConfig(remove_contrast=False)) > 0
    chains = [*entry.get("heart", []), *entry.get("vessels", [])]
    # Noise over the threshold elsewhere is no blood.
    blood = inside_chains(volume.hu.shape, volume.ijk_to_ras, chains) & ~bone
    rows = {}
    for level, noise in LEVELS:
        before, after = weights(enhanced(volume, chains, level, noise))
        # Bone that the noise alone takes below the threshold is not at issue here.
        rows[f"{level} HU, noise {noise}"] = {
            "bone kept": after[before & bone].mean(),
            "blood removed": 1 - after[before & blood].mean(),
        }
    return rows


def misses(rows: object) -> list[str]:
    """The bars that any of the nested rows misses."""
    if not isinstance(rows, dict):
        return []
    found = [name for value in rows.values() for name in misses(value)]
    for name, bar in BARS.items():
        if name in rows:
            worse = rows[name] > bar if name == "plain bone removed" else rows[name] < bar
            found += [f"{name}: {rows[name]:.4f}, bar {bar}"] if worse else []
    return found


def rounded(rows: object) -> object:
    if isinstance(rows, dict):
        return {name: rounded(value) for name, value in rows.items()}
    return round(float(rows), 5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ct", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--plain", type=Path, nargs="*", default=[])
    parser.add_argument("--chains", type=Path)
    parser.add_argument("--data-root", type=Path, default=Path())
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows: dict = {}
    if args.ct and args.labels:
        rows[args.ct.name] = labelled(args.ct, args.labels)
    for path in args.plain:
        rows[f"{path.name}, as it is"] = plain(path)
    if args.chains:
        for entry in tomllib.loads(args.chains.read_text())["ct"]:
            if "heart" in entry or "vessels" in entry:
                rows[f"{entry['patient']}, simulated"] = simulated(entry, args.data_root)
    report = json.dumps(rounded(rows), indent=1)
    print(report)
    if args.json:
        args.json.write_text(report + "\n", encoding="utf-8")
    missed = misses(rows)
    print("\n".join(missed) or "all bars met", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
