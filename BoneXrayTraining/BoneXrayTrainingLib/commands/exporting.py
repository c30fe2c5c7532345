"""The command that makes a model of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ..console import Reporter, check_output
from .base import Command, Flag, Output


@dataclass
class Export(Command):
    """Export a run's last checkpoint, or its best, as a model; needs the extra packages `train`.

    Writes into DIR: model.onnx, weights.safetensors and card.json. Of a run of `train-bls-gan` it
    is the last, in 16 bits, at the size it was trained at; only version and name apply.
    """

    run_folder: Positional[Annotated[Path, arg(metavar="RUN")]]
    """Folder of the run."""
    output: Output
    """The model folder; made if it is not there."""
    version: str = "1.0.0"
    """Version that the card states."""
    name: Annotated[str | None, arg(metavar="NAME")] = None
    """Name of the model; the configuration's unless given."""
    best: Flag = False
    """Take the weights that did best on the patients kept out."""
    framing: str = "content"
    """What of an image the network is shown: content (without the air around the patient, where
    the image tells it) or whole."""
    working_size: int | None = None
    """Longer side at which images are given to the network [pixels]; what patients measured in the
    training images unless given."""
    gain: float = 1.0
    """Multiplies the network's answers, 0.5 to 2."""
    finest_mm: float | None = None
    """Smallest pixel [mm] at which a model that names bones is shown an image whose pixel size is
    known, so that bones of a part of a patient look no larger than in training."""
    closer: Annotated[tuple[str, ...], arg(metavar="BONE [BONE ...]")] = ()
    """Bones, by name with * and ?, around which a model that names bones is shown an image once
    more where they are small in it, as a wrist's on a radiograph of the whole hand. Leave out those
    that an image cuts off."""
    bits: int = 16
    """How weights are stored: in 16 bits, in 8 for files of half that size, mostly in 4, or with 6
    the largest layers in 4 and the others in 8."""
    mean_with: Annotated[str | None, arg(metavar="MODEL|RUN")] = None
    """Model or run of the same network: weights are the mean of both. Runs that began from the same
    weights often do better so."""
    mean_share: float = 0.5
    """What part of the mean that has, 0 to 1."""

    def run(self, report: Reporter) -> None:
        from ..bls_gan.export import export_bls_gan, is_bls_gan_run
        from ..exporting.export import export

        folder = check_output(self.output)
        if is_bls_gan_run(self.run_folder):
            made = export_bls_gan(self.run_folder, folder, self.version, self.name)
            report.result("Model", {"model": made})
            return
        model = export(
            self.run_folder, folder, self.version, self.working_size,
            gain=self.gain, name=self.name, best=self.best, framing=self.framing, bits=self.bits,
            finest_mm=self.finest_mm, mean_with=self.mean_with, mean_share=self.mean_share,
            closer=self.closer,
        )  # fmt: skip
        report.result("Model", {"model": model})
