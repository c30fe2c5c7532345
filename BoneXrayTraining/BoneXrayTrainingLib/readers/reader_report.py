"""What readers said: shares, means, agreement, decoys, time; only what was answered is counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BoneXrayLib.reading import Answer, read_answers, readers_of
from BoneXrayLib.reading_study import Study, read_study

from ..intervals import mean_interval, wilson
from .agreement import agreement
from .reader_study import BAD, CASE, SAME, key_of

FAVOURABLE = 4
"""Ratings from here on are favourable."""
POOR = 2
"""A plainly bad image should be rated no better."""


@dataclass(frozen=True)
class Reading:
    """One answer with what it was about.

    Attributes:
        condition: what was judged; of a preference what was preferred, "none" for neither.
        good: whether it was rated favourable.
        right: whether a decoy was answered as it should be; None where that cannot be said.
    """

    reader: str
    kind: str
    name: str
    condition: str
    answer: Answer
    right: bool | None = None

    @property
    def good(self) -> bool:
        """Whether this is a favourable rating."""
        return isinstance(self.answer.value, int) and self.answer.value >= FAVOURABLE


def reader_report(folder: str | Path, key: str | Path | None = None) -> dict:
    """The report of a study as plain numbers, for JSON and for `as_markdown`.

    Args:
        folder: of the study, with the readers' answers in it.
        key: what `make_study` wrote beside the folder; looked for there when None.

    Raises:
        FileNotFoundError: no study, or no key.
        ValueError: nobody has answered, or key or answers are of another study.
    """
    study = read_study(folder)
    cases = read_key(study, Path(key) if key is not None else key_of(study.folder))
    readers = readers_of(study)
    readings = [r for name in readers for r in _readings(study, name, cases)]
    if not readings:
        raise ValueError(f"study: {study.folder} holds no answers; expected some by `read`")
    asked = [r for r in readings if r.kind == CASE]
    judge = _ratings if study.scale == "rating" else _preferences
    level = "ordinal" if study.scale == "rating" else "nominal"
    found = agreement(_by_image(asked, study.scale), level)
    return {
        "study": study.name,
        "scale": study.scale,
        "question": study.question,
        "questions": len(study.cases),
        "readers": [_reader(n, [r for r in readings if r.reader == n]) for n in readers],
        "conditions": judge(asked, cases),
        "left": _left(asked, study),
        "agreement": vars(found),
        "decoys": {kind: _right(r for r in readings if r.kind == kind) for kind in (SAME, BAD)},
        "seconds": _seconds(asked),
        "favourable_from": FAVOURABLE if study.scale == "rating" else None,
    }


def read_key(study: Study, path: Path) -> dict[str, dict]:
    """What each case shows, by its id."""
    if not path.is_file():
        raise FileNotFoundError(f"key: {path} does not exist; expected the key `make` wrote")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        digest, cases = data["study"], data["cases"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"key: {path} is no key of a study") from None
    if digest != study.digest or set(cases) != {case.id for case in study.cases}:
        raise ValueError(f"key: {path} belongs to another study; expected that of {study.folder}")
    return cases


def _readings(study: Study, reader: str, cases: dict[str, dict]) -> Iterable[Reading]:
    answers = read_answers(study, reader)
    asked = {(c["name"], _condition(c, None)): answers[i] for i, c in cases.items()
             if c["kind"] == CASE and i in answers}  # fmt: skip
    for identifier, answer in answers.items():
        case = cases[identifier]
        first = asked.get((case["name"], _condition(case, None)))
        preferred = study.scale == "preference"
        condition = _condition(case, answer.chosen) if preferred else _condition(case, None)
        yield Reading(reader, case["kind"], case["name"], condition, answer,
                      _is_right(case, answer, first))  # fmt: skip


def _condition(case: dict, chosen: str | None) -> str:
    """The condition of the chosen image, or of the only one; "none" of two."""
    shows = case["shows"]
    if chosen is None and len(shows) > 1:
        return "none"
    return shows[chosen or next(iter(shows))]["condition"]


def _is_right(case: dict, answer: Answer, first: Answer | None) -> bool | None:
    """Whether a decoy was seen through: same as the first time ± 1, neither of two equal ones,
    poor, not the spoilt one."""
    if case["kind"] == CASE:
        return None
    if isinstance(answer.value, int):
        if case["kind"] == BAD:
            return answer.value <= POOR
        return None if first is None else abs(answer.value - int(first.value)) <= 1
    if case["kind"] == SAME:
        return answer.chosen is None
    return answer.chosen is not None and not case["shows"][answer.chosen]["spoilt"]


def _share(count: int, total: int) -> dict:
    share = count / total if total else None
    return {"count": count, "of": total, "share": share, "interval": wilson(count, total)}


def _ratings(asked: list[Reading], cases: dict[str, dict]) -> list[dict]:
    rows = []
    for condition in _conditions(cases):
        of = [r for r in asked if r.condition == condition]
        images = [r.name for r in of]
        values = [float(r.answer.value) for r in of]
        good: dict[str, list[bool]] = {}
        for r in of:
            good.setdefault(r.name, []).append(r.good)
        most = [sum(votes) > len(votes) / 2 for votes in good.values()]
        rows.append({
            "condition": condition,
            "images": len(good),
            "readings": len(of),
            "mean": float(np.mean(values)) if values else None,
            "mean_interval": mean_interval(values, images),
            "favourable": _share(sum(r.good for r in of), len(of)),
            "favourable_over_images": mean_interval([float(r.good) for r in of], images),
            "favourable_by_most": _share(sum(most), len(most)),
            "seconds": _seconds(of),
        })  # fmt: skip
    return rows


def _preferences(asked: list[Reading], cases: dict[str, dict]) -> list[dict]:
    images = [r.name for r in asked]
    rows = []
    for condition in (*_conditions(cases), "none"):
        votes = [r.condition == condition for r in asked]
        rows.append({
            "condition": condition,
            "images": len(set(images)),
            "readings": len(asked),
            "preferred": _share(sum(votes), len(votes)),
            "preferred_over_images": mean_interval([float(v) for v in votes], images),
        })  # fmt: skip
    return rows


def _conditions(cases: dict[str, dict]) -> list[str]:
    return sorted({s["condition"] for c in cases.values() for s in c["shows"].values()})


def _left(asked: list[Reading], study: Study) -> dict | None:
    """How often the left of two was preferred: half of the time, where sides do not matter."""
    if study.scale != "preference":
        return None
    sides = [r.answer.value for r in asked if r.answer.value != "none"]
    return _share(sides.count("left"), len(sides))


def _by_image(asked: list[Reading], scale: str) -> list[list]:
    """The answers to each question, of all readers."""
    units: dict[str, list] = {}
    for r in asked:
        units.setdefault(r.answer.case, []).append(
            r.answer.value if scale == "rating" else r.condition
        )
    return list(units.values())


def _right(readings: Iterable[Reading]) -> dict:
    known = [r.right for r in readings if r.right is not None]
    return _share(sum(known), len(known))


def _seconds(readings: Sequence[Reading]) -> dict | None:
    """Quartiles of the time an image was looked at [s]."""
    if not readings:
        return None
    low, middle, high = np.percentile([r.answer.seconds for r in readings], [25, 50, 75])
    return {"median": float(middle), "quartiles": [float(low), float(high)]}


def _reader(name: str, readings: list[Reading]) -> dict:
    asked = [r for r in readings if r.kind == CASE]
    good = _share(sum(r.good for r in asked), len(asked)) if asked and isinstance(
        asked[0].answer.value, int) else None  # fmt: skip
    return {
        "reader": name,
        "answered": len(readings),
        "favourable": good,
        "decoys": _right(r for r in readings if r.kind != CASE),
        "seconds": _seconds(asked),
    }
