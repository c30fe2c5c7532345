"""How well bones are rebuilt in 3D: by a shape model of the other subjects or a finished one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BoneXrayLib.files import checked_output_folder, staged_folder
from BoneXrayLib.legs.leg_picture import TRUTH_COLOUR, Drawn, drawn
from BoneXrayLib.models import Model, find_model
from BoneXrayLib.picture_report import side_by_side, stacked
from BoneXrayLib.progress import IsCancelled, Progress, part_of, raise_if_cancelled
from BoneXrayLib.reconstruction import Reconstruction, ReconstructionConfig, reconstruct
from BoneXrayLib.shape_model import ShapeModel, read_shape_model

from ..contact_sheet import ranked
from ..evaluation_files import SHEET, write_evaluation
from ..learning.configuration import read_config
from ..shape_building.config import ShapeModelConfig, SurfaceSource, read_shape_config
from .reconstruction_cases import SETUPS, TWO, VIEWS, Case, ReconstructionTest, true_case
from .reconstruction_folds import Fold, folds, folds_by
from .reconstruction_report import ReconstructionReport, Row
from .reconstruction_scores import scores
from .reconstruction_tables import as_markdown

HEIGHT = 760
CaseMaker = Callable[[Fold, np.random.Generator], Case]


@dataclass(frozen=True)
class Subjects:
    """Whose bones are rebuilt, and what else a leg is made of.

    Attributes:
        models: configurations of shape models, one a bone; with `shapes` also files or folders of
            surfaces of right and left bones, lying any way round.
        data_root: folder that paths start from, instead of the configurations' own.
        wanted: names of subjects; all when empty.
        legs: configuration of a feature network: bones that a leg is completed with.
        finder: name or folder of the model that finds features.
        kept: folder in which surfaces laid over each other are kept.
        shapes: names or folders of shape models, one for each of `models`, to rebuild by instead of
            models of the other subjects.
    """

    models: tuple[str, ...]
    data_root: str | None = None
    wanted: tuple[str, ...] = ()
    legs: str = ""
    finder: str = "features-leg"
    kept: str = ""
    shapes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.shapes and len(self.shapes) != len(self.models):
            raise ValueError(
                f"shapes: got {len(self.shapes)}; expected {len(self.models)}, as there are models"
            )
        if self.shapes and self.kept:
            raise ValueError("kept: set beside shapes, which lay nothing over each other")


@dataclass(frozen=True, eq=False)
class Shown:
    """A case and its fit by two views, for the contact sheet."""

    case: Case
    found: Reconstruction
    score: str
    mean_mm: float


def evaluate_reconstruct(
    subjects: Subjects,
    test: ReconstructionTest | None = None,
    config: ReconstructionConfig | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> ReconstructionReport:
    """Rebuild each subject's bone from one view and two, and compare with the truth.

    Args:
        subjects: whose bones.
        test: how they are seen; the defaults when None.
        config: of the fit; the defaults when None.
        progress: told fraction and message.
        is_cancelled: asked before each subject.

    Raises:
        FileNotFoundError, ValueError: surfaces or a model that are not there or of no use.
    """
    return _evaluate(subjects, test, config, progress, is_cancelled)[0]


def evaluate_reconstruct_into(
    folder: str | Path,
    subjects: Subjects,
    test: ReconstructionTest | None = None,
    config: ReconstructionConfig | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> tuple[ReconstructionReport, dict[str, Path]]:
    """`evaluate_reconstruct`, and its figures, page and contact sheet in a folder; all or none."""
    folder = checked_output_folder(folder)
    report, shown = _evaluate(subjects, test, config, progress, is_cancelled)
    with staged_folder(folder) as stage:
        names = write_evaluation(stage, report, as_markdown(report, SHEET), sheet_of(shown))
    return report, {name: folder / name for name in names}


def _evaluate(
    subjects: Subjects,
    test: ReconstructionTest | None,
    config: ReconstructionConfig | None,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
) -> tuple[ReconstructionReport, list[Shown]]:
    test, config = test or ReconstructionTest(), config or ReconstructionConfig()
    if test.features == "truth":
        # The images are the shadows that true outlines are of: their edges would undo all errors.
        config = dataclasses.replace(config, edge_search=0.0)
    shapes = tuple(read_shape_model(name) for name in subjects.shapes)
    make, finder, warnings = _case_maker(subjects, test)
    rows: list[Row] = []
    shown: list[Shown] = []
    for turn in range(len(subjects.models)):
        tell = part_of(progress, turn, len(subjects.models))
        for number, fold in enumerate(_folds(subjects, turn, shapes, tell)):
            raise_if_cancelled(is_cancelled)
            if tell is not None:
                tell(0.9, f"{fold.model.bone} of {fold.subject}")
            case = make(fold, np.random.default_rng([test.seed, 41, turn, number]))
            rows += list(_fits(case, config, shown))
    if not rows:
        raise ValueError("models: got none; expected a configuration of a shape model")
    warnings += tuple(_own(shapes, {row.subject for row in rows}))
    titles = tuple(shape.card.title for shape in shapes if shape.card is not None)
    return ReconstructionReport(test, finder, tuple(rows), warnings, titles), shown


def _folds(
    subjects: Subjects, turn: int, shapes: Sequence[ShapeModel], tell: Progress | None
) -> Iterator[Fold]:
    path = subjects.models[turn]
    if not shapes:
        config = read_shape_config(path, subjects.data_root)
        kept = Path(subjects.kept) / f"{config.name}.npz" if subjects.kept else None
        return folds(config, subjects.wanted, kept, tell)
    bone = shapes[turn].bone
    if path.lower().endswith(".toml"):
        config = read_shape_config(path, subjects.data_root)
    else:
        surface = (SurfaceSource(path, "not stated"),)
        config = ShapeModelConfig(bone, bone, surface, data_root=subjects.data_root or ".")
        return folds_by(config, shapes[turn], subjects.wanted, tell, either_side=True)
    if config.bone != bone:
        raise ValueError(f"shapes: {subjects.shapes[turn]} is a {bone}; expected a {config.bone}")
    return folds_by(config, shapes[turn], subjects.wanted, tell)


def _own(shapes: Sequence[ShapeModel], names: set[str]) -> Iterator[str]:
    """What is wrong where a shape model is judged on subjects that it was made of."""
    for card in (shape.card for shape in shapes if shape.card is not None):
        own = sorted(names & {source["name"] for source in card.trained_on["sources"]})
        if own:
            yield f"{card.name} was made of {', '.join(own)}, too: such bones are rebuilt too well"


def _case_maker(
    subjects: Subjects, test: ReconstructionTest
) -> tuple[CaseMaker, str, tuple[str, ...]]:
    """What makes a case of a fold, the model that finds features, and what is wrong with it."""
    if test.features == "truth":
        return (lambda fold, rng: true_case(fold, test, rng)), "", ()
    from .reconstruction_network import network_case, other_bones

    model = find_model(subjects.finder, "features")
    if not subjects.legs:
        raise ValueError("legs: got none; expected the configuration of the feature network")
    legs = read_config(subjects.legs, data_root=subjects.data_root)
    others = other_bones(legs)

    def make(fold: Fold, rng: np.random.Generator) -> Case:
        return network_case(fold, test, others, legs.legs, model, rng)

    return make, model.card.title, _leak(model)


def _leak(model: Model) -> tuple[str, ...]:
    count = len(model.card.trained_on["sources"])
    return (f"{model.card.name} was trained on bones of {count} sources, which its card names: "
            "features of these are found better than others'",)  # fmt: skip


def _fits(case: Case, config: ReconstructionConfig, shown: list[Shown]) -> Iterator[Row]:
    """A row for each setup; the fit by two views is shown."""
    for setup in SETUPS:
        start, busy = time.perf_counter(), time.process_time()
        bone, subject = case.fold.model.bone, case.fold.subject
        try:
            found = reconstruct(case.views(setup), case.fold.model, config)
        except ValueError as error:  # nothing was found
            yield Row(bone, subject, setup, False, str(error), None, 0.0, 0.0)
            continue
        seconds = time.perf_counter() - start + case.seconds * len(case.views(setup)) / len(VIEWS)
        busy = time.process_time() - busy
        found_scores = scores(found, case.mesh, case.marks)
        row = Row(bone, subject, setup, found.converged, found.verdict, found_scores, seconds, busy)
        if setup == TWO:
            mean, dice = row.figure("mean_mm"), row.figure("dice")
            score = f"{mean:.2f} mm, Dice {dice:.3f}"
            shown.append(Shown(case, found, score, mean))
        yield row


def sheet_of(shown: Sequence[Shown]) -> np.ndarray:
    """Best, median and worst by two views, (rows, columns, 3) uint8: both images, each with the
    true contour (green) under the fit's."""
    rows = []
    for rank, index in ranked([-each.mean_mm for each in shown]).items():
        one = shown[index]
        pictures, titles = [], []
        for number, name in enumerate(VIEWS):
            radiograph, truth = one.case.radiographs[number], one.case.mesh
            contours = [
                Drawn(truth.vertices, truth.faces, one.case.geometries[number], TRUTH_COLOUR),
                Drawn.of(one.found, one.found.geometries[number]),
            ]
            points = [one.case.features[number]]
            longest = max(HEIGHT, HEIGHT * radiograph.pixels.shape[1] // radiograph.pixels.shape[0])
            pictures.append(drawn(radiograph.pixels, contours, points, longest))
            titles.append(f"{rank}: {one.case.fold.subject} {name}" if not number else one.score)
        rows.append(side_by_side(pictures, titles, HEIGHT))
    return stacked(rows)
