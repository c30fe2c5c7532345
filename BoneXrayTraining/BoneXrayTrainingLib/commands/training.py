"""Commands that make and measure models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ..console import Reporter, check_output, ends_on_interrupt
from .base import Command, Flag, OptionalFolder, OptionalOutput, Output


@dataclass
class Train(Command):
    """Train a network on radiographs simulated from CTs; needs the extra packages `train`.

    Ctrl-C, or a file named `stop` in the run's folder, ends the run with a checkpoint.
    """

    config: Positional[Annotated[Path, arg(metavar="CONFIG.toml")]]
    """Configuration of the run: CTs, network, loss, steps."""
    resume: Flag = False
    """Go on from the run's last checkpoint."""
    data_root: OptionalFolder = None
    """Folder the CTs' paths start from; replaces data_root of the configuration."""
    run_folder: OptionalFolder = None
    """Folder of the run: log, checkpoints; replaces run of the configuration."""

    def run(self, report: Reporter) -> None:
        from ..configuration import read_config
        from ..trainer import train

        data_root = None if self.data_root is None else str(self.data_root)
        run_folder = None if self.run_folder is None else str(check_output(self.run_folder))
        config = read_config(self.config, data_root=data_root, run=run_folder)
        with ends_on_interrupt() as is_interrupted:
            checkpoint = train(config, self.resume, report.progress, is_interrupted)
            if is_interrupted():
                report.close()
                raise KeyboardInterrupt(f"{checkpoint} is written; go on with --resume")
        step = int(checkpoint.name.rsplit("-", 1)[-1])
        ended = "Trained" if step >= config.steps else "Stopped early; go on with --resume"
        report.result(f"{ended}: step {step} of {config.steps}", {"checkpoint": checkpoint})


@dataclass
class Export(Command):
    """Export the last checkpoint of a run as a model folder; needs the extra packages `train`.

    Writes into DIR: model.onnx, weights.safetensors and card.json.
    """

    run_folder: Positional[Annotated[Path, arg(metavar="RUN")]]
    """Folder of the run."""
    output: Output
    """The model folder; made if it is not there."""
    version: str = "1.0.0"
    """Version that the card states."""
    working_size: int = 512
    """Longer side at which images are given to the network [pixels]."""
    gain: float = 1.0
    """Multiplies the network's answers, 0.5 to 2."""

    def run(self, report: Reporter) -> None:
        from ..export import export

        folder = check_output(self.output)
        model = export(self.run_folder, folder, self.version, self.working_size, gain=self.gain)
        report.result("Model", {"model": model})


@dataclass
class EvaluateExtract(Command):
    """Measure bone extraction on CTs: simulated radiographs, beside three trivial baselines.

    RMSE, PSNR [dB], SSIM and MS-SSIM against the bone-only radiograph, on 8-bit images scaled by
    its 99.5th percentile; means by view and anatomy with 95 % intervals over patients. Use CTs the
    model was not trained on (`models show` lists those it was). With -o, writes into DIR:
    evaluation.json, evaluation.md and contact-sheet.png (best, median and worst image).
    """

    data: Annotated[tuple[str, ...], arg(metavar="CT[:ANATOMY] [CT ...]")]
    """CT files or DICOM folders, each with the part of the body if wanted (ct.nrrd:chest); or a
    TOML list with [[ct]] entries: path, anatomy, patient, name."""
    output: OptionalOutput = None
    """Folder for figures, page and contact sheet; made if it is not there."""
    model: str = "extract-general"
    """Name or folder of the model."""
    views: tuple[str, ...] = ("AP", "LAT-L")
    """Named views."""
    pairing: str = "drr"
    """What the model is shown: drr (the radiograph of everything), or localizer (a simulated CT
    localizer, cropped to the CT; source A's harder pairing)."""
    misregistration: float = 0.0
    """How far the patient moved between localizer and CT, in a drawn direction across the view
    [mm]."""
    whole: Flag = False
    """Do not crop localizers to the CT; empty surroundings flatter every figure."""
    seed: int = 1
    """Of the direction in which the patient moved."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures to this file, too."""

    def run(self, report: Reporter) -> None:
        from ..evaluation import evaluate_extract, evaluate_into, write_report
        from ..pairings import Pairing

        if self.json is not None:
            check_output(self.json.absolute().parent)
        wanted = (self.model, self.data, self.views)
        keywords = {
            "progress": report.progress,
            "pairing": Pairing(self.pairing, self.misregistration, self.seed, self.whole),
        }
        files: dict[str, Path] = {}
        if self.output is None:
            found = evaluate_extract(*wanted, **keywords)
        else:
            found, files = evaluate_into(check_output(self.output), *wanted, **keywords)
        if self.json is not None:
            files["figures"] = write_report(found, self.json)
        report.result(str(found), files)
