"""Commands that make and measure models."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from ..console import Reporter, check_output, check_output_file, ends_on_interrupt
from .base import Command, Flag, OptionalFolder, OptionalOutput

if TYPE_CHECKING:
    from ..learning.configuration import TrainConfig


@dataclass
class Train(Command):
    """Train a network on radiographs simulated from CTs; needs the extra packages `train`.

    They are simulated while it trains, or before: a data set made by `generate`.

    Ctrl-C, or a file named `stop` in the run's folder, ends the run with a checkpoint. Several
    processes train one network: torchrun --nproc-per-node N -m BoneXrayTrainingLib train CONFIG.
    """

    config: Positional[Annotated[Path, arg(metavar="CONFIG.toml")]]
    """Configuration of the run: CTs, network, loss, steps."""
    resume: Flag = False
    """Go on from the run's last checkpoint."""
    data_root: OptionalFolder = None
    """Folder the CTs' paths start from; replaces data_root of the configuration."""
    dataset: OptionalFolder = None
    """Data set made by `generate` to train on; replaces the CTs of the configuration."""
    labelled: OptionalFolder = None
    """Folder of CTs with label maps beside them (NAME.seg.nrrd, NAME_seg.*, NAME_labels.* or
    labels/NAME.*), or laid out as TotalSegmentator's data set or nnU-Net's: learn all structures
    these name, in place of CTs and structures of the configuration."""
    structures: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")] = ()
    """With --labelled: learn those only, as "femur left", "rib*"; CTs without any are left out."""
    run_folder: OptionalFolder = None
    """Folder of the run: log, checkpoints; replaces run of the configuration."""
    start_from: Annotated[str | None, arg(metavar="MODEL|RUN")] = None
    """Model or run whose weights to start from; replaces start_from of the configuration."""

    leave_out: Annotated[tuple[str, ...], arg(metavar="SUBJECT [SUBJECT ...]")] = ()
    """To find features of legs: subjects of the files, with * and ?, of whom nothing is used."""

    preview: Annotated[Path | None, arg(metavar="DIR")] = None
    """Write some of the pairs it would train on there (images.nrrd, bones.nrrd); train nothing."""

    def run(self, report: Reporter) -> None:
        from ..learning.configuration import read_config

        data_root = None if self.data_root is None else str(self.data_root)
        dataset = None if self.dataset is None else str(self.dataset)
        folder = None if self.run_folder is None else str(check_output(self.run_folder))
        replaced = {"data_root": data_root, "dataset": dataset, "start_from": self.start_from}
        replaced |= self._learned(report)
        config = read_config(self.config, run=folder, **replaced)
        if self.leave_out:
            left_out = (*config.legs.leave_out, *self.leave_out)
            legs = dataclasses.replace(config.legs, leave_out=left_out)
            config = dataclasses.replace(config, legs=legs)
        if self.preview is None:
            self._train(config, report)
            return
        from ..preview import write_preview

        made = write_preview(config, check_output(self.preview), report.progress)
        report.result("Sample pairs", {"preview": made})

    def _learned(self, report: Reporter) -> dict[str, Any]:
        """Entries of the configuration that labelled CTs replace."""
        if self.labelled is None:
            if self.structures:
                raise ValueError(f"structures: {self.structures[0]}; expected --labelled with it")
            return {}
        from ..label_choices import LabelledChoice, labelled_entries, read_labelled, with_any
        from ..mappings import read_toml

        if self.data_root is not None or self.dataset is not None:
            raise ValueError("labelled: set beside data-root or dataset; expected one of them")
        cts = read_labelled(self.labelled, progress=report.progress)
        usable = [ct for ct in cts if not ct.reason]
        if not usable:
            few = "; ".join(f"{ct.path}: {ct.reason}" for ct in cts[:3]) or "no CT there"
            raise ValueError(f"labelled: {self.labelled}: {few}; expected CTs with label maps")
        usable, structures = with_any(usable, self.structures)
        choice = LabelledChoice(self.labelled, usable, structures)
        return labelled_entries(choice, read_toml(self.config))

    def _train(self, config: TrainConfig, report: Reporter) -> None:
        from BoneXrayLib.progress import Cancelled

        from ..learning.checkpoints import read_state
        from ..learning.processes import is_first
        from ..learning.trainer import train

        with ends_on_interrupt() as is_interrupted:
            try:
                checkpoint = train(config, self.resume, report.progress, is_interrupted)
            except Cancelled:
                report.close()
                raise KeyboardInterrupt("no step was taken") from None
            if is_interrupted():
                report.close()
                raise KeyboardInterrupt(f"{checkpoint} is written; go on with --resume")
        if not is_first():
            return
        state = read_state(checkpoint)
        ended = "Stopped early; go on with --resume"
        if state.step >= config.steps:
            ended = "Trained"
        elif 0 < config.patience <= state.worse:
            ended = f"Trained as long as it helped; best at step {state.best_step}"
        report.result(f"{ended}: step {state.step} of {config.steps}", {"checkpoint": checkpoint})


