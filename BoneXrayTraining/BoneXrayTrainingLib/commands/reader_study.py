"""Commands of a reader study: make it, read it, report what was read."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from ..console import Reporter, check_output
from ..readers.reader_study import StudyConfig
from .base import Command, Flag, OptionalOutput, Output

if TYPE_CHECKING:
    from BoneXrayLib.reading import Reading, Showing

StudyFolder = Positional[Annotated[Path, arg(metavar="STUDY")]]


@dataclass
class ReaderStudyMake(Command):
    """Make a reader study: blinded images in a folder for readers, with decoys among them.

    Writes DIR (study.json and PNGs: give it to readers) and DIR-key.json beside it (what each
    image shows: keep it from them).
    """

    conditions: Annotated[tuple[str, ...], arg(metavar="NAME=IMAGES [NAME=IMAGES ...]")]
    """What is judged: a name and its images, a folder or a pattern such as 'results/*/bone.png'
    whose * is the name of the case. Two conditions for a preference."""
    output: Output
    """New folder of the study."""
    beside: Annotated[str | None, arg(metavar="IMAGES")] = None
    """Images to show beside the judged ones, such as the inputs: a folder or a pattern."""
    config: Annotated[StudyConfig, arg(name="")] = field(default_factory=StudyConfig)

    def run(self, report: Reporter) -> None:
        from ..readers.reader_study import make_study

        folder = check_output(self.output)
        study, key = make_study(folder, self.conditions, self.beside, self.config, report.progress)
        questions = len(list(study.glob("*-1.png")))
        report.result(
            f"Study of {questions} questions, decoys included; readers must not have the key",
            {"study": study, "key": key},
        )


@dataclass
class ReaderStudyRead(Command):
    """Read a study as one reader, in a terminal; stops with q and goes on where it stopped.

    Each question names its images; the answer is a number or a word, b goes back. Answers are
    taken from standard input, so that a program can give them. The panel does the same, with the
    images in Slicer's views.
    """

    study: StudyFolder
    """Folder of the study."""
    reader: str
    """Who reads: letters, digits, - and _."""
    show: Flag = False
    """Open each question's images in this computer's viewer."""

    def run(self, report: Reporter) -> None:
        from BoneXrayLib.reading import Reading
        from BoneXrayLib.reading_study import read_study

        reading = Reading(read_study(self.study), self.reader)
        choices = reading.study.choices
        if not self.json_progress:
            numbered = ", ".join(f"{n} = {name}" for n, name in enumerate(_names(choices), 1))
            print(f"{reading.study.question}\n{numbered}; b = back, q = stop", flush=True)
        while (showing := reading.current) is not None:
            if not _asked(reading, showing, report, self):
                break
        left = reading.total - reading.done
        report.result(
            f"{reading.done} of {reading.total} answered by {reading.reader}"
            + (f"; {left} left, go on with the same command" if left else "")
        )


@dataclass
class ReaderStudyReport(Command):
    """Report a study: shares, means, agreement of the readers, decoys, time, with intervals."""

    study: StudyFolder
    """Folder of the study, with the readers' answers."""
    output: OptionalOutput = None
    """Folder for reader-study.json and reader-study.md."""
    key: Annotated[Path | None, arg(metavar="FILE")] = None
    """The study's key; STUDY-key.json beside the folder when not given."""

    def run(self, report: Reporter) -> None:
        from ..readers.reader_report import reader_report
        from ..readers.reader_tables import as_markdown, write_reader_report

        folder = None if self.output is None else check_output(self.output)
        found = reader_report(self.study, self.key)
        files = {} if folder is None else write_reader_report(found, folder)
        report.result(as_markdown(found), files)


def _asked(reading: Reading, showing: Showing, report: Reporter, command: ReaderStudyRead) -> bool:
    """Ask one question until it is answered; False where reading stops."""
    said = _in_words(reading, showing)
    report.progress(reading.done / reading.total, said)
    if not command.json_progress:
        print(f"\n{said}", flush=True)
    if command.show:
        _open(showing)
    began = time.monotonic()
    while True:
        line = sys.stdin.readline()
        word = line.strip().lower()
        if not line or word == "q":
            return False
        if word == "b":
            reading.back()
            return True
        choice = _choice(word, reading.study.choices)
        if choice is not None:
            reading.answer(choice, time.monotonic() - began)
            return True
        accepted = f"1 to {len(reading.study.choices)}, b or q"
        print(f"answer: got {word!r}; expected {accepted}", file=sys.stderr, flush=True)


def _in_words(reading: Reading, showing: Showing) -> str:
    names = ["left", "right"] if len(showing.images) > 1 else ["image"]
    files = [f"{n} {path}" for n, path in zip(names, showing.images, strict=True)]
    files += [] if showing.beside is None else [f"beside {showing.beside}"]
    return f"{reading.number} of {reading.total}: {', '.join(files)}"


def _choice(word: str, choices: tuple[str, ...]) -> int | None:
    """A number from 1, or the beginning of a choice's name."""
    if word.isdecimal() and 1 <= int(word) <= len(choices):
        return int(word) - 1
    begun = [n for n, name in enumerate(_names(choices)) if word and name.startswith(word)]
    return begun[0] if len(begun) == 1 else None


def _names(choices: tuple[str, ...]) -> list[str]:
    """Of choices, without the number that those of a rating begin with."""
    return [choice.removeprefix(f"{n} ") for n, choice in enumerate(choices, 1)]


def _open(showing: Showing) -> None:
    """The images side by side in the system's viewer."""
    import numpy as np
    from PIL import Image

    from BoneXrayLib.comparison import side_by_side

    paths = list(showing.images)
    titles = ["left", "right"] if len(paths) > 1 else ["image"]
    if showing.beside is not None:
        paths.insert(0, showing.beside)
        titles.insert(0, "beside: not judged")
    images = [np.asarray(Image.open(path).convert("L")) for path in paths]
    Image.fromarray(side_by_side(images, titles, 768)).show()
