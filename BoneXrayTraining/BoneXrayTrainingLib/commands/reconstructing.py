"""The command that rebuilds bones of a leg in 3D, and the one that measures how well."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from BoneXrayLib.legs.leg_config import LegConfig

from ..console import Failed, Reporter, check_output, check_output_file, table
from ..evaluating_legs.reconstruction_asked import ReconstructionTest
from .base import Command, OptionalFolder, OptionalOutput, Output

if TYPE_CHECKING:
    from BoneXrayLib.leg_features import LegFeatures
    from BoneXrayLib.legs.leg_geometry import Shot
    from BoneXrayLib.legs.leg_reconstruction import RebuiltLeg
    from BoneXrayLib.radiograph import Radiograph


@dataclass
class RunReconstruct(Command):
    """Rebuild femur and tibia in 3D from one or two radiographs of a leg.

    Where tube and detector stood is taken from --views, from a .nrrd that `drr` wrote, from DICOM,
    or as typed; two views of one leg share a frame (RAS mm). What lengths mean without a pixel
    size is said in the notes.

    Writes into DIR: BONE-SIDE.stl (RAS mm) and BONE-SIDE.npz (vertices, faces, and the standard
    deviation of each vertex [mm]), contours-N.png (the bones over image N), features-N.json (what
    was found; change it and give it back by --features) and reconstruction.json (pose, shape,
    uncertainty, residuals, verdict, refined geometries, lengths [mm] and angles [degrees] with
    standard errors). A fit that is not to be believed is said so, and ends with exit code 1.
    """

    images: Positional[Annotated[tuple[Path, ...], arg(metavar="IMAGE [IMAGE]")]]
    """One radiograph, or two of the same leg, the better known one first: DICOM, PNG, JPEG, TIFF,
    or a .nrrd written by `drr`."""
    output: Output
    """Folder for the results; made if it is not there."""
    views: Annotated[tuple[Path, ...], arg(metavar="FILE [FILE]")] = ()
    """Pose of each image: a drr.json, a 3 x 4 projection matrix, or a DICOM XA image."""
    features: Annotated[tuple[Path, ...], arg(metavar="FILE.json [FILE.json]")] = ()
    """Features of each image, instead of those that the network finds."""
    config: Annotated[LegConfig, arg(name="")] = field(default_factory=LegConfig)

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.legs.leg_files import leg_record, write_leg
        from BoneXrayLib.legs.leg_reconstruction import check_images, reconstruct_leg, shape_models

        folder = check_output(self.output)
        check_images(len(self.images), self.config)
        for name, given in (("views", self.views), ("features", self.features)):
            if given and len(given) != len(self.images):
                raise ValueError(f"{name}: got {len(given)}; expected one for each image")
        models = list(shape_models(self.config).values())
        self._check_finder()
        report.progress(0.0, "reading radiographs")
        radiographs, shots, features = self._read()
        leg = reconstruct_leg(radiographs, self.config, features or None, shots, models,
                              report.progress)  # fmt: skip
        record = leg_record(self.config, [p.name for p in self.images],
                            [p.name for p in self.features])  # fmt: skip
        _report(leg, write_leg(leg, folder, record), report)

    def _check_finder(self) -> None:
        """Before anything is read: features are given, or there is a model that finds them."""
        from BoneXrayLib.models import find_model

        if self.features:
            return
        try:
            find_model(self.config.finder, "features")
        except ValueError as error:
            raise ValueError(f"features: none given, and no model to find them: {error}") from None

    def _read(self) -> tuple[list[Radiograph], list[Shot], list[tuple[LegFeatures, ...]]]:
        """The images, what is known of how they were taken, and the features that were given."""
        from BoneXrayLib.legs.leg_feature_files import read_features
        from BoneXrayLib.legs.leg_geometry import read_shot
        from BoneXrayLib.radiograph import read_radiograph

        radiographs = [
            read_radiograph(image, self.config.pixel, self.config.polarity) for image in self.images
        ]
        poses = self.views or (None,) * len(self.images)
        shots = [read_shot(*each) for each in zip(self.images, radiographs, poses, strict=True)]
        features = [
            read_features(file, (r.pixels.shape[0], r.pixels.shape[1]))
            for file, r in zip(self.features, radiographs, strict=False)
        ]
        return radiographs, shots, features


def _report(leg: RebuiltLeg, files: dict[str, Path], report: Reporter) -> None:
    """Verdicts, lengths and angles; what is not to be believed fails."""
    from BoneXrayLib.legs.reconstruction_files import measures_of_sides

    lines = [(bone.name, bone.found.verdict) for bone in leg.bones]
    for measure in measures_of_sides([bone.found for bone in leg.bones]):
        lines.append((f"{measure['name']}, {measure['side']}", _said(measure)))
    notes = [note for radiograph in leg.radiographs for note in radiograph.notes]
    notes += [*leg.notes, *(note for bone in leg.bones for note in bone.found.notes)]
    names = " and ".join(bone.name for bone in leg.bones)
    report.result(f"{names} in 3D from {' and '.join(r.name for r in leg.radiographs)}", files,
                  dict.fromkeys(notes), table(lines), leg.warnings)  # fmt: skip
    if leg.doubtful:
        raise Failed("; ".join(leg.doubtful))


@dataclass
class EvaluateReconstruct(Command):
    """Measure how well bones are rebuilt in 3D: each subject's by a shape model of the others.

    Or by a finished shape model, of bones that are none of its own (--shapes).

    From one view, from two, and from two whose angle is off: distances of surfaces, Dice, errors
    of landmarks, femoral head, length and neck-shaft angle, share of fits that converged, seconds.
    Features are those that the network finds on simulated radiographs of standing legs, or the
    true ones with errors. With -o, writes into DIR: evaluation.json, evaluation.md and
    contact-sheet.png. Needs the extra packages `train`.
    """

    models: Positional[Annotated[tuple[str, ...], arg(metavar="CONFIG.toml|SURFACES ...")]]
    """Configurations of shape models, as `shape-model build` takes them, one a bone; with --shapes
    also a file or folder of surfaces (.npz, STL, PLY, OBJ, VTP) of either side, lying any way."""
    output: OptionalOutput = None
    """Folder for figures, page and contact sheet; made if it is not there."""
    data_root: OptionalFolder = None
    """Folder the surfaces' paths start from; replaces data_root of the configurations."""
    subjects: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")] = ()
    """Subjects to leave out one after the other; all unless given."""
    model: str = "features-leg"
    """Name or folder of the model that finds features."""
    legs: Annotated[str, arg(metavar="CONFIG.toml")] = ""
    """Configuration of the feature network: the bones that a leg is completed with."""
    shapes: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")] = ()
    """Shape models to rebuild by (name or folder), one a configuration, instead of models of the
    other subjects: how well they do on bones that they were not made of."""
    kept: OptionalFolder = None
    """Folder in which surfaces laid over each other are kept for the next time."""
    test: Annotated[ReconstructionTest, arg(name="")] = field(default_factory=ReconstructionTest)
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures to this file, too."""

    def run(self, report: Reporter) -> None:
        from ..evaluating_legs.reconstruction_evaluation import (
            Subjects,
            evaluate_reconstruct,
            evaluate_reconstruct_into,
        )
        from ..evaluation_files import write_figures

        if self.json is not None:
            check_output_file(self.json)
        if self.kept is not None and not self.kept.is_dir():
            raise ValueError(f"kept: {self.kept} is no folder; expected one")
        root = None if self.data_root is None else str(self.data_root)
        kept = "" if self.kept is None else str(self.kept)
        subjects = Subjects(
            self.models, root, self.subjects, self.legs, self.model, kept, self.shapes
        )
        files: dict[str, Path] = {}
        if self.output is None:
            found = evaluate_reconstruct(subjects, self.test, progress=report.progress)
        else:
            folder = check_output(self.output)
            found, files = evaluate_reconstruct_into(
                folder, subjects, self.test, progress=report.progress
            )
        if self.json is not None:
            files["figures"] = write_figures(found, self.json)
        report.result(str(found), files, warnings=found.warnings)


def _said(measure: dict) -> str:
    error = measure["standard_error"]
    sure = "" if error is None else f" ± {error:.1f}"
    return f"{measure['value']:.1f}{sure} {measure['unit']}"
