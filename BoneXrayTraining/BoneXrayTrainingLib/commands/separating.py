"""The command that pulls the bones of a radiograph apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from BoneXrayLib.layers import SeparateConfig

from ..console import Reporter, check_output
from .base import Command, Output


@dataclass
class RunSeparate(Command):
    """Pull overlapping bones of a radiograph apart: a layer each, and what is left without them.

    Without --masks or --segment, IMAGE should be one joint standing upright: the model finds the
    bone above and the one below. With them it may be any radiograph with any number of bones.

    Writes into DIR: BONE.nrrd for each bone and soft.nrrd (float32, in the image's own units; their
    sum is the image), BONE.png, BONE-alone.png (as if the other bones were not there), soft.png and
    input.png, overlap.png (outlines and what bones share), masks.seg.nrrd (for 3D Slicer) and
    layers.json (areas and shared areas in mm², in pixels² where the pixel size is unknown, and
    everything that was used). Warns of what looks like no radiograph.
    """

    image: Positional[Annotated[Path, arg(metavar="IMAGE")]]
    """Radiograph: DICOM (CR, DX, localizer), PNG, JPEG, TIFF, or a .nrrd written by `drr` (optical
    density)."""
    output: Output
    """Folder for the results; made if it is not there."""
    config: Annotated[SeparateConfig, arg(name="")] = field(default_factory=SeparateConfig)

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.files import existing_path
        from BoneXrayLib.layer_files import layer_record, write_layers
        from BoneXrayLib.layers import separate
        from BoneXrayLib.models import find_model
        from BoneXrayLib.radiograph import read_radiograph
        from BoneXrayLib.separating.layer_questions import find_separator

        folder = check_output(self.output)
        if self.config.masks is not None:
            existing_path(self.config.masks, "masks")
        model = find_separator(self.config.model)
        if self.config.segment:
            find_model(self.config.segment, "segment")
        report.progress(0.0, f"reading {self.image.name}")
        pixel, polarity = self.config.pixel, self.config.polarity
        radiograph = read_radiograph(self.image, pixel_mm=pixel, polarity=polarity)
        found = separate(radiograph, self.config, model=model, progress=report.progress)
        record = layer_record(found, self.config, model, self.image.name)
        files = write_layers(found, folder, record)
        names = ", ".join(found.names)
        report.result(f"{radiograph.name} pulled apart by {found.model}: {names}", files,
                      radiograph.notes, warnings=found.warnings)  # fmt: skip
