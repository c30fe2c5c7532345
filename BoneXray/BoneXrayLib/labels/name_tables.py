"""Names of label values from files: JSON, CSV and colour tables."""

from __future__ import annotations

import csv
import fnmatch
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..files import existing_path, one_line, plain_stem

NAME_FILES = (".json", ".csv", ".ctbl", ".txt")
COLOUR_NUMBERS = 4
"""Red, green, blue and opacity behind a name in a colour table."""


def names_like(known: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Those of the names that fit a pattern with * and ?; all where there is no pattern.

    Raises:
        ValueError: a pattern that fits none.
    """
    known = list(known)
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in known):
            few = ", ".join(known[:6]) + (" …" if len(known) > 6 else "")
            raise ValueError(f"structures: got {pattern!r}; expected some of {few}")
    return [
        name for name in known
        if not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]  # fmt: skip


def read_names(path: str | os.PathLike) -> dict[int, str]:
    """Names by label value from a file.

    JSON {"value": "name"} or {"name": value}; CSV with a value column (value, label, index or id)
    and a name column (name or structure); or a colour table with "value name …" lines.

    Raises:
        ValueError: none of these.
    """
    file = existing_path(path, "names")
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".json":
            pairs = list(json.loads(text).items())
        elif file.suffix.lower() == ".csv":
            pairs = _csv_pairs(text)
        else:
            pairs = _table_pairs(text)
        swap = any(not str(first).lstrip("-").isdigit() for first, _ in pairs)
        found = [(b, a) for a, b in pairs] if swap else pairs
        if any(not isinstance(name, str) for _, name in found):
            raise ValueError("a name is no text")
        return {int(value): name for value, name in found}
    except (ValueError, TypeError, KeyError, AttributeError, OSError, StopIteration) as error:
        raise ValueError(
            f"names: {file.name} ({one_line(error, 80)}); expected JSON, CSV or a colour table "
            "with a value and a name each"
        ) from error


def with_names_beside(names: dict[int, str], labels: Path) -> dict[int, str]:
    """What a label map holds, by value; what it has no name of its own for as a file beside says.

    The file is called as the map is, or labels, and is as `read_names` takes it (.json, .csv,
    .ctbl, .txt); of maps in labelsTr or labelsTs it is nnU-Net's dataset.json, too.
    """
    files = (labels.with_name(s + e) for s in (plain_stem(labels), "labels") for e in NAME_FILES)
    given = next((read_names(file) for file in files if file.is_file()), None)
    given = _of_data_set(labels) if given is None else given
    unnamed = {value: f"label {value}" for value in names}
    names = {v: given.get(v, name) if name == unnamed[v] else name for v, name in names.items()}
    return {value: name.strip() or unnamed[value] for value, name in names.items()}


def _of_data_set(labels: Path) -> dict[int, str]:
    """Names in the dataset.json of nnU-Net ({"name": value}) or of the Medical Segmentation
    Decathlon ({"value": "name"}); none where it has no such."""
    file = labels.parent.parent / "dataset.json"
    if labels.parent.name not in ("labelsTr", "labelsTs") or not file.is_file():
        return {}
    try:
        held = json.loads(file.read_text(encoding="utf-8-sig"))["labels"].items()
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return {}
    pairs = [(value, name) if isinstance(value, int) else (name, value) for name, value in held]
    return {int(v): n for v, n in pairs if str(v).isdigit() and isinstance(n, str)}


def _table_pairs(text: str) -> list[tuple[str, str]]:
    """Values and names of a colour table: names may have spaces, colours follow them as numbers."""
    pairs = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or line.startswith("#"):
            continue
        quoted = re.search(r'"([^"]+)"\s*$', line)
        if quoted:  # as ITK-SNAP writes it, colours before the name
            pairs.append((words[0], quoted[1]))
            continue
        end = len(words) - COLOUR_NUMBERS
        is_colour = end > 1 and all(word.isdigit() for word in words[end:])
        pairs.append((words[0], " ".join(words[1 : end if is_colour else None])))
    return pairs


def _csv_pairs(text: str) -> list[tuple[str, str]]:
    rows = list(csv.DictReader(text.splitlines()))
    columns = {column.strip().lower(): column for column in (rows[0] if rows else {})}
    value = next((columns[c] for c in ("value", "label", "index", "id") if c in columns), None)
    name = next((columns[c] for c in ("name", "structure") if c in columns), None)
    if value is None or name is None:
        raise ValueError("its first line heads no columns value and name")
    return [(row[value].strip(), row[name].strip()) for row in rows]
