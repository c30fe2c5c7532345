"""How well a model names bones: on labelled CTs, patients made of meshes, real radiographs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from BoneXrayLib.files import checked_output_folder, staged_folder
from BoneXrayLib.models import Model, find_model
from BoneXrayLib.progress import IsCancelled, Progress, raise_if_cancelled
from BoneXrayLib.segmentation import model_structures

from ..contact_sheet import ranked
from ..evaluation_files import SHEET, write_evaluation
from ..mesh_ct import MeshConfig
from .labelled_cts import NoStructures, load_labelled
from .masked_radiographs import radiograph_files, read_masked
from .segmentation_cases import TOLERANCE_MM, Case, answered, rows_of
from .segmentation_data import LabelledSource, Source, segmentation_sources
from .segmentation_report import SegmentationReport
from .segmentation_sheet import OutlinedImage, outline_sheet
from .segmentation_tables import MODEL, as_markdown
from .segmentation_views import MaskedRadiograph, SegmentViews, take_views

if TYPE_CHECKING:
    from BoneXrayLib.segmentation import Segmentation


Segmenter = Callable[..., "Segmentation"]
"""`BoneXrayLib.segmentation.segment`, or what is called alike: (radiograph, model=…)."""


def evaluate_segment(
    model: str,
    data: Sequence[str | Path],
    views: SegmentViews | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    segment: Segmenter | None = None,
) -> SegmentationReport:
    """Name the bones of each radiograph and compare with the truth.

    Args:
        model: name or folder.
        data: as `segmentation_sources` takes it.
        views: which radiographs of each CT; the defaults when None.
        progress: told fraction and message.
        is_cancelled: asked before each patient and image.
        segment: what answers; `BoneXrayLib.segmentation.segment` when None.

    Raises:
        FileNotFoundError, ValueError: model or data that are not there or of no use, in one line.
    """
    return _evaluate(model, data, views, progress, is_cancelled, segment)[0]


def evaluate_segment_into(
    folder: str | Path,
    model: str,
    data: Sequence[str | Path],
    views: SegmentViews | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    segment: Segmenter | None = None,
) -> tuple[SegmentationReport, dict[str, Path]]:
    """`evaluate_segment`, and its figures, page and contact sheet in a folder; all or none."""
    folder = checked_output_folder(folder)
    report, cases = _evaluate(model, data, views, progress, is_cancelled, segment)
    sheet = outline_sheet(list(_shown(report, cases)))
    with staged_folder(folder) as stage:
        names = write_evaluation(stage, report, as_markdown(report, SHEET), sheet)
    return report, {name: folder / name for name in names}


def _evaluate(
    model: str,
    data: Sequence[str | Path],
    views: SegmentViews | None,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
    segment: Segmenter | None,
) -> tuple[SegmentationReport, list[Case]]:
    sources = segmentation_sources(data)
    found = find_model(model, "segment")
    if segment is None:
        from BoneXrayLib.segmentation import segment
    wanted = [structure.name for structure in model_structures(found)]
    cases: list[Case] = []
    lacking: dict[str, NoStructures] = {}
    views = views or SegmentViews()
    for question in questions(sources, wanted, views, progress, is_cancelled, lacking):
        raise_if_cancelled(is_cancelled)
        cases.append(answered(question, segment(question.radiograph, model=found)))
    if not cases and lacking:
        raise next(iter(lacking.values()))
    if not cases:
        raise ValueError("views: none of those asked for is one of the data's anatomy")
    rows = [rows_of(n, case, cases) for n, case in enumerate(cases)]
    scored = {m for case in cases for group in case.subject.members for m in group}
    report = SegmentationReport(
        found.card.title,
        tuple(row for bones, _ in rows for row in bones),
        tuple(row for _, images in rows for row in images),
        TOLERANCE_MM,
        (*leaks(found, sources), *assumed_axes(sources), *left_out(lacking)),
        tuple(name for name in wanted if name not in scored),
        views.wider if any(c.subject.anatomy == "wrist" for c in cases) else 0.0,
    )
    return report, cases


def questions(
    sources: Sequence[Source],
    structures: Sequence[str],
    views: SegmentViews,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
    lacking: dict[str, NoStructures] | None = None,
) -> Iterator[MaskedRadiograph]:
    """Every radiograph of every source; each is told of before it is made.

    Patients of whom the labels have none of the structures go into `lacking`, where it is given.
    """
    tell = progress or (lambda fraction, message: None)
    for n, source in enumerate(sources):
        if isinstance(source, LabelledSource):
            for number in range(source.draws):
                raise_if_cancelled(is_cancelled)
                tell((n + number / source.draws) / len(sources), f"reading {source.whose}")
                try:
                    ct = load_labelled(source, structures, number)
                except NoStructures as error:
                    if lacking is None:
                        raise
                    lacking[source.whose] = error
                    continue
                count = max(len(views.of(ct.anatomy)) * views.draws, 1)
                for shot, question in enumerate(take_views(ct, views), start=1):
                    done = n + (number + shot / count) / source.draws
                    what = f"{question.subject.patient} {question.subject.view}"
                    tell(done / len(sources), what)
                    yield question
            continue
        files = radiograph_files(source)
        for number, file in enumerate(files):
            tell((n + number / len(files)) / len(sources), file.image.name)
            yield read_masked(file, structures)


def assumed_axes(sources: Sequence[Source]) -> tuple[str, ...]:
    """A line for each file of meshes of which nothing was said: how they lie is assumed."""
    bare = [s for s in sources if isinstance(s, LabelledSource) and s.is_of_meshes]
    return tuple(
        f"{Path(s.path).name}: its x, y and z are taken as {s.mesh.axes}, its bones as of a "
        f"{s.mesh.side} one; a TOML list says otherwise (mesh = {{ axes = …, side = … }})"
        for s in bare if s.mesh == MeshConfig()
    )  # fmt: skip


def left_out(
    lacking: Mapping[str, NoStructures], wanted: str = "the model's structures"
) -> tuple[str, ...]:
    """A line for the patients who have none of what is wanted."""
    names = ", ".join([*lacking][:6]) + (" …" if len(lacking) > 6 else "")
    return (f"{names} left out: none of {wanted}",) if lacking else ()


def leaks(model: Model, sources: Sequence[Source]) -> tuple[str, ...]:
    """A line for each patient that the model's card says it was trained on."""
    trained = {str(s["name"]).lower() for s in model.card.trained_on["sources"]}
    labelled = [s for s in sources if isinstance(s, LabelledSource)]
    whose = dict.fromkeys(p for s in labelled for p in (s.whose, s.mesh.towards.patient) if p)
    return tuple(
        f"{model.card.name} was trained on {patient}: these figures say nothing of anatomies it "
        "has never seen"
        for patient in whose if patient.lower() in trained
    )  # fmt: skip


def _shown(report: SegmentationReport, cases: Sequence[Case]) -> Iterator[OutlinedImage]:
    rows = [r for r in report.images if r.method == MODEL]
    scores = [r.dice if math.isfinite(r.dice) else 0.0 for r in rows]
    for rank, index in ranked(scores).items():
        case, row = cases[index], rows[index]
        score = f"mean Dice {row.dice:.3f}, HD95 {row.hd95_mm:.1f} mm"
        if math.isfinite(row.overlap_dice):
            score += f", overlap {row.overlap_dice:.3f}"
        yield OutlinedImage(
            f"{rank}: {row.patient} {row.view}", score, case.grey, case.masks(case.truth),
            case.masks(case.answer), case.subject.structures,
        )  # fmt: skip
