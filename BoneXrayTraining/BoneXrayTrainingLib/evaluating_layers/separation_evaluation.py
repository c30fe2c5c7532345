"""How well a model pulls overlapping bones apart: layers of CTs, and joints moved together."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from BoneXrayLib.files import checked_output_folder, staged_folder
from BoneXrayLib.models import Model, find_model
from BoneXrayLib.progress import IsCancelled, Progress, raise_if_cancelled
from BoneXrayLib.separating.layer_alone import answers_alone

from ..contact_sheet import ranked
from ..evaluating_segments.labelled_cts import NoStructures, load_labelled
from ..evaluating_segments.segmentation_data import (
    LabelledSource,
    RadiographSource,
    Source,
    segmentation_sources,
)
from ..evaluating_segments.segmentation_evaluation import leaks, left_out
from ..evaluation_files import SHEET, write_evaluation
from ..sampling.overlap_bins import bin_name
from .separation_cases import Answer, answer_of, floor_answers, rows_of
from .separation_features import FeatureExtractor, distances
from .separation_floors import FLOORS
from .separation_questions import EXACT, SHIFTED, LayerQuestion, SeparationConfig
from .separation_regions import take_regions
from .separation_report import SeparationReport
from .separation_rows import FREE, GIVEN, BoneRow, ImageRow
from .separation_sheet import SeparatedImage, as_grey, layer_sheet, write_alone
from .separation_shifts import take_shifts
from .separation_tables import as_markdown

if TYPE_CHECKING:
    from BoneXrayLib.layers import Layers

PICTURES = "alone"
LIST = ".json"
BONES = "the bones that are known"
NO_OVERLAPS = (
    "data: no two bones overlap by 20 pixels or more of 256 x 256, or none that can be asked of "
    "without masks; expected overlapping bones"
)

Separator = Callable[..., "Layers"]
"""`BoneXrayLib.layers.separate`, or what is called alike: (radiograph, masks=…, model=…)."""


@dataclass(eq=False)
class _Found:
    """What is kept of each question: figures, features, and what a sheet may show."""

    bones: list[BoneRow] = field(default_factory=list)
    images: list[ImageRow] = field(default_factory=list)
    features: list[dict[str, np.ndarray]] = field(default_factory=list)
    shown: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    lacking: dict[str, NoStructures] = field(default_factory=dict)


def evaluate_separate(
    model: str,
    data: Sequence[str | Path],
    config: SeparationConfig | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    separate: Separator | None = None,
) -> SeparationReport:
    """Pull the bones of each image apart and compare with the truth.

    Args:
        model: name or folder.
        data: as `segmentation_sources` takes it; folders, and lists (.json), are of joint images.
        config: which overlaps are asked; the defaults when None.
        progress: told fraction and message.
        is_cancelled: asked before each image.
        separate: what answers; `BoneXrayLib.layers.separate` when None.

    Raises:
        FileNotFoundError, ValueError: model or data that are not there or of no use, in one line.
    """
    return _evaluate(model, data, config, progress, is_cancelled, separate)[0]


def evaluate_separate_into(
    folder: str | Path,
    model: str,
    data: Sequence[str | Path],
    config: SeparationConfig | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    separate: Separator | None = None,
) -> tuple[SeparationReport, dict[str, Path]]:
    """`evaluate_separate`, and its figures, page and contact sheet in a folder; all or none."""
    folder, config = checked_output_folder(folder), config or SeparationConfig()
    report, found = _evaluate(model, data, config, progress, is_cancelled, separate)
    sheet = layer_sheet(list(_examples(report, found)))
    with staged_folder(folder) as stage:
        names = write_evaluation(stage, report, as_markdown(report, SHEET), sheet)
        if config.pictures:
            write_alone(stage / PICTURES, found.shown)
            names += (PICTURES,)
    return report, {name: folder / name for name in names}


def separation_sources(data: Sequence[str | Path], protocol: str = "") -> tuple[Source, ...]:
    """What words name, all of one kind: labelled CTs and meshes, or joint images.

    Raises:
        FileNotFoundError, ValueError: as `segmentation_sources`; both kinds, or not the protocol's.
    """
    lists = [word for word in data if str(word).lower().endswith(LIST)]
    for word in lists:
        if not Path(word).is_file():
            raise FileNotFoundError(f"data: {word} does not exist; expected a list of joint images")
    rest = [word for word in data if word not in lists]
    found = segmentation_sources(rest) if rest or not lists else ()
    found = (*found, *(RadiographSource(str(word)) for word in lists))
    kinds = {SHIFTED if isinstance(s, RadiographSource) else EXACT for s in found}
    if len(kinds) > 1:
        raise ValueError("data: got labelled CTs and joint images; expected one kind at a time")
    (kind,) = kinds
    if protocol not in ("", kind):
        wants = "labelled CTs or meshes" if protocol == EXACT else "joint images"
        raise ValueError(f"protocol: got {protocol}, which takes {wants}; these are others")
    return found


def _evaluate(
    model: str,
    data: Sequence[str | Path],
    config: SeparationConfig | None,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
    separate: Separator | None,
) -> tuple[SeparationReport, _Found]:
    config = config or SeparationConfig()
    sources = separation_sources(data, config.protocol)
    named = find_model(model, "separate")
    extract = FeatureExtractor(config.features) if config.features else None
    if separate is None:
        from BoneXrayLib.layers import separate
    if answers_alone(named) and config.masks == "both":
        config = dataclasses.replace(config, masks="given")
    found = _Found()
    for question in _questions(sources, config, progress, is_cancelled, found.lacking):
        raise_if_cancelled(is_cancelled)
        answers = _answers(question, config, named, separate)
        if answers:
            _keep(found, question, answers | floor_answers(question), extract)
    if not found.images:
        raise next(iter(found.lacking.values()), ValueError(NO_OVERLAPS))
    protocol = found.images[0].subject.protocol
    apart = distances(found.features, {r.image: r.subject.bin for r in found.images})
    report = SeparationReport(
        named.card.title, protocol, tuple(found.bones),
        tuple(found.images), apart, (*leaks(named, sources), *left_out(found.lacking, BONES)),
    )  # fmt: skip
    return report, found


def _questions(
    sources: Sequence[Source],
    config: SeparationConfig,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
    lacking: dict[str, NoStructures],
) -> Iterator[LayerQuestion]:
    """Every question of every source; patients without labelled bones go into `lacking`."""
    tell = progress or (lambda fraction, message: None)
    asked = 0
    for n, source in enumerate(sources):
        draws = source.draws if isinstance(source, LabelledSource) else 1
        for number in range(draws):
            raise_if_cancelled(is_cancelled)
            done = (n + number / draws) / len(sources)
            if isinstance(source, LabelledSource):
                tell(done, f"reading {source.whose}")
                try:
                    made = take_regions(load_labelled(source, (), number), config)
                except NoStructures as error:
                    lacking[source.whose] = error
                    continue
            else:
                tell(done, f"reading {Path(source.path).name}")
                made = take_shifts(source, config)
            for question in made:
                asked += 1
                subject = question.subject
                tell(done, f"{subject.patient} {subject.view} {asked}: {bin_name(subject.bin)} px")
                yield question


def _answers(
    question: LayerQuestion, config: SeparationConfig, model: Model, separate: Separator
) -> dict[str, Answer]:
    answers = {}
    if config.masks in ("given", "both"):
        layers = separate(question.radiograph, masks=question.masks, model=model)
        answers[GIVEN] = answer_of(question, layers, False)
    if config.masks in ("none", "both") and question.subject.is_joint:
        answers[FREE] = answer_of(question, separate(question.radiograph, model=model), True)
    return answers


def _keep(
    found: _Found,
    question: LayerQuestion,
    answers: dict[str, Answer],
    extract: FeatureExtractor | None,
) -> None:
    number = len(found.shown)
    bones, images, features = rows_of(number, question, answers, extract)
    found.bones += bones
    found.images += images
    found.features.append(features)
    image = question.judged(question.radiograph.pixels)
    floor = min(FLOORS, key=lambda m: sum(r.mse for r in bones if r.method == m))
    shown = (question.alone, next(iter(answers.values())).alone, answers[floor].alone)
    pictures = np.stack([as_grey(question.judged(a), image) for a in shown])
    found.shown.append((as_grey(image, image), question.overlap, pictures))


def _examples(report: SeparationReport, found: _Found) -> Iterator[SeparatedImage]:
    rows = [r for r in report.images if r.method == report.main]
    floor = report.best_floor()
    errors = [report.of_image("mse", r.image, report.main) for r in rows]
    floors = [report.of_image("mse", r.image, floor) for r in rows]
    ratios = [e / max(f, 1e-12) for e, f in zip(errors, floors, strict=True)]
    for rank, index in ranked([-r if math.isfinite(r) else 0.0 for r in ratios]).items():
        row, subject = rows[index], rows[index].subject
        grey, overlap, alone = found.shown[row.image]
        score = f"MSE {errors[index]:.5f}, {floor} {floors[index]:.5f}"
        title = f"{rank}: {subject.patient} {subject.view}, {subject.pixels:.0f} px"
        yield SeparatedImage(title, score, grey, overlap, alone, subject.bones)
