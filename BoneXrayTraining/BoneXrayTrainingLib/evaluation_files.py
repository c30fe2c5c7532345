"""An evaluation of bones by name or apart as files: figures, page and contact sheet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from BoneXrayLib.files import written_whole

FIGURES, PAGE, SHEET = "evaluation.json", "evaluation.md", "contact-sheet.png"


class Report(Protocol):
    """What was found."""

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, null where there is none."""
        ...


def write_figures(report: Report, path: str | Path) -> Path:
    """Write a report as JSON, whole or not at all."""
    path = Path(path)
    with written_whole(path) as beside:
        beside.write_text(_json(report), encoding="utf-8")
    return path


def write_evaluation(stage: Path, report: Report, page: str, sheet: np.ndarray) -> tuple[str, ...]:
    """Write figures, page and contact sheet (rows, columns, 3) into a folder; their names."""
    from PIL import Image

    (stage / FIGURES).write_text(_json(report), encoding="utf-8")
    (stage / PAGE).write_text(page, encoding="utf-8")
    Image.fromarray(sheet).save(stage / SHEET, format="PNG")
    return FIGURES, PAGE, SHEET


def _json(report: Report) -> str:
    return json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n"
