"""SHA-256 of files and folders: which CT a sample came from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np


def path_sha256(path: Path) -> str:
    """Of a file's bytes; of a folder, of its files' digests in order, whatever they are called.

    Raises:
        FileNotFoundError: nothing there, or an empty folder.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else []
    if not files:
        raise FileNotFoundError(f"ct: {path} not found; expected a CT there")
    digests = sorted(path_sha256(p) for p in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def array_sha256(array: np.ndarray) -> str:
    """Of an array's values in order; little-endian whatever the computer."""
    plain = np.ascontiguousarray(array)
    little = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(little.reshape(-1).view(np.uint8).data).hexdigest()