@dataclass
class TrainBlsGan(Command):
    """Train BLS-GAN's layer separation on joints with masks; needs the extra packages `train`.

    The published approach (arXiv 2409.07304) to compare with, on your own joints: images/NAME.png,
    masks/NAME_upper.png and masks/NAME_lower.png. Ctrl-C, or a file named `stop` in the run's
    folder, ends the run with a checkpoint. `export` makes a model of it.
    """

    config: Positional[Annotated[Path, arg(metavar="CONFIG.toml")]]
    """Configuration of the run: joints, networks, both stages."""
    resume: Flag = False
    """Go on from the run's last checkpoint."""
    data_root: OptionalFolder = None
    """Folder that paths start from; replaces data_root of the configuration."""
    run_folder: OptionalFolder = None
    """Folder of the run: log, checkpoints; replaces run of the configuration."""

    def run(self, report: Reporter) -> None:
        from ..bls_gan.config import read_bls_gan
        from ..learning.checkpoints import read_state
        from ..separation import train_bls_gan

        data_root = None if self.data_root is None else str(self.data_root)
        folder = None if self.run_folder is None else str(check_output(self.run_folder))
        config = read_bls_gan(self.config, data_root=data_root, run=folder)
        with ends_on_interrupt() as is_interrupted:
            checkpoint = train_bls_gan(config, self.resume, report.progress, is_interrupted)
            if is_interrupted():
                report.close()
                raise KeyboardInterrupt(f"{checkpoint} is written; go on with --resume")
        step = read_state(checkpoint).step
        ended = "Trained" if step >= config.steps else "Stopped early; go on with --resume"
        report.result(f"{ended}: step {step} of {config.steps}", {"checkpoint": checkpoint})


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
    localizer, cropped to the CT; a harder pairing)."""
    misregistration: float = 0.0
    """How far the patient moved between localizer and CT, in a drawn direction across the view
    [mm]."""
    whole: Flag = False
    """Do not crop localizers to the CT; empty surroundings flatter every figure."""
    kvp: float | None = None
    """Tube voltage of the localizer [kV]: 120 without a number here; 0 leaves it a line integral,
    as the target is."""
    seed: int = 1
    """Of the direction in which the patient moved, and the localizer's noise."""
    keep_contrast: Flag = False
    """Let contrast medium above the bone threshold count as bone."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures to this file, too."""

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.drr import DrrConfig

        from ..evaluation import evaluate_extract, evaluate_into, write_report
        from ..pairings import Pairing

        if self.json is not None:
            check_output_file(self.json)
        wanted = (self.model, self.data, self.views)
        keywords: dict[str, Any] = {
            "progress": report.progress,
            "config": DrrConfig() if self.keep_contrast else None,
            "pairing": Pairing(self.pairing, self.misregistration, self.seed, self.whole, self.kvp),
        }
        files: dict[str, Path] = {}
        if self.output is None:
            found = evaluate_extract(*wanted, **keywords)
        else:
            found, files = evaluate_into(check_output(self.output), *wanted, **keywords)
        if self.json is not None:
            files["figures"] = write_report(found, self.json)
        report.result(str(found), files)
