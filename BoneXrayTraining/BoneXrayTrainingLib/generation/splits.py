"""Patients to train, validation and test; one patient or one file in two of them is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from .config import SPLITS, GenerateSource, SplitConfig


def split_of_patients(patients: Iterable[str], config: SplitConfig) -> dict[str, str]:
    """The split of each patient: the list that names it, else by a hash of its name.

    Raises:
        ValueError: a patient in two lists, or a list that names nobody's patient.
    """
    everyone = list(dict.fromkeys(patients))
    named: dict[str, str] = {}
    for split in SPLITS:
        for patient in getattr(config, split):
            if named.setdefault(patient, split) != split:
                raise ValueError(
                    f"split: patient {patient!r} is in {named[patient]} and {split}; "
                    "expected one of them"
                )
            if patient not in everyone:
                raise ValueError(f"split.{split}: {patient!r} is not among the patients of [[ct]]")
    return {patient: named.get(patient) or _dealt(patient, config) for patient in everyone}


def refuse_shared_people(sources: Iterable[GenerateSource], splits: dict[str, str]) -> None:
    """Refuse somebody whom meshes of one split are drawn towards and who is in another, too.

    Raises:
        ValueError: so it is.
    """
    found: dict[str, str] = {}
    for source in sources:
        for person in source.people:
            own = splits[source.patient]
            if found.setdefault(person, own) != own:
                raise ValueError(
                    f"mesh.towards: {person} is in {found[person]} and {own}; expected one split"
                )


def refuse_leakage(
    sources: Iterable[GenerateSource], hashes: Iterable[str | None], splits: dict[str, str]
) -> None:
    """Refuse one file in two splits, under whatever names.

    Args:
        sources: the CTs.
        hashes: SHA-256 of each CT's file; None where it could not be read.
        splits: split of each patient.

    Raises:
        ValueError: two entries have the same content and lie in different splits.
    """
    first: dict[str, GenerateSource] = {}
    for source, digest in zip(sources, hashes, strict=True):
        if digest is None:
            continue
        other = first.setdefault(digest, source)
        here, there = splits[source.patient], splits[other.patient]
        if here != there:
            raise ValueError(
                f"split: {other.path} ({there}) and {source.path} ({here}) are the same CT; "
                "expected it in one split"
            )


def _dealt(patient: str, config: SplitConfig) -> str:
    """By a hash, so that a patient stays where it is when others come or go."""
    digest = hashlib.sha256(f"{config.salt}:{patient}".encode()).digest()
    lot = int.from_bytes(digest[:8], "big") / 2**64
    reached = 0.0
    for split, share in zip(SPLITS, config.fractions, strict=True):
        reached += share
        if lot < reached:
            return split
    return next(s for s, f in zip(SPLITS[::-1], config.fractions[::-1], strict=True) if f > 0)
