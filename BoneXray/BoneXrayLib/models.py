"""Model folders: which there are, whether they are what they say, and their cards.

A model is a flat folder with `card.json`, `model.onnx` and mostly `weights.safetensors`; that of
a shape has `shape.safetensors` instead. Nothing in it is ever unpickled; a folder that holds more
than its card lists is refused by name.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .cards.model_card import SCHEMA_VERSION, TASKS, ModelCard, card_from_json
from .cards.model_files import CARD_FILE, check_files, hashes, read_limited, sha256_of
from .files import one_line, written_whole

__all__ = [
    "SCHEMA_VERSION",
    "TASKS",
    "Model",
    "ModelCard",
    "Refused",
    "find_model",
    "list_models",
    "read_model_file",
    "refused_models",
    "trained_folder",
    "user_folders",
    "verify_model",
    "write_card",
]


@dataclass(frozen=True)
class Model:
    """A model folder that was found to be right, and its card."""

    folder: Path
    card: ModelCard


@dataclass(frozen=True)
class Refused:
    """A folder among the models that is not to be used, and why, in one line."""

    folder: Path
    reason: str


def trained_folder() -> Path:
    """The folder of the shipped models."""
    return Path(__file__).parent / "trained"


def user_folders() -> list[Path]:
    """Where users drop model folders: those in BONEXRAY_MODELS, or the system's place for data."""
    named = os.environ.get("BONEXRAY_MODELS")
    if named:
        return [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return [base / "bone-xray" / "models"]


def list_models(folders: Iterable[str | Path] = (), task: str | None = None) -> list[Model]:
    """The models that are there and right: of `folders`, then the user's, then the shipped ones.

    Args:
        folders: each a model folder, or a folder of model folders.
        task: only models of this task.
    """
    found = [model for model in _scanned(folders) if isinstance(model, Model)]
    return [model for model in found if task in (None, model.card.task)]


def refused_models(folders: Iterable[str | Path] = ()) -> list[Refused]:
    """The folders that `list_models` leaves out, with the reason."""
    return [model for model in _scanned(folders) if isinstance(model, Refused)]


def find_model(
    name_or_folder: str | Path, task: str | None = None, folders: Iterable[str | Path] = ()
) -> Model:
    """The model of a name, or in a folder.

    Of several models of one name the first in the order of `list_models` is taken.

    Raises:
        ValueError: no such model; one that is refused; one of another task.
    """
    wanted = str(name_or_folder)
    model = None
    if isinstance(name_or_folder, str) and not any(c in wanted for c in (os.sep, "/")):
        model = _named(wanted, folders)
    if model is None and Path(wanted).expanduser().is_dir():
        model = verify_model(wanted)
    if model is None:
        names = ", ".join(dict.fromkeys(m.card.name for m in list_models(folders, task))) or "none"
        raise ValueError(
            f"model: {one_line(wanted)!r} is neither a model nor a folder; there are: {names}"
        )
    if task is not None and model.card.task != task:
        raise ValueError(f"model: {wanted!r} is for {model.card.task!r}; expected one for {task!r}")
    return model


def verify_model(folder: str | Path) -> Model:
    """Check a model folder wholly: card, files, hashes, nothing else in it.

    Raises:
        ValueError: the folder and what is wrong with it, in one line.
    """
    folder = Path(folder).expanduser()
    try:
        if not folder.is_dir():
            raise ValueError("not a folder")
        card = card_from_json(read_limited(folder, CARD_FILE))
        check_files(folder, card)
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise ValueError(f"model {folder}: cannot be read: {reason}") from None
    except ValueError as error:
        raise ValueError(f"model {folder}: {one_line(error, 400)}") from None
    return Model(folder, card)


def write_card(folder: str | Path, card: ModelCard) -> ModelCard:
    """Write `card.json` with the SHA-256 of each file in the folder; returns that card.

    Raises:
        ValueError: the folder holds what `verify_model` would refuse; nothing is written then.
    """
    folder = Path(folder)
    card = dataclasses.replace(card, sha256=hashes(folder))
    try:
        check_files(folder, card)
    except ValueError as error:
        raise ValueError(f"model {folder}: {error}") from None
    with written_whole(folder / CARD_FILE) as path:
        text = json.dumps(dataclasses.asdict(card), indent=2, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    return card


def read_model_file(model: Model, name: str) -> bytes:
    """The bytes of a listed file, checked against the card's hash as they were read.

    Raises:
        ValueError: not listed, not there, or changed since the model was verified.
    """
    if name not in model.card.sha256:
        raise ValueError(f"model {model.folder}: has no {name}")
    try:
        data = read_limited(model.folder, name)
    except (OSError, ValueError) as error:
        raise ValueError(f"model {model.folder}: {one_line(error)}") from None
    if sha256_of(data) != model.card.sha256[name]:
        raise ValueError(f"model {model.folder}: {name} differs from its card (SHA-256)")
    return data


def _scanned(folders: Iterable[str | Path]) -> Iterator[Model | Refused]:
    seen = set()
    for root in [*map(Path, folders), *user_folders(), trained_folder()]:
        for folder in _model_folders(root.expanduser()):
            if folder.resolve() in seen:
                continue
            seen.add(folder.resolve())
            try:
                yield verify_model(folder)
            except ValueError as error:
                yield Refused(folder, str(error))


def _model_folders(root: Path) -> list[Path]:
    if (root / CARD_FILE).is_file():
        return [root]
    try:
        inside = sorted(root.iterdir())
    except OSError:
        return []
    return [path for path in inside if path.is_dir() and path.name[0] not in "._"]


def _named(name: str, folders: Iterable[str | Path]) -> Model | None:
    refused = None
    for model in _scanned(folders):
        if isinstance(model, Model) and name in (model.card.name, model.folder.name):
            return model
        if isinstance(model, Refused) and model.folder.name == name:
            refused = refused or model
    if refused is not None:
        raise ValueError(refused.reason)
    return None
