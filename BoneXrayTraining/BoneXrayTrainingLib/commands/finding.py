"""The command that measures how well features of legs are found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ..console import Reporter, check_output_file
from .base import Command, OptionalFolder


@dataclass
class EvaluateFeatures(Command):
    """Measure how well a model finds the features of legs, on simulated radiographs.

    Legs are put together of the bones of the patients that the configuration keeps out
    (`validation`); of all its bones where it keeps none, which the figures then say. Lengths are at
    the patient. Needs the extra packages `train`.
    """

    config: Positional[Annotated[Path, arg(metavar="CONFIG.toml")]]
    """Configuration of the run, or the config.json in its folder: bones, legs, how they are seen.
    """
    model: str = "features-leg"
    """Name or folder of the model."""
    images: int = 60
    """How many radiographs."""
    data_root: OptionalFolder = None
    """Folder the bones' paths start from; replaces data_root of the configuration."""
    validation: Annotated[tuple[str, ...], arg(metavar="PATIENT [PATIENT ...]")] = ()
    """Patients to measure on; replaces validation of the configuration."""
    seed: int = 1
    """Of legs and images."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures to this file, too, as entries of a model's card."""

    def run(self, report: Reporter) -> None:
        import json

        from BoneXrayLib.files import written_whole
        from BoneXrayLib.models import find_model

        from ..evaluating_legs.features_evaluation import evaluate_features
        from ..learning.configuration import read_config

        if self.images < 1:
            raise ValueError(f"images: got {self.images}; expected at least 1")
        if self.json is not None:
            check_output_file(self.json)
        data_root = None if self.data_root is None else str(self.data_root)
        kept = list(self.validation) or None
        config = read_config(self.config, data_root=data_root, validation=kept)
        if config.task != "features":
            raise ValueError(f"config: {self.config} is for {config.task!r}; expected 'features'")
        model = find_model(self.model, "features")
        found = evaluate_features(config, model, self.images, self.seed, report.progress)
        lines = [found[0]["data"]] if found else []
        for entry in found:
            beside = entry["baseline"]
            guess = "" if beside is None else f" (guessed: {beside:g})"
            lines.append(f"  {entry['metric']}: {entry['value']:g}{guess}")
        files = {}
        if self.json is not None:
            text = json.dumps(found, indent=2) + "\n"
            with written_whole(self.json) as stage:
                stage.write_text(text, encoding="utf-8")
            files["figures"] = self.json
        report.result("\n".join(lines), files)
