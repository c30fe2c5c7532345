"""The card of a shape model, and its figures as a table for people."""

from __future__ import annotations

import numpy as np

from BoneXrayLib.cards.model_card import SHAPE_FRAME
from BoneXrayLib.models import SCHEMA_VERSION, ModelCard
from BoneXrayLib.shape_model import TASK

from .building import Built
from .config import ShapeModelConfig
from .report import Generality, compactness
from .surface_files import Subject

MEASURED = "distance to the surface of a subject left out, mean [mm]"


def make_card(
    config: ShapeModelConfig, subjects: list[Subject], built: Built, figures: list[Generality],
    specific_mm: float,
) -> ModelCard:  # fmt: skip
    """The card of a model, from its configuration, subjects and figures; nothing made up."""
    model, whole = built.model, len(built.whole.names)
    parts = f" and the lower ends of {len(built.parts)} more" if built.parts else ""
    return ModelCard(
        schema=SCHEMA_VERSION,
        name=config.name,
        task=TASK,
        version=config.version,
        description=(
            f"Shapes of a {config.bone}: a mean surface of {len(model.mean)} vertices and "
            f"{model.count} modes, from {whole} bones{parts}, widened by smooth deformations."
        ),
        input={"bone": config.bone, **SHAPE_FRAME},
        outputs=[{"name": name} for name in (*model.marks, *model.rounds)],
        trained_on={
            "sources": [{"name": each.name, "licence": each.source.licence} for each in subjects],
            "cts": 0,
            "subjects": whole,
            "parts": len(built.parts),
            "amplitudes": dict(
                zip(("subjects", "smooth", "local"), built.amplitudes.of(), strict=True)
            ),
            "correspondence_mm": _mean(list(built.whole.distances)),
            "modes_for_share_of_variance": compactness(model),
        },
        evaluation=_evaluation(built, figures, specific_mm),
        intended_use=(
            f"Research: rebuilding a {config.bone} from radiographs, and drawing shapes of it. "
            "Not a medical device."
        ),
        limits=(
            f"Adults; few subjects ({whole} whole bones). Age, sex and health are not stated by "
            "the sources. Broken, operated or misshapen bones are not among them."
        ),
    )


def _evaluation(built: Built, figures: list[Generality], specific_mm: float) -> list[dict]:
    found = []
    if figures:
        data = f"{len(figures)} subjects, each left out in turn"
        floor = {
            "baseline": _mean([f.nearest_mm for f in figures]),
            "baseline_is": "the nearest of the other subjects",
        }
        found = [
            {"data": data, "metric": MEASURED,
             "value": _mean([f.mean_mm for f in figures]), **floor},
            {"data": data, "metric": f"{MEASURED}, principal components only",
             "value": _mean([f.principal_mm for f in figures]), **floor},
        ]  # fmt: skip
    found.append({
        "data": "shapes drawn from the model", "metric": "specificity: mean distance of vertices "
        "from those of the nearest subject [mm]", "value": round(specific_mm, 2),
        "baseline": _mean(_apart(built)), "baseline_is": "subjects from the nearest other one",
    })  # fmt: skip
    return found


def _apart(built: Built) -> list[float]:
    shapes = built.whole.shapes
    away = np.linalg.norm(shapes[:, None] - shapes[None], axis=3).mean(axis=2)
    away[np.diag_indices(len(shapes))] = np.inf
    return list(away.min(axis=1))


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 2)
