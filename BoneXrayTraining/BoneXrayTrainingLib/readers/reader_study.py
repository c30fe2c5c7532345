"""Make a reader study: blinded images, decoys among them, and the key that stays with its maker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BoneXrayLib.files import checked_output_folder, staged_folder, written_whole
from BoneXrayLib.progress import Progress
from BoneXrayLib.reading_study import MANIFEST, SCALES, SCHEMA_VERSION

from .reader_images import common_cases, grey_of, images_of, spoilt

CASE, SAME, BAD = "case", "same", "bad"
"""What a question is: one of the study, the same image again (or on both sides), a bad image."""
QUESTIONS = {
    "rating": "How good is the image for judging the bones?",
    "preference": "Which image is better for judging the bones?",
}


@dataclass(frozen=True)
class StudyConfig:
    """What a study asks; the fields of the command."""

    scale: str = "rating"
    """rating (1 to 5, one image at a time) or preference (left, right or none of two)."""
    question: str | None = None
    """What readers are asked; a question on the bones when not given."""
    same: int = 3
    """Decoys: questions asked twice (rating), or with one image on both sides (preference)."""
    bad: int = 3
    """Decoys: plainly bad images (rating), or choices between an image and itself spoilt."""
    seed: int = 1
    """Of names, order and decoys; use another for another study."""

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ValueError(f"scale: got {self.scale!r}; expected one of {', '.join(SCALES)}")
        for name in ("same", "bad"):
            if not 0 <= getattr(self, name) <= 1000:
                raise ValueError(f"{name}: got {getattr(self, name)}; expected 0 to 1000 decoys")


@dataclass(frozen=True)
class Item:
    """One question before blinding: images with the conditions they show."""

    kind: str
    name: str
    conditions: tuple[str, ...]
    spoil: int | None = None
    """Which of the images is spoilt."""


def make_study(
    folder: str | Path,
    conditions: Sequence[str],
    beside: str | None = None,
    config: StudyConfig | None = None,
    progress: Progress | None = None,
) -> tuple[Path, Path]:
    """Write a study's folder, and its key beside the folder; both or none.

    Args:
        folder: new folder of the study: give it to readers.
        conditions: `NAME=SOURCE` each, a source as in `images_of`; two for a preference.
        beside: source of images shown beside the judged ones, such as the input.
        config: scale, question, decoys.
        progress: told fraction and message.

    Returns:
        The folder, and the key: what each blinded name shows. Readers must not have it.
    """
    config, folder = config or StudyConfig(), checked_output_folder(folder)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"output: {folder} is not empty; expected a new folder for a new study")
    sources = _sources(conditions, config.scale)
    context = None if beside is None else images_of(beside, "beside")
    names = common_cases({**sources, **({} if context is None else {"beside": context})})
    rng = np.random.default_rng(config.seed)
    items = _items(list(sources), names, config, rng)
    identifiers = [f"{n:06x}" for n in rng.choice(16**6, len(items), replace=False)]
    key_path = key_of(folder)
    with staged_folder(folder) as stage:
        cases, key = [], {}
        for n, (item, name) in enumerate(zip(items, identifiers, strict=True)):
            if progress is not None:
                progress(n / len(items), f"{item.name} {' | '.join(item.conditions)}")
            case, shows = _write_case(stage, name, item, sources, context, rng)
            cases.append(case)
            key[name] = {"kind": item.kind, "name": item.name, "shows": shows}
        manifest = {"schema": SCHEMA_VERSION, "study": folder.name, "scale": config.scale,
                    "question": config.question or QUESTIONS[config.scale], "seed": config.seed,
                    "cases": cases}  # fmt: skip
        text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
        (stage / MANIFEST).write_bytes(text.encode())
        digest = hashlib.sha256(text.encode()).hexdigest()
        with written_whole(key_path) as unfinished:
            whole = {"study": digest, "conditions": list(sources), "cases": key}
            unfinished.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return folder, key_path


def key_of(folder: Path) -> Path:
    """Where a study's key lies: beside its folder."""
    return folder.absolute().parent / f"{folder.absolute().name}-key.json"


def _sources(conditions: Sequence[str], scale: str) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {}
    for word in conditions:
        name, equals, source = word.partition("=")
        if not (name and equals and source) or name in found or name == "beside":
            raise ValueError(f"conditions: got {word!r}; expected NAME=FOLDER, each name once")
        found[name] = images_of(source, f"conditions: {name}")
    if not found or (scale == "preference" and len(found) != 2):
        wanted = "two" if scale == "preference" else "at least one"
        raise ValueError(f"conditions: got {len(found)}; expected {wanted} for the scale {scale}")
    return found


def _items(
    conditions: list[str], names: list[str], config: StudyConfig, rng: np.random.Generator
) -> list[Item]:
    """All questions, decoys among them, in an order that tells nothing."""
    pairs = config.scale == "preference"
    groups = [tuple(conditions)] if pairs else [(c,) for c in conditions]
    items = [Item(CASE, name, group) for name in names for group in groups]

    def drawn(count: int) -> list[tuple[str, str]]:
        every = [(name, condition) for name in names for condition in conditions]
        if count > len(every):
            raise ValueError(f"same, bad: got {count} decoys; expected {len(every)} at most, "
                             "as there are images")  # fmt: skip
        return [every[n] for n in rng.choice(len(every), count, replace=False)]

    items += [Item(SAME, n, (c, c) if pairs else (c,)) for n, c in drawn(config.same)]
    items += [Item(BAD, n, (c, c) if pairs else (c,), len(groups[0]) - 1)
              for n, c in drawn(config.bad)]  # fmt: skip
    return [items[n] for n in rng.permutation(len(items))]


def _write_case(
    stage: Path,
    identifier: str,
    item: Item,
    sources: dict[str, dict[str, Path]],
    context: dict[str, Path] | None,
    rng: np.random.Generator,
) -> tuple[dict, dict]:
    """The case as readers get it, and what its images show; their order tells nothing either."""
    shows = {}
    for place, n in enumerate(rng.permutation(len(item.conditions)), 1):
        pixels = grey_of(sources[item.conditions[n]][item.name])
        pixels = spoilt(pixels, rng) if item.spoil == n else pixels
        file = _write(stage / f"{identifier}-{place}.png", pixels)
        shows[file] = {"condition": item.conditions[n], "spoilt": bool(item.spoil == n)}
    beside = None
    if context is not None:
        beside = _write(stage / f"{identifier}-0.png", grey_of(context[item.name]))
    return {"id": identifier, "images": list(shows), "beside": beside}, shows


def _write(path: Path, pixels: np.ndarray) -> str:
    from PIL import Image

    Image.fromarray(pixels).save(path, format="PNG")
    return path.name
