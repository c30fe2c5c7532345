"""CTs with label maps: which map is whose, what bones the maps name, and a run on chosen ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from BoneXrayLib.label_maps import read_labels
from BoneXrayLib.labels.name_tables import names_like, with_names_beside
from BoneXrayLib.progress import Cancelled, IsCancelled, Progress

from .choices import (
    cts_in_folder,
    label_map_beside,
    read_template,
    write_chosen,
)
from .structure_names import has_one_side_only, values_by_structure

SEGMENT_CONFIG = Path(__file__).parent / "configs" / "segment.toml"
SEPARATE_CONFIG = SEGMENT_CONFIG.with_name("separate.toml")
"""The configurations that such runs take network, loss and steps from."""
FEWEST_BONES = {"segment": 1, "separate": 2}
"""How many of the bones to learn a CT must have, by task."""
REVERSED_SHARE = 0.25
"""Of the images of a network that tells which way round they are."""
FEWEST_PATIENTS = 4
"""Of fewer CTs smoothly deformed copies are made, up to about this many patients."""


@dataclass(frozen=True)
class LabelledCt:
    """One CT, its label map and the values of each structure there; or why it is left out."""

    path: str
    labels: str = ""
    structures: Mapping[str, Sequence[int]] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class LabelledChoice:
    """What to learn, and from which CTs."""

    root: str | Path
    """Folder that the paths start from."""
    cts: Sequence[LabelledCt]
    """Those to train on, and the one kept out."""
    structures: Sequence[str] = ()
    """Of those that `structures_of` finds; all of them when empty."""
    kept_out: str = ""
    """Path of a CT kept out of training and watched; none when empty."""
    licence: str = "not stated"
    """Of the CTs; the model's card will state it."""
    network: Mapping[str, Any] | None = None
    """Of the model to start from; the configuration's when None."""


def read_labelled(
    folder: str | Path,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> list[LabelledCt]:
    """The CTs of a folder with their label maps, found by `label_map_beside`.

    Args:
        folder: where they lie.
        names: of the CTs; all of the folder when None.
        progress: told which label map is being read.
        is_cancelled: asked before each.

    Raises:
        Cancelled: when `is_cancelled` said so.
    """
    found: list[tuple[str, str, dict[int, str], str]] = []
    wanted = cts_in_folder(folder) if names is None else names
    for number, ct in enumerate(wanted):
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        labels = label_map_beside(folder, ct)
        if labels and progress is not None:
            progress(number / len(wanted), f"reading {labels}")
        found.append((ct, labels, *_read_one(Path(folder), labels)))
    values = values_by_structure([held for _, _, held, _ in found])
    return [
        LabelledCt(ct, labels, of, reason)
        for (ct, labels, _, reason), of in zip(found, values, strict=True)
    ]


def _read_one(folder: Path, labels: str) -> tuple[dict[int, str], str]:
    """What a label map holds, and why it cannot be used."""
    if not labels:
        return {}, "no label map beside it"
    try:
        return names_in(folder / labels), ""
    except (ValueError, OSError) as error:
        return {}, str(error)


def names_in(labels: Path) -> dict[int, str]:
    """What a label map holds, by value.

    Names come from the map itself, or else from a file beside it: see `with_names_beside`.

    Raises:
        ValueError, FileNotFoundError: as `read_labels`.
    """
    _, _, names = read_labels(labels)
    return with_names_beside(names, labels)


def structures_of(cts: Sequence[LabelledCt]) -> dict[str, int]:
    """The structures that labels of these CTs stand for, and how many CTs have each."""
    return dict(Counter(name for ct in cts for name in ct.structures))


def with_any(
    cts: Sequence[LabelledCt], patterns: Sequence[str]
) -> tuple[list[LabelledCt], list[str]]:
    """The CTs that have one of the structures of such names, and these structures.

    Args:
        cts: CTs with label maps.
        patterns: names, with * and ?; all structures when empty.

    Raises:
        ValueError: a pattern that is no structure's.
    """
    wanted = names_like(structures_of(cts), patterns)
    return [ct for ct in cts if set(wanted) & set(ct.structures)], wanted


def labelled_entries(choice: LabelledChoice, template: Mapping[str, Any]) -> dict[str, Any]:
    """What replaces a configuration's entries so that a run learns what was chosen.

    Raises:
        ValueError: the configuration is for another task, or a CT has no bone to learn.
    """
    task, network = template.get("task", "extract"), choice.network or template.get("network")
    if task not in FEWEST_BONES or not network:
        known = " or ".join(map(repr, FEWEST_BONES))
        raise ValueError(f"config: task {task!r}; expected {known} and a [network]")
    structures = list(choice.structures or structures_of(choice.cts))
    entries = {
        "ct": _ct_entries(choice, structures, FEWEST_BONES[task]),
        "structures": structures,
        "data_root": str(choice.root),
        "validation": [choice.kept_out] if choice.kept_out else [],
        "network": dict(network),
    }
    if not choice.kept_out:
        entries["patience"] = 0
    if task == "segment":
        entries |= _named_outputs(choice, structures, network, template.get("augmentation", {}))
    return entries


def _ct_entries(
    choice: LabelledChoice, structures: Sequence[str], fewest: int
) -> list[dict[str, Any]]:
    """The [[ct]] entries, each CT with those of the structures that it has."""
    trained = sum(ct.path != choice.kept_out for ct in choice.cts)
    copies = max(1, round(FEWEST_PATIENTS / max(1, trained)))
    entries = []
    for ct in choice.cts:
        found = ct.structures
        names = {name: [str(v) for v in found[name]] for name in structures if name in found}
        if len(names) < fewest:
            few = f"has {'only ' + ', '.join(names) if names else 'none'} of the bones to learn"
            raise ValueError(f"ct: {ct.path} {ct.reason or few}")
        entries.append(
            {"path": ct.path, "patient": ct.path, "licence": choice.licence or "not stated",
             "labels": ct.labels, "names": names,
             "variants": 1 if ct.path == choice.kept_out else copies}
        )  # fmt: skip
    return entries


def _named_outputs(
    choice: LabelledChoice,
    structures: Sequence[str],
    network: Mapping[str, Any],
    augmentation: Mapping[str, Any],
) -> dict[str, Any]:
    """Network and augmentation of a run that names bones: an output each, sides kept apart."""
    one_more = len(structures) + 1
    if choice.network and choice.network.get("out_channels") == one_more:
        # the model to start from knows which way round an image is: so does the new one
        told = {"mirrored_share": 0.0, "reversed_share": REVERSED_SHARE}
        return {"network": dict(network), "augmentation": {**augmentation, **told}}
    found: dict[str, Any] = {"network": {**network, "out_channels": len(structures)}}
    if has_one_side_only(structures):
        # mirrored, a left bone would be shown as the right one that has no name
        found["augmentation"] = {**augmentation, "mirrored_share": 0.0}
    return found


def write_labelled_choice(
    run: str | Path, choice: LabelledChoice, template: str | Path = SEGMENT_CONFIG
) -> Path:
    """Write the configuration of a run that learns named bones; gives the file.

    Args:
        run: folder of the run.
        choice: what to learn, and from which CTs.
        template: a configuration (.toml) of the task; its [[ct]] entries are replaced.

    Raises:
        ValueError: as `labelled_entries`; the template is no TOML.
    """
    data = read_template(template)
    return write_chosen(data | labelled_entries(choice, data), run)
