"""Which CTs a model is measured on: whose they are, and what part of the body they show."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .learning.configuration import from_mapping

ANATOMY = re.compile(r"^(.+):([A-Za-z][\w -]*)$")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class EvaluationCt:
    """One CT to measure on."""

    path: str
    """CT file or DICOM folder; in a list, relative to the list's folder."""
    anatomy: str = UNKNOWN
    """Part of the body, for a table by anatomy."""
    patient: str = ""
    """Whose CT it is; CTs of one patient are not independent. The CT's name when empty."""
    name: str = ""
    """What tables call it; the file's name when empty."""


def evaluation_cts(data: Sequence[str | Path]) -> tuple[EvaluationCt, ...]:
    """The CTs that words name: `CT`, `CT:ANATOMY`, or a TOML list with an entry [[ct]] each.

    Raises:
        FileNotFoundError: a list is not there.
        ValueError: nothing is named, or a list holds what it should not.
    """
    if not data:
        raise ValueError("data: got none; expected at least one CT file or folder")
    found: list[EvaluationCt] = []
    for word in data:
        if str(word).lower().endswith(".toml"):
            found += _listed(Path(word))
        else:
            found.append(_worded(str(word)))
    files = Counter(Path(ct.path).name for ct in found)
    return tuple(_named(ct, files) for ct in found)


def _worded(word: str) -> EvaluationCt:
    """`CT:ANATOMY`, where no file has all of that as its name."""
    split = ANATOMY.match(word)
    if split is None or Path(word).exists():
        return EvaluationCt(word)
    return EvaluationCt(split[1], split[2].strip())


def _listed(path: Path) -> list[EvaluationCt]:
    if not path.is_file():
        raise FileNotFoundError(f"data: {path} does not exist; expected a TOML list of CTs")
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("ct")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"data: {path} is no TOML file ({error})") from None
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"data: {path} lists no CT; expected [[ct]] entries with a path")
    cts = [from_mapping(EvaluationCt, e, f"data: {path.name}: ct[{n}]")
           for n, e in enumerate(entries)]  # fmt: skip
    return [dataclasses.replace(ct, path=str(path.parent / ct.path)) for ct in cts]


def _named(ct: EvaluationCt, files: Counter) -> EvaluationCt:
    """With a name, and with a patient; the folder tells files of one name apart."""
    path = Path(ct.path)
    name = ct.name or (path.name if files[path.name] == 1 else f"{path.parent.name}/{path.name}")
    return dataclasses.replace(ct, name=name, patient=ct.patient or name)
