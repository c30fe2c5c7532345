"""The commands that measure how well a model names bones, and pulls them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from ..console import Reporter, check_output, check_output_file
from .base import Command, Flag, OptionalOutput


@dataclass
class EvaluateSegment(Command):
    """Measure how well a model names bones: Dice and distances, a table by bone and view.

    On simulated radiographs of labelled CTs, of patients made of bone meshes, or on a folder of
    real radiographs with masks. Beside the model two answers without learning: Otsu's threshold
    for every bone, and the mean mask of the other patients. Use anatomies the model was not
    trained on (it is said where its card names one). With -o, writes into DIR: evaluation.json,
    evaluation.md and contact-sheet.png (best, median and worst image with true outlines and the
    model's).
    """

    data: Annotated[tuple[str, ...], arg(metavar="CT,LABELS|MESHES.npz|FOLDER|LIST.toml")]
    """CT and its label map, folder of masks or DICOM SEG with a comma between; a folder of CTs with
    labels beside them (as `train --labelled` takes it); meshes of bones (.npz); a folder of
    radiographs with masks (RAM-W600, or images/NAME.png and masks/NAME/BONE.png); or a TOML list
    with [[ct]] entries (path, labels, names, patient, anatomy, upright, matrix, near, crop,
    remove_couch; mesh, draws, seed) and [[radiographs]] entries (path, pixel, polarity, view,
    split)."""
    output: OptionalOutput = None
    """Folder for figures, page and contact sheet; made if it is not there."""
    model: str = "segment-wrist"
    """Name or folder of the model."""
    views: tuple[str, ...] = ()
    """Views of CTs and meshes. Wrist: PA, oblique (thumb lifted by 45 degrees), lateral; trunk:
    AP, PA, LAT. All of the anatomy's unless given."""
    draws: int = 1
    """Radiographs a view and patient."""
    jitter: float = 0.0
    """How far a view is off at most, around the patient; half as much along [degrees]."""
    seed: int = 1
    """Of what is drawn, and of the noise."""
    exposure: str = ""
    """Named exposure of simulated radiographs, or none for their optical density; extremity for
    wrists and chest for trunks unless given."""
    pixel: float | None = None
    """Pixel size of simulated radiographs at the detector [mm]; 0.25 for wrists, 1 for trunks
    unless given."""
    wider: float = 0.0
    """How much more than the wrist is in a simulated picture of one [mm], as where a whole hand is
    taken: beyond its fingers' end and along the forearm, half as much on each side."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures to this file, too."""

    def run(self, report: Reporter) -> None:
        from ..evaluating_segments.segmentation_evaluation import (
            evaluate_segment,
            evaluate_segment_into,
        )
        from ..evaluating_segments.segmentation_views import SegmentViews

        views = SegmentViews(
            self.views, self.draws, self.jitter, self.seed, self.exposure, self.pixel, self.wider
        )
        _run(self, report, evaluate_segment, evaluate_segment_into, views)


@dataclass
class EvaluateSeparate(Command):
    """Measure how well a model pulls overlapping bones apart: errors by size of the overlap.

    Protocol exact: regions of 256 x 256 around overlapping bones, cut from simulated radiographs
    of labelled CTs or of patients made of bone meshes, where each bone's layer is known. Protocol
    shifted: joint images whose two bones lie apart and are moved over each other, as BLS-GAN makes
    its own. Beside the model four answers without learning: a copy of the image, half the density,
    bones inpainted from outside the overlap, and that with what is missing divided evenly. Use
    anatomies the model was not trained on. With -o, writes into DIR: evaluation.json,
    evaluation.md and contact-sheet.png.
    """

    data: Annotated[tuple[str, ...], arg(metavar="CT,LABELS|MESHES.npz|FOLDER|LIST.toml|.json")]
    """CT and its label map with a comma between; meshes of bones (.npz); a folder of joint images
    (images/NAME.png, masks/NAME_upper.png, masks/NAME_lower.png, backgrounds/NAME.png where there
    are; or BLS-GAN's folders, or one of its lists, .json); or a TOML list with [[ct]] or
    [[radiographs]] entries, as `evaluate segment` takes it."""
    output: OptionalOutput = None
    """Folder for figures, page and contact sheet; made if it is not there."""
    model: str = "separate-layers"
    """Name or folder of the model."""
    protocol: str = ""
    """exact or shifted; by the data unless given."""
    masks: str = "both"
    """given, none or both: whether the model is told where the bones are. Without masks only
    joints are asked of: one bone above the other, and little else of bone."""
    per_bin: int | None = None
    """Most images a bin of overlap size: 3 of each radiograph of a CT, 60 of a folder of joints
    unless given."""
    features: Annotated[str, arg(metavar="FILE.npz")] = ""
    """Weights of SqueezeNet 1.0: also measure the Fréchet distance of its features."""
    pictures: Flag = False
    """With -o, also write each bone alone into DIR/alone, true and separated: for a reader study
    that asks which is which."""
    views: tuple[str, ...] = ()
    """Views of CTs and meshes, as `evaluate segment` has them; all of the anatomy's unless
    given."""
    draws: int = 1
    """Radiographs a view and patient."""
    jitter: float = 0.0
    """How far a view is off at most, around the patient; half as much along [degrees]."""
    seed: int = 1
    """Of what is drawn."""
    pixel: float | None = None
    """Pixel size of simulated radiographs at the detector [mm]; 0.15 for wrists, 0.5 for trunks
    unless given. Regions are cut from them and brought to 256 x 256."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures to this file, too."""

    def run(self, report: Reporter) -> None:
        from ..evaluating_layers.separation_evaluation import (
            evaluate_separate,
            evaluate_separate_into,
        )
        from ..evaluating_layers.separation_questions import SeparationConfig
        from ..evaluating_segments.segmentation_views import SegmentViews

        views = SegmentViews(self.views, self.draws, self.jitter, self.seed, "none", self.pixel)
        config = SeparationConfig(self.protocol, self.masks, self.per_bin, views, self.features,
                                  self.pictures)  # fmt: skip
        _run(self, report, evaluate_separate, evaluate_separate_into, config)


def _run(
    command: EvaluateSegment | EvaluateSeparate,
    report: Reporter,
    evaluate: Callable[..., Any],
    evaluate_into: Callable[..., Any],
    asked: Any,
) -> None:
    """Evaluate, write what files are wanted, and say what was found."""
    from ..evaluation_files import write_figures

    if command.json is not None:
        check_output_file(command.json)
    words = command.model, command.data, asked, report.progress
    files: dict[str, Path] = {}
    if command.output is None:
        found = evaluate(*words)
    else:
        found, files = evaluate_into(check_output(command.output), *words)
    if command.json is not None:
        files["figures"] = write_figures(found, command.json)
    report.result(str(found), files, warnings=found.warnings)
