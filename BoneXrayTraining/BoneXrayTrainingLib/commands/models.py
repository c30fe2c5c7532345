"""Commands on model folders."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from ..console import Reporter, table
from .base import Command

if TYPE_CHECKING:
    from pathlib import Path

    from BoneXrayLib.models import Model


@dataclass
class ModelsList(Command):
    """List the models that are there, and the folders refused with the reason.

    Shipped ones, and those in the folders that BONEXRAY_MODELS names.
    """

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.models import list_models, refused_models

        models = list_models()
        rows = [
            (m.card.name, f"{m.card.task}, {m.card.version}. {m.card.description}") for m in models
        ]
        refused = [f"  refused: {r.reason}" for r in refused_models()]
        report.result(
            "Models:" if models else "No models.", _places(models), lines=table(rows) + refused
        )


@dataclass
class ModelsShow(Command):
    """Show a model's card: what it takes and gives, what it was trained on, figures, limits."""

    name: Positional[Annotated[str, arg(metavar="NAME|FOLDER")]]
    """Name or folder of the model."""

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.models import find_model

        model = find_model(self.name)
        card = json.dumps(dataclasses.asdict(model.card), indent=2, ensure_ascii=False)
        report.result(card, _places([model]))


@dataclass
class ModelsVerify(Command):
    """Check a model folder: its card, each file's SHA-256, and that it holds nothing else."""

    name: Positional[Annotated[str, arg(metavar="NAME|FOLDER")]]
    """Name or folder of the model."""

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.models import find_model, verify_model

        folder = find_model(self.name).folder
        verify_model(folder)
        report.result(f"{folder.name}: card and hashes are right", {"model": folder})


def _places(models: list[Model]) -> dict[str, Path]:
    return {model.card.name: model.folder for model in models}
