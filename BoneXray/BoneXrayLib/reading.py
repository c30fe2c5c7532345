"""One reader's way through a reader study: what is shown next, what was answered, when.

Each reader has an order of their own, drawn from the study's seed and the reader's name; answers
are appended to `answers/<reader>.jsonl` one by one, so that nothing is lost when reading stops at
any moment.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .files import written_whole
from .reading_study import Study

ANSWERS = "answers"
READER = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class Showing:
    """A case as one reader sees it: full paths, the images from left to right."""

    case: str
    images: tuple[Path, ...]
    beside: Path | None


@dataclass(frozen=True)
class Answer:
    """What a reader said.

    Attributes:
        case: its id.
        value: 1 to 5, or "left", "none", "right".
        chosen: file of the preferred image; None for none, and for ratings.
        seconds: the image was looked at before.
        at: when, UTC.
    """

    case: str
    value: int | str
    chosen: str | None
    seconds: float
    at: str


def check_reader(reader: str) -> str:
    """A reader's name, fit to be a file's; ValueError for others."""
    name = reader.strip().lower()
    if not READER.fullmatch(name):
        raise ValueError(
            f"reader: got {reader!r}; expected 1 to 40 letters a-z, digits, - or _, e.g. reader1"
        )
    return name


def readers_of(study: Study) -> list[str]:
    """Who has begun to read the study."""
    return sorted(path.stem for path in (study.folder / ANSWERS).glob("*.jsonl"))


class Reading:
    """One reader's session; made anew, it goes on where the answers on disk end."""

    def __init__(self, study: Study, reader: str) -> None:
        self.study, self.reader = study, check_reader(reader)
        self._path = study.folder / ANSWERS / f"{self.reader}.jsonl"
        self._order = _order(study, self.reader)
        self.answers = read_answers(study, self.reader) if self._path.exists() else {}
        self._place = 0
        self._to_next()

    @property
    def current(self) -> Showing | None:
        """What is to be judged now; None when all is done."""
        return self._order[self._place] if self._place < self.total else None

    @property
    def number(self) -> int:
        """Which case this is for the reader, from 1."""
        return self._place + 1

    @property
    def done(self) -> int:
        """How many cases are answered."""
        return len(self.answers)

    @property
    def total(self) -> int:
        """How many cases there are."""
        return len(self._order)

    def answer(self, choice: int, seconds: float) -> None:
        """Record a choice, an index into the study's `choices`, and go to the next open case.

        Raises:
            ValueError: no such choice, or nothing is left to judge.
        """
        showing, choices = self.current, self.study.choices
        if showing is None:
            raise ValueError("answer: all cases are answered; expected none")
        if not 0 <= choice < len(choices):
            raise ValueError(f"answer: got {choice}; expected 0 to {len(choices) - 1}")
        value: int | str = choice + 1
        chosen = None
        if self.study.scale == "preference":
            value = choices[choice]
            chosen = {"left": showing.images[0].name, "right": showing.images[1].name}.get(value)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._keep(Answer(showing.case, value, chosen, round(max(seconds, 0.0), 2), now))
        self._place += 1
        self._to_next()

    def back(self) -> None:
        """Show the case before this one again; a new answer replaces the old one."""
        self._place = max(self._place - 1, 0)

    def _to_next(self) -> None:
        """The first open case from here on, or from the start."""
        places = [*range(self._place, self.total), *range(self._place)]
        waiting = (n for n in places if self._order[n].case not in self.answers)
        self._place = next(waiting, self.total)

    def _keep(self, answer: Answer) -> None:
        """Append to the file and wait until it is on the disk."""
        if not self._path.exists():
            self._path.parent.mkdir(exist_ok=True)
            head = {"reader": self.reader, "study": self.study.digest}
            with written_whole(self._path) as beside:
                beside.write_text(json.dumps(head) + "\n", encoding="utf-8")
        # A line that a crash cut short is ended, so that it spoils no other.
        cut = "" if self._path.read_bytes().endswith(b"\n") else "\n"
        with self._path.open("a", encoding="utf-8") as file:
            file.write(cut + json.dumps(vars(answer)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.answers[answer.case] = answer


def read_answers(study: Study, reader: str) -> dict[str, Answer]:
    """A reader's answers by case; of several to one case, the last.

    Raises:
        ValueError: the answers belong to another study or are damaged.
    """
    path = study.folder / ANSWERS / f"{reader}.jsonl"
    head, *lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    try:
        digest = json.loads(head)["study"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"reader: {path} does not begin as a file of answers") from None
    if digest != study.digest:
        raise ValueError(f"reader: {path} answers another study; expected those of this one")
    cases = {case.id: case for case in study.cases}
    found: dict[str, Answer] = {}
    for number, line in enumerate(lines, 2):
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # empty, or cut short by a crash: the case is asked again
        answer = _answer(entry, study)
        if answer is None or answer.case not in cases:
            raise ValueError(f"reader: {path}: line {number} is no answer to this study")
        found[answer.case] = answer
    return found


def _answer(entry: object, study: Study) -> Answer | None:
    """An answer of the study's scale, or None."""
    if not isinstance(entry, dict):
        return None
    try:
        answer = Answer(**entry)
    except TypeError:
        return None
    rating = study.scale == "rating"
    values = range(1, len(study.choices) + 1) if rating else study.choices
    return answer if answer.value in values and answer.seconds >= 0 else None


def _order(study: Study, reader: str) -> list[Showing]:
    """The cases as this reader sees them: order and sides drawn from seed and name."""
    rng = np.random.default_rng([study.seed, zlib.crc32(reader.encode())])
    shuffled = rng.permutation(len(study.cases))
    turned = rng.random(len(study.cases)) < 0.5
    showings = []
    for number in shuffled:
        case = study.cases[number]
        images = [study.folder / name for name in case.images]
        beside = None if case.beside is None else study.folder / case.beside
        if turned[number]:
            images.reverse()
        showings.append(Showing(case.id, tuple(images), beside))
    return showings
