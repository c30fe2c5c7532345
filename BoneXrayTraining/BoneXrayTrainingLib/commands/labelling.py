"""Command that names the bones of a CT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ..console import Reporter
from .base import Command


@dataclass
class LabelCt(Command):
    """Name the bones of a CT after surface meshes that are laid over them.

    A start file says where a few of the bones lie, roughly: points of the CT [R, A, S] in mm by
    mesh name. Writes a .seg.nrrd with a segment for each bone. Look at it before it is used.
    """

    ct: Positional[Annotated[Path, arg(metavar="CT")]]
    """CT: folder of DICOM slices, or a .nii.gz, .nrrd or .mha file in Hounsfield units."""
    meshes: Annotated[Path, arg(metavar="FILE")]
    """Meshes: an .npz of NAME.vertices (N, 3) [mm] and NAME.faces (M, 3)."""
    start: Annotated[Path, arg(metavar="TOML")]
    """Start file: points, and which meshes of which side."""
    output: Annotated[Path, arg(aliases=("-o",), metavar="SEG")]
    """The .seg.nrrd to write."""
    fitted: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the meshes as they were laid over the bones, too: an .npz in RAS, of the same side."""
    series: Annotated[str | None, arg(metavar="N|UID")] = None
    """Which DICOM series, where a folder holds several: its number or UID."""

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.volume import read_volume

        from ..atlas import label_by_meshes, read_start
        from ..atlas.meshes_file import checked_meshes_file, write_meshes
        from ..mesh_ct import prepared, read_patient
        from ..segments_file import checked_segments_file, write_segments

        output = checked_segments_file(self.output)
        fitted = None if self.fitted is None else checked_meshes_file(self.fitted)
        start = read_start(self.start)
        bones = prepared(read_patient(self.meshes, start.mesh), start.mesh)
        meshes = [bone.mesh for bone in bones]
        report.progress(0.0, f"reading {self.ct.name}")
        volume = read_volume(self.ct, self.series)
        found = label_by_meshes(volume, meshes, start, report.progress)
        write_segments(output, found.labels, volume.ijk_to_ras, found.names)
        files = {"segments": output}
        if fitted is not None:
            files["meshes"] = write_meshes(fitted, found.meshes)
        bones = f"{len(found.names)} bones of {volume.name}"
        lines = [f"  {', '.join(found.names.values())}"]
        report.result(bones, files, (*volume.notes, *found.notes), lines)
