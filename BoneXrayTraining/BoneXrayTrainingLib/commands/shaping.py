"""Commands on shape models: built from surfaces, shown, sampled."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from ..console import Reporter, check_output, table
from .base import Command, Flag, OptionalFolder, Output

if TYPE_CHECKING:
    from BoneXrayLib.cards.model_card import ModelCard

    from ..shape_building.building import Built
    from ..shape_building.config import ShapeModelConfig
    from ..shape_building.surface_files import Subject

MOST_SAMPLES = 1000


@dataclass
class ShapeModelBuild(Command):
    """Build a shape model of a bone from surfaces (.npz, STL, PLY, OBJ, VTP).

    Every surface gets the vertices of one common mesh; their mean, and the modes in which bones
    differ, widened by smooth deformations, are written into a model folder. Its card tells how
    near the model comes to each subject when that is left out. Needs the extra packages `train`
    for STL, PLY and OBJ.
    """

    config: Positional[Annotated[Path, arg(metavar="CONFIG.toml")]]
    """Configuration: bone, surfaces, template."""
    output: Output
    """Folder of the model."""
    data_root: OptionalFolder = None
    """Folder the surfaces' paths start from; replaces data_root of the configuration."""
    without: Annotated[tuple[str, ...], arg(metavar="SUBJECT")] = ()
    """Subjects to leave out."""
    quick: Flag = False
    """Leave out the figures for which each subject is left out in turn."""
    each_without: Flag = False
    """Write a model without each whole subject, too, into DIR-without-SUBJECT: to evaluate with."""

    def run(self, report: Reporter) -> None:
        import numpy as np

        from BoneXrayLib.shape_model import write_shape_model

        from ..shape_building.building import build
        from ..shape_building.card import make_card
        from ..shape_building.config import read_shape_config
        from ..shape_building.report import generality, specificity
        from ..shape_building.surface_files import read_subjects

        folder = check_output(self.output)
        root = None if self.data_root is None else str(self.data_root)
        config = read_shape_config(self.config, root, self.without)
        subjects = read_subjects(config)
        built = build(config, subjects, report.progress)
        figures = [] if self.quick else generality(config, built, report.progress)
        specific = specificity(built, np.random.default_rng(config.seed))
        card = make_card(config, subjects, built, figures, specific)
        write_shape_model(folder, built.model, card)
        files = {"model": folder}
        if self.each_without:
            files |= self._write_each(folder, config, built, subjects, card)
        rows = [
            (f.subject, f"{f.mean_mm:.2f} mm, 95 % {f.p95_mm:.2f}; principal components "
             f"{f.principal_mm:.2f}; nearest subject {f.nearest_mm:.2f}")
            for f in figures
        ]  # fmt: skip
        report.result(card.description, files, lines=table(rows))

    def _write_each(
        self, folder: Path, config: ShapeModelConfig, built: Built, subjects: list[Subject],
        card: ModelCard,
    ) -> dict[str, Path]:  # fmt: skip
        """Models without a subject each; what their card says is that of the whole model."""
        from BoneXrayLib.shape_model import write_shape_model

        from ..shape_building.building import without

        parts = [subject for subject in subjects if not subject.is_whole]
        files = {}
        for name in built.whole.names:
            fewer = without(built, name, config, parts)
            place = folder.with_name(f"{folder.name}-without-{name}")
            sources = [s for s in card.trained_on["sources"] if s["name"] != name]
            told = {**card.trained_on, "sources": sources, "subjects": len(fewer.whole.names)}
            own = dataclasses.replace(
                card, name=f"{card.name}-without-{name}", trained_on=told, evaluation=[], sha256={}
            )
            write_shape_model(place, fewer.model, own)
            files[own.name] = place
        return files


@dataclass
class ShapeModelShow(Command):
    """Show a shape model: its bone, modes, landmarks on the mean, figures."""

    name: Positional[Annotated[str, arg(metavar="NAME|FOLDER")]]
    """Name or folder of the model, or femur or tibia for the shipped one."""

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.shape_model import read_shape_model

        model = read_shape_model(self.name)
        modes = ", ".join(f"{deviation:.1f}" for deviation in model.deviations[:10])
        rows = [
            ("bone", f"{model.bone}, {len(model.mean)} vertices, {len(model.faces)} triangles"),
            ("modes", f"{model.count}; standard deviations [mm]: {modes} …"),
        ]
        for name, sphere in model.spheres(model.mean).items():
            rows.append((f"{name}_radius", f"{sphere.radius:.1f} mm"))
        for name, place in model.landmarks(model.mean).items():
            rows.append((name, "R {:.1f}  A {:.1f}  S {:.1f} mm".format(*place)))
        if model.card is None:
            raise AssertionError("a model that was read has a card")
        for each in model.card.evaluation:
            floor = f"{each['baseline']} {each.get('baseline_is', '')}"
            rows.append(("figure", f"{each['metric']}, {each['data']}: {each['value']} ({floor})"))
        rows.append(("trained on", json.dumps(model.card.trained_on, ensure_ascii=False)))
        report.result(model.card.description, lines=table(rows))


@dataclass
class ShapeModelSample(Command):
    """Draw shapes from a shape model and write them as STL [RAS mm], and their coefficients."""

    name: Positional[Annotated[str, arg(metavar="NAME|FOLDER")]]
    """Name or folder of the model, or femur or tibia for the shipped one."""
    output: Output
    """Folder for the surfaces; made if it is not there."""
    count: Annotated[int, arg(metavar="N")] = 5
    """How many."""
    seed: Annotated[int, arg(metavar="N")] = 1
    """Draws the same shapes again."""
    side: Annotated[str, arg(metavar="right|left")] = "right"
    """Side of the bones."""
    mean: Flag = False
    """Write the mean, too."""

    def run(self, report: Reporter) -> None:
        import numpy as np

        from BoneXrayLib.shape_model import read_shape_model

        from ..shape_building.samples import write_samples

        folder = check_output(self.output)
        if not 1 <= self.count <= MOST_SAMPLES:
            raise ValueError(f"count: got {self.count}; expected 1 to {MOST_SAMPLES}")
        model = read_shape_model(self.name, self.side)
        rng = np.random.default_rng(self.seed)
        drawn = [model.sample(rng) for _ in range(self.count)]
        files = write_samples(folder, model, np.array(drawn), self.mean)
        report.result(f"{self.count} shapes of a {self.side} {model.bone}", files)
