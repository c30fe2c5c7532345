"""The files of a model folder: their hashes, and what has no place there."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from .model_card import ModelCard

CARD_FILE = "card.json"
ONNX_FILE = "model.onnx"
WEIGHTS_FILE = "weights.safetensors"
SHAPE_FILE = "shape.safetensors"
"""All of a shape model, which is no network."""
MAX_FILES = 32
MAX_CARD_BYTES = 2**20
MAX_FILE_BYTES = 2**30
SYSTEM_FILES = (".DS_Store", "Thumbs.db", "desktop.ini")
"""Left by file managers in any folder they show: never read, never listed."""
PICKLE_SUFFIXES = (
    ".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".dill", ".npy", ".npz",
)  # fmt: skip
PICKLE_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY", *(b"\x80%c" % n for n in range(2, 6)))
"""Zip (torch.save), empty zip, NumPy, and pickle protocols 2 to 5."""
SUFFIXES = (".onnx", ".safetensors", ".json", ".md", ".txt", ".png", "")


def check_files(folder: Path, card: ModelCard) -> None:
    """Raise ValueError unless the folder holds what the card lists, unchanged, and no more."""
    present = _present(folder)
    for name in present:
        _check_kind(folder / name)
    needed = SHAPE_FILE if card.task == "reconstruct" else ONNX_FILE
    for name in (needed, *card.sha256):
        if name not in present:
            raise ValueError(f"{name} is missing")
    for name in present:
        if name not in card.sha256:
            raise ValueError(f"holds {name!r}, which its card does not list")
        if _hash_of_file(folder / name) != card.sha256[name]:
            raise ValueError(f"{name} differs from its card (SHA-256)")


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file in the folder but the card."""
    return {name: _hash_of_file(folder / name) for name in _present(folder)}


def sha256_of(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read_limited(folder: Path, name: str) -> bytes:
    """A whole file, or ValueError where it is not there or too large."""
    path = folder / name
    limit = MAX_CARD_BYTES if name == CARD_FILE else MAX_FILE_BYTES
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{name} is missing")
    size = path.stat().st_size
    if size > limit:
        raise ValueError(f"{name} has {size} bytes; expected at most {limit}")
    return path.read_bytes()


def _present(folder: Path) -> list[str]:
    paths = sorted(p for p in folder.iterdir() if p.name not in (CARD_FILE, *SYSTEM_FILES))
    if len(paths) > MAX_FILES:
        raise ValueError(f"holds {len(paths)} files; expected at most {MAX_FILES}")
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise ValueError(f"holds {path.name!r}, which is a folder or a link")
    return [path.name for path in paths]


def _check_kind(path: Path) -> None:
    """Refuse what could be a pickle, by name and by its first bytes, and other strangers."""
    suffix = path.suffix.lower()
    with path.open("rb") as stream:
        start = stream.read(8)
    if suffix in PICKLE_SUFFIXES:
        raise ValueError(f"holds {path.name!r}, a pickle or array file; expected .safetensors")
    if path.stat().st_size > MAX_FILE_BYTES:
        size = path.stat().st_size
        raise ValueError(f"{path.name} has {size} bytes; expected at most {MAX_FILE_BYTES}")
    if suffix == ".safetensors":
        # Its first bytes are a length and may by chance be those of a pickle.
        _check_safetensors(path)
    elif start.startswith(PICKLE_STARTS):
        raise ValueError(f"holds {path.name!r}, which is a pickle or an archive inside")
    if suffix not in SUFFIXES:
        raise ValueError(f"holds {path.name!r}; expected only .onnx, .safetensors and text files")


def _check_safetensors(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(length) if size >= 8 and length <= min(size - 8, 2**26) else b""
    try:
        good = header.startswith(b"{") and isinstance(json.loads(header), dict)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        good = False
    if not good:
        raise ValueError(f"{path.name} is not a safetensors file")


def _hash_of_file(path: Path) -> str:
    stat = path.stat()
    return _hashed(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


@functools.lru_cache(maxsize=256)
def _hashed(path: Path, size: int, changed_ns: int, inode: int) -> str:
    """Kept for as long as size, time and inode stay: a list of models is drawn up often."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
