"""Commands that measure in what the others made: joint spaces of separated bones."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from BoneXrayLib.joints.joint_space_config import JointConfig

from ..console import Reporter, check_output, table
from .base import Command, OptionalFolder, Output


@dataclass
class MeasureJointSpace(Command):
    """Measure the width of a joint space [mm], and how much it narrowed to a second visit.

    Writes into DIR: joint-space.csv (the width [mm] along the joint, negative where the bones
    overlap, and both margins [px]), joint-space.json (mean and smallest width; with --second the
    narrowing [mm] with its 95 % interval, and how each bone moved [mm, degrees]) and
    joint-space.png (margins and widths over the image). Lengths are those at the detector.
    """

    layers: Positional[Annotated[Path, arg(metavar="LAYERS_DIR")]]
    """Folder that `run separate` wrote; or one with upper and lower (.nrrd, .png or .tif: a layer
    each, 0 beside the bone), and upper-mask.png and lower-mask.png where that is not so."""
    output: Output
    """Folder for the results; made if it is not there."""
    second: OptionalFolder = None
    """Such a folder of the same joint at a later visit."""
    upper: Annotated[str, arg(metavar="NAME")] = ""
    """Bone on one side of the joint, where the layers are of more than two."""
    lower: Annotated[str, arg(metavar="NAME")] = ""
    """Bone on its other side."""
    pixel: Annotated[float | None, arg(metavar="MM")] = None
    """Pixel size at the detector [mm] of both visits, for layers that do not say it."""
    config: Annotated[JointConfig, arg(name="")] = field(default_factory=JointConfig)

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.joints.joint_space import narrowing, space_of
        from BoneXrayLib.joints.joint_space_files import write_joint_space
        from BoneXrayLib.joints.joint_visit import read_joint

        folder = check_output(self.output)
        if self.pixel is not None and not 0.001 <= self.pixel <= 10:
            raise ValueError(f"pixel: got {self.pixel!r}; expected 0.001 to 10 mm")
        report.progress(0.0, "reading layers")
        places = [self.layers, *([] if self.second is None else [self.second])]
        visits = tuple(read_joint(p, self.upper, self.lower, self.pixel) for p in places)
        report.progress(0.2, "measuring")
        record = {
            "layers": [place.name for place in places],
            "config": dataclasses.asdict(self.config),
        }
        if self.second is None:
            found = space_of(visits[0].layers, self.config)
            spaces, lines = (found,), []
        else:
            found = narrowing(visits[0].layers, visits[1].layers, self.config)
            spaces, low, high = (found.first, found.second), *found.interval_mm
            lines = [("narrowing", f"{found.narrowing_mm:.3f} mm (95 %: {low:.3f} to {high:.3f})")]
        for visit, space in zip(visits, spaces, strict=True):
            text = f"mean {space.mean_mm:.3f} mm, smallest {space.minimum_mm:.3f} mm"
            lines.append((visit.name, text))
        files = write_joint_space(folder, visits, found, record)
        names = " and ".join(visits[0].layers.names)
        notes = dict.fromkeys(note for visit in visits for note in visit.notes)
        report.result(f"Joint space of {names}", files, notes, table(lines))
