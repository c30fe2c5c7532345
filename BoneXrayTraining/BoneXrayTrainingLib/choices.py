"""A run of CTs somebody chose one by one, or of a data set: put into a configuration."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from BoneXrayLib.volume_files import SUFFIXES, image_stem, is_image_file

CHOSEN_FILE = "train.json"
"""The configuration of such a run, in its folder."""
LABEL_ENDINGS = ("_seg", "_labels")
LABEL_FOLDER = "labels"
CT_STEM, MASK_FOLDER = "ct", "segmentations"
"""In a folder of its own, as in TotalSegmentator's data set."""
NNUNET_FOLDERS = {"imagesTr": "labelsTr", "imagesTs": "labelsTs"}
NNUNET_CHANNEL = "_0000"
"""Behind the name of a case's first (of a CT, its only) image; labels are called without it."""


def cts_in_folder(folder: str | Path) -> list[str]:
    """What may be CTs in a folder, relative to it.

    Image files, folders of DICOM files, and the file `ct.*` of a folder of its own, as
    TotalSegmentator's data set has them. A label map of another one is none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return []
    inside = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    found = [p.name for p in inside if p.is_file() and is_image_file(p)]
    for place in (p for p in inside if p.is_dir()):
        own = next(
            (place / f"{CT_STEM}{s}" for s in SUFFIXES if (place / f"{CT_STEM}{s}").is_file()), None
        )
        if own is not None:
            found.append(f"{place.name}/{own.name}")
        elif _holds_slices(place):
            found.append(place.name)
    labels = {label_map_beside(folder, name) for name in found}
    return [name for name in found if name not in labels]


def label_map_beside(folder: str | Path, ct: str) -> str:
    """The label map of a CT, both relative to `folder`; empty where there is none.

    Of NAME.nii.gz, or of a folder NAME of DICOM files, it is the first there is of NAME.seg.nrrd,
    NAME_seg.*, NAME_labels.* and labels/NAME.*, where * is nii.gz, nrrd or the like; of CASE/ct.*
    the folder of masks CASE/segmentations, too (TotalSegmentator), and of imagesTr/NAME_0000.* the
    file labelsTr/NAME.* (nnU-Net).
    """
    stem = image_stem(ct)
    names = [f"{stem}.seg.nrrd"]
    names += [f"{stem}{ending}{suffix}" for ending in LABEL_ENDINGS for suffix in SUFFIXES]
    names += [f"{LABEL_FOLDER}/{stem}{suffix}" for suffix in (".seg.nrrd", *SUFFIXES)]
    where = Path(folder)
    called = where.resolve().name
    if called in NNUNET_FOLDERS:
        case = f"../{NNUNET_FOLDERS[called]}/{stem.removesuffix(NNUNET_CHANNEL)}"
        names += [f"{case}{suffix}" for suffix in SUFFIXES]
    beside = next((n for n in names if n != ct and (where / n).is_file()), "")
    case, slash, last = stem.rpartition("/")
    if beside or last != CT_STEM:
        return beside
    masks = f"{case}{slash}{MASK_FOLDER}"
    return masks if (where / masks).is_dir() else ""


def _holds_slices(folder: Path) -> bool:
    """Whether there are files without a name of another kind: DICOM files have .dcm or nothing."""
    return any(p.is_file() and p.suffix.lower() in (".dcm", ".ima", "") for p in folder.iterdir())


def plain_name(text: str) -> str:
    """A name as a file or a model may have it: letters, digits, dot, dash, underscore."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.") or "CT"


def write_choice(
    run: str | Path,
    template: str | Path,
    root: str | Path,
    cts: list[str],
    kept_out: str = "",
    licence: str = "not stated",
) -> Path:
    """Write the configuration of a run on chosen CTs, each its own patient; gives the file.

    Args:
        run: folder of the run.
        template: a configuration (.toml); its [[ct]] entries are replaced.
        root: folder that the paths start from.
        cts: paths below it.
        kept_out: one of them, kept out of training and watched; none when empty.
        licence: of the CTs; the model's card will state it.

    Raises:
        ValueError: the template is no TOML.
    """
    data = read_template(template)
    data.pop("dataset", None)
    data["ct"] = [{"path": ct, "patient": ct, "licence": licence or "not stated"} for ct in cts]
    data["validation"] = [kept_out] if kept_out else []
    if not kept_out:
        data["patience"] = 0
    return write_chosen(data | {"data_root": str(root)}, run)


def is_dataset(folder: str | Path) -> bool:
    """Whether `generate` wrote there."""
    return bool(str(folder)) and (Path(folder) / "dataset.json").is_file()


def write_dataset_choice(run: str | Path, template: str | Path, dataset: str | Path) -> Path:
    """Write the configuration of a run on a data set; gives the file.

    Args:
        run: folder of the run.
        template: a configuration (.toml); its [[ct]] entries and [pairs] are left out.
        dataset: folder of the data set, which says who validates.

    Raises:
        ValueError: the template is no TOML, or the data set's dataset.json no JSON.
    """
    data = read_template(template)
    for name in ("ct", "validation", "pairs"):
        data.pop(name, None)
    try:
        about = json.loads((Path(dataset) / "dataset.json").read_text(encoding="utf-8"))
        watched = about["samples"]["validation"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"dataset: {dataset} holds no readable dataset.json") from None
    if not watched:
        data["patience"] = 0
    return write_chosen(data | {"dataset": str(dataset)}, run)


def task_of(template: str | Path) -> str:
    """What a configuration trains for; an empty text where it cannot be read."""
    try:
        return str(read_template(template).get("task", "extract"))
    except (ValueError, OSError):
        return ""


def names_cts(template: str | Path) -> bool:
    """Whether a configuration that can be read names CTs."""
    return bool(read_template(template).get("ct"))


def read_template(template: str | Path) -> dict:
    """What a configuration (.toml) holds; ValueError where it is no TOML."""
    try:
        return tomllib.loads(Path(template).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"config: {template} is no TOML file ({error})") from None


def write_chosen(data: dict, run: str | Path) -> Path:
    """Write a configuration into the folder of its run; gives the file."""
    data["run"] = str(run)
    loss = data.get("loss", {})
    features = loss.get("perceptual_weights", "")
    if features and not (Path(data.get("data_root", ".")) / features).is_file():
        loss["perceptual_weights"] = ""  # a file of the template's own data
    path = Path(run) / CHOSEN_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return path
