"""Commands that make data sets of samples, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ..console import Reporter, check_output, ends_on_interrupt, table
from .base import Command, Flag, OptionalFolder, OptionalOutput, Output


@dataclass
class Generate(Command):
    """Make a data set of radiographs and their bones from any number of CTs; needs `train`.

    Ctrl-C, or a file named `stop` in the data set's folder, ends the run; --resume goes on. A CT
    that cannot be used is reported and left out.
    """

    config: Positional[Annotated[Path, arg(metavar="CONFIG.toml")]]
    """Configuration of the data set: CTs, views, draws, split."""
    output: OptionalOutput = None
    """Folder of the data set; replaces output of the configuration."""
    data_root: OptionalFolder = None
    """Folder the CTs' paths start from; replaces data_root of the configuration."""
    workers: Annotated[int | None, arg(metavar="N")] = None
    """Processes that work, each on one processor and on whole CTs; as many as processors."""
    scheduler: Annotated[str | None, arg(metavar="tcp://HOST:PORT")] = None
    """Dask scheduler whose workers work instead; they must see both folders."""
    resume: Flag = False
    """Go on with a data set that was begun."""

    def run(self, report: Reporter) -> None:
        from ..generation.config import read_generate_config
        from ..generation.run import generate

        data_root = None if self.data_root is None else str(self.data_root)
        config = read_generate_config(self.config, data_root=data_root)
        folder = check_output(self.output or Path(config.output))
        with ends_on_interrupt() as is_interrupted:
            made = generate(
                config,
                folder,
                self.workers,
                self.scheduler,
                self.resume,
                report.progress,
                is_interrupted,
            )
            if is_interrupted() and made.stopped:
                report.close()
                raise KeyboardInterrupt(
                    f"{made.samples} of {made.expected} samples are there; go on with --resume"
                )
        notes = [f"left out: {path}: {reason}" for path, reason in made.problems]
        ended = (
            f"Stopped early ({made.stopped}); go on with --resume" if made.stopped else "Data set"
        )
        report.result(
            f"{ended}: {made.samples} of {made.expected} samples, {made.made} of them new, "
            f"{made.gb:.3g} GB",
            {"dataset": made.folder},
            notes,
        )


@dataclass
class GenerateExport(Command):
    """Write a data set in another form: for nnU-Net, or as PNG pictures.

    nnunet: imagesTr, labelsTr (imagesTs, labelsTs for the test split) as NIfTI, dataset.json and
    splits_final.json. png: a folder a split and image, 8 bits, and images.json with their scales.
    """

    dataset: Positional[Annotated[Path, arg(metavar="DATASET")]]
    """Folder of the data set."""
    output: Output
    """Folder for the result; made if it is not there. nnU-Net wants it called Dataset001_Name."""
    form: str = "nnunet"
    """nnunet or png."""
    bone_above: float = 0.05
    """Optical density of bone from which a pixel is labelled bone (nnunet)."""

    def run(self, report: Reporter) -> None:
        from ..generation.forms import FORMS, write_form

        if self.form not in FORMS:
            raise ValueError(f"form: got {self.form!r}; expected one of {', '.join(FORMS)}")
        folder = check_output(self.output)
        count = write_form(self.dataset, folder, self.form, self.bone_above, report.progress)
        report.result(f"{count} samples as {self.form}", {"folder": folder})


@dataclass
class GenerateReplay(Command):
    """Make a sample again from its record and check that it is the same, bit for bit."""

    record: Positional[Annotated[Path, arg(metavar="RECORD.json")]]
    """A sample's JSON file in a shard of a data set."""
    data_root: OptionalFolder = None
    """Folder the CT's path starts from; that of the data set, when not given."""

    def run(self, report: Reporter) -> None:
        import json

        from ..generation.header import read_header
        from ..generation.replay import replay, stored_differs

        if not self.record.is_file():
            raise FileNotFoundError(f"record: {self.record} not found; expected a sample's JSON")
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
        except ValueError:
            raise ValueError(f"record: {self.record} is no JSON; expected a sample's") from None
        root = self.data_root
        if root is None:
            root = Path(read_header(self.record.absolute().parents[2])["config"]["data_root"])
        report.progress(0.0, "making the sample again")
        found = replay(record, root)
        differing = dict.fromkeys((*found.differing, *stored_differs(found, self.record)))
        if differing:
            said = "; ".join(found.versions) or "all versions are the same"
            raise ValueError(f"record: {', '.join(differing)} came out otherwise ({said})")
        rows = [(name, str(about["shape"])) for name, about in record["arrays"].items()]
        report.result("The same, bit for bit", {"record": self.record}, found.versions, table(rows))
