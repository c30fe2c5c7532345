"""A reader study on disk: a folder with `study.json` and PNGs under names that tell nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from .files import existing_path

SCHEMA_VERSION = 1
MANIFEST = "study.json"
SCALES: dict[str, tuple[str, ...]] = {
    "rating": ("1 very poor", "2 poor", "3 fair", "4 good", "5 very good"),
    "preference": ("left", "none", "right"),
}
"""Scale -> what its answers are called, in the order of the buttons."""
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.png")


@dataclass(frozen=True)
class Case:
    """One question; names of PNGs in the study's folder.

    Attributes:
        id: says nothing about the image.
        images: what is judged: one, or two to choose from.
        beside: what is shown with them and not judged; None where nothing is.
    """

    id: str
    images: tuple[str, ...]
    beside: str | None = None


@dataclass(frozen=True)
class Study:
    """What all readers of a study are asked."""

    folder: Path
    name: str
    scale: str
    question: str
    cases: tuple[Case, ...]
    seed: int
    digest: str

    @property
    def choices(self) -> tuple[str, ...]:
        """What can be answered, in words."""
        return SCALES[self.scale]


def read_study(folder: str | os.PathLike) -> Study:
    """The study in a folder.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: it holds no study, or one of its images is missing.
    """
    folder = existing_path(folder, "study")
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(f"study: {folder} holds no {MANIFEST}; expected a folder of a study")
    raw = path.read_bytes()
    try:
        data = json.loads(raw)
        if data["schema"] != SCHEMA_VERSION:
            raise ValueError(f"schema {data['schema']!r}; expected {SCHEMA_VERSION}")
        cases = tuple(Case(c["id"], tuple(c["images"]), c.get("beside")) for c in data["cases"])
        study = Study(folder, data["study"], data["scale"], data["question"], cases,
                      int(data["seed"]), hashlib.sha256(raw).hexdigest())  # fmt: skip
        _check(study)
    except (ValueError, KeyError, TypeError) as error:
        said = f"misses {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"study: {path}: {said}") from None
    return study


def _check(study: Study) -> None:
    if study.scale not in SCALES:
        raise ValueError(f"scale {study.scale!r}; expected one of {', '.join(SCALES)}")
    judged = 2 if study.scale == "preference" else 1
    if not study.cases or len({case.id for case in study.cases}) != len(study.cases):
        raise ValueError("no cases, or two of one id; expected cases with ids of their own")
    for case in study.cases:
        names = (*case.images, *([] if case.beside is None else [case.beside]))
        if len(case.images) != judged:
            raise ValueError(f"case {case.id}: {len(case.images)} images; expected {judged}")
        for name in names:
            if not FILE.fullmatch(name) or not (study.folder / name).is_file():
                raise ValueError(f"case {case.id}: {name!r} is no PNG of this folder")
