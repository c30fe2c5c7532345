"""How well bones are extracted from CTs never trained on, beside what needs no learning."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BoneXrayLib.comparison import to_8bit
from BoneXrayLib.drr import Drr, DrrConfig
from BoneXrayLib.extraction import extract
from BoneXrayLib.files import checked_output_folder, staged_folder
from BoneXrayLib.models import Model, find_model
from BoneXrayLib.progress import IsCancelled, Progress, raise_if_cancelled
from BoneXrayLib.projection import prepare_ct
from BoneXrayLib.volume import read_volume

from .contact_sheet import Example, contact_sheet, ranked
from .evaluation_cts import EvaluationCt, evaluation_cts
from .evaluation_report import FLOORS, METRICS, ExtractionReport, Row, write_report
from .evaluation_tables import EXACT, as_markdown
from .pairings import Pairing, Shot, shoot

__all__ = ["FLOORS", "METRICS", "ExtractionReport", "Row", "evaluate_extract", "evaluate_into",
           "floors", "write_report"]  # fmt: skip

FIGURES, PAGE, SHEET = "evaluation.json", "evaluation.md", "contact-sheet.png"


@dataclass(frozen=True)
class Plan:
    """What is measured how: one model, CTs, views, pairing."""

    model: Model
    cts: tuple[EvaluationCt, ...]
    views: tuple[str, ...]
    config: DrrConfig
    pairing: Pairing


def evaluate_extract(
    model: str,
    data: Sequence[str | Path],
    views: Sequence[str] = ("AP", "LAT-L"),
    config: DrrConfig | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    pairing: Pairing | None = None,
) -> ExtractionReport:
    """Extract bones from DRRs of each CT and view, and compare with the bone-only DRR.

    The linear regression is fitted on the image it is judged on, which favours it.

    Args:
        model: name or folder.
        data: CT files or folders, each with `:ANATOMY` if wanted; or TOML lists of them.
        views: named views.
        config: geometry and bone window of the DRRs; when None the defaults of `drr`, but without
            contrast medium among the bones, which readers do not call bone.
        progress: told fraction and message.
        is_cancelled: asked before each view.
        pairing: what the model is shown; the whole DRR when None.
    """
    plan = _plan(model, data, views, config, pairing)
    return _evaluate(plan, progress, is_cancelled)


def evaluate_into(
    folder: str | Path,
    model: str,
    data: Sequence[str | Path],
    views: Sequence[str] = ("AP", "LAT-L"),
    config: DrrConfig | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    pairing: Pairing | None = None,
) -> tuple[ExtractionReport, dict[str, Path]]:
    """`evaluate_extract`, and its figures, page and contact sheet in a folder; all or none."""
    folder = checked_output_folder(folder)
    plan = _plan(model, data, views, config, pairing)

    def sooner(fraction: float, message: str) -> None:
        if progress is not None:
            progress(0.9 * fraction, message)

    report = _evaluate(plan, sooner, is_cancelled)
    if progress is not None:
        progress(0.9, "drawing the contact sheet")
    sheet = contact_sheet(list(_examples(plan, report, is_cancelled)))
    with staged_folder(folder) as stage:
        figures = json.dumps(report.to_dict(), indent=2)
        (stage / FIGURES).write_text(figures + "\n", encoding="utf-8")
        (stage / PAGE).write_text(as_markdown(report, SHEET), encoding="utf-8")
        _write_colour(stage / SHEET, sheet)
    return report, {name: folder / name for name in (FIGURES, PAGE, SHEET)}


def floors(drr: Drr) -> dict[str, np.ndarray]:
    """Three answers without learning: the input, the best scaled input, the best straight line."""
    return floors_of(drr.full, drr.bone)


def floors_of(full: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    """`floors` of an input and its target, (rows, columns) each."""
    full, bone = full.astype(np.float64), target.astype(np.float64)
    scale = (full * bone).sum() / max((full * full).sum(), 1e-12)
    slope, offset = np.polyfit(full.ravel(), bone.ravel(), 1)
    return {
        "input": full,
        "scaled input": scale * full,
        "linear regression": np.maximum(slope * full + offset, 0.0),
    }


def _plan(
    model: str,
    data: Sequence[str | Path],
    views: Sequence[str],
    config: DrrConfig | None,
    pairing: Pairing | None,
) -> Plan:
    cts = evaluation_cts(data)
    if not views:
        raise ValueError("views: got none; expected at least one named view")
    return Plan(find_model(model, "extract"), cts, tuple(dict.fromkeys(views)),
                config or DrrConfig(remove_contrast=True), pairing or Pairing())  # fmt: skip


def _evaluate(
    plan: Plan, progress: Progress | None, is_cancelled: IsCancelled | None
) -> ExtractionReport:
    rows: list[Row] = []
    for n, ct in enumerate(plan.cts):
        take = None
        for m, view in enumerate(plan.views):
            raise_if_cancelled(is_cancelled)
            if progress is not None:
                done = (n + m / len(plan.views)) / len(plan.cts)
                progress(done, f"{ct.name} {view}")
            take = take or _shooter(plan, ct)
            rows.extend(_rows(plan.model, ct, view, take(view)))
    card = plan.model.card
    return ExtractionReport(card.title, tuple(rows), plan.pairing)


def _shooter(plan: Plan, ct: EvaluationCt) -> Callable[[str], Shot]:
    """Takes views of one CT, which is read and laid out once."""
    volume = read_volume(ct.path)
    prepared = prepare_ct(volume, plan.config.bone_config())

    def take(view: str) -> Shot:
        config = dataclasses.replace(plan.config, view=view)
        return shoot(volume, config, plan.pairing, prepared, f"{ct.name} {view}")

    return take


def _rows(model: Model, ct: EvaluationCt, view: str, shot: Shot) -> Iterator[Row]:
    answer = extract(shot.radiograph, model=model).bone
    images = {"model": answer, **floors_of(shot.radiograph.pixels, shot.target)}
    if shot.exact is not None:
        images[EXACT] = shot.exact
    target = to_8bit(shot.target, shot.target)
    for method, image in images.items():
        shown = to_8bit(image, shot.target)
        figures = {name: float(metric(shown, target)) for name, metric in METRICS.items()}
        yield Row(ct.name, view, method, **figures, anatomy=ct.anatomy, patient=ct.patient,
                  moved_mm=shot.moved_mm)  # fmt: skip


def _examples(
    plan: Plan, report: ExtractionReport, is_cancelled: IsCancelled | None
) -> Iterator[Example]:
    """The best, median and worst shot by PSNR, taken once more: keeping all would fill memory."""
    rows = [row for row in report.rows if row.method == "model"]
    for rank, index in ranked([row.psnr for row in rows]).items():
        raise_if_cancelled(is_cancelled)
        ct, view = plan.cts[index // len(plan.views)], rows[index].view
        shot = _shooter(plan, ct)(view)
        row = rows[index]
        yield Example(
            f"{rank}: {ct.name} {view}",
            f"PSNR {row.psnr:.1f} dB, SSIM {row.ssim:.2f}, MS-SSIM {row.ms_ssim:.2f}",
            shot.radiograph.pixels,
            shot.target,
            extract(shot.radiograph, model=plan.model).bone,
        )


def _write_colour(path: Path, sheet: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(sheet).save(path, format="PNG")
