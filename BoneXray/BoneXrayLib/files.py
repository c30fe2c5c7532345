"""Files: found or refused in one line, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def existing_path(path: str | os.PathLike, argument: str = "path") -> Path:
    """The path, or FileNotFoundError in one line where nothing is there."""
    found = at_home(path)
    try:
        exists = found.exists()
    except OSError as error:  # e.g. a name too long for the file system
        raise FileNotFoundError(f"{argument}: {one_line(path)}: {error.strerror}") from None
    if not exists:
        raise FileNotFoundError(
            f"{argument}: {one_line(path)} does not exist; expected a file or folder"
        )
    return found


def python_program() -> str:
    """The Python that runs modules; inside Slicer the running program may be Slicer itself.

    Raises:
        FileNotFoundError: there is none.
    """
    if "python" in Path(sys.executable).stem.lower():
        return sys.executable
    found = shutil.which("PythonSlicer")
    if found is None:
        raise FileNotFoundError("python: none found; expected Slicer's PythonSlicer on the path")
    return found


def at_home(path: str | os.PathLike) -> Path:
    """The path, a leading ~ as the user's folder; as it is where ~ begins just a name."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def as_json(record: Any) -> str:
    """A record as JSON text, infinity and NaN, which JSON has not, as null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(plain(record), indent=2, allow_nan=False) + "\n"


def one_line(text: object, limit: int = 200) -> str:
    """Any message or error on one line, cut at `limit` characters."""
    line = re.sub(r"\s+", " ", str(text)).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


@contextmanager
def naming(argument: str) -> Generator[None]:
    """Put the argument's name before a ValueError that starts with the name of a file."""
    try:
        yield
    except ValueError as error:
        text = one_line(error, 600)
        known = re.match(r"[a-z_]+: ", text)
        raise ValueError(text if known else f"{argument}: {text}") from error


@contextmanager
def written_whole(path: str | os.PathLike) -> Generator[Path]:
    """Give a path beside `path` to write to; it takes the place of `path` only on success.

    Raises:
        ValueError: the folder is not there.
    """
    target = at_home(path)
    if not target.parent.is_dir():
        raise ValueError(
            f"path: folder {target.parent} does not exist; expected an existing folder"
        )
    # The suffix stays last: writers choose the format by it.
    beside = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        yield beside
        beside.replace(target)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def checked_output_folder(folder: str | Path) -> Path:
    """The folder as a path, or a ValueError if something else has that name."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"output: got {folder}; expected a folder, this is a file")
    return folder


class staged_folder:
    """Write into a hidden folder in or beside it; on success move its files into place.

    Where `record` names a JSON file among them, it lists them all as `files`; what an earlier run
    listed there, this one does not write and nobody has touched since is removed: masks, layers and
    surfaces of two runs are no result.
    """

    def __init__(self, folder: Path, record: str = "") -> None:
        self.folder, self.record = folder, record

    def __enter__(self) -> Path:
        # Within a folder that is there: beside a mount, or one's home, others may rule.
        home = self.folder.absolute()
        home = home if home.is_dir() else home.parent
        try:
            home.mkdir(parents=True, exist_ok=True)
            self.stage = Path(tempfile.mkdtemp(prefix=".bone-xray-", dir=home))
        except OSError as error:
            reason = error.strerror or error
            raise ValueError(f"output: cannot write to {self.folder} ({reason})") from None
        return self.stage

    def __exit__(self, kind: type | None, *_: object) -> None:
        target = self.folder
        try:
            if kind is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                written = sorted(self.stage.iterdir())
                former = self._former({path.name for path in written})
                for path in written:
                    target = self.folder / path.name
                    path.replace(target)
                remove(former)
        except OSError as error:
            reason = error.strerror or error
            raise ValueError(f"output: cannot write {target} ({reason})") from None
        finally:
            shutil.rmtree(self.stage, ignore_errors=True)

    def _former(self, names: set[str]) -> list[Path]:
        """List the files in the record; those of the record before that go."""
        if self.record not in names:
            return []
        said = json.loads((self.stage / self.record).read_text(encoding="utf-8"))
        text = json.dumps({**said, "files": sorted(names)}, indent=2, ensure_ascii=False)
        (self.stage / self.record).write_text(text + "\n", encoding="utf-8")
        now = {name.casefold() for name in names}  # one file where case does not count
        before = written_before(self.folder / self.record)
        return [path for path in before if path.name.casefold() not in now]


def forget_result(record: Path) -> None:
    """Remove what a run wrote beside this record, and the record, but what was touched since."""
    remove(written_before(record))


def remove(files: list[Path]) -> None:
    """Files of an earlier run; one that a viewer holds open stays, what was written is whole."""
    for path in files:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def written_before(record: Path) -> list[Path]:
    """The files that a record lists which lie beside it and are no newer than it."""
    try:
        listed = json.loads(record.read_text(encoding="utf-8"))["files"]
        paths = [record.parent / name for name in listed if Path(name).name == name]
        plain = [path for path in paths if path.is_file() and not path.is_symlink()]
        return [path for path in plain if path.stat().st_mtime_ns <= record.stat().st_mtime_ns]
    except (OSError, ValueError, LookupError, TypeError):  # none yet, or not one of ours
        return []


def untaken(name: str, taken: set[str], mark: str = "_") -> str:
    """The name, numbered where a file system would take it for one in `taken`; adds it there."""
    number, found = 1, name
    while found.casefold() in taken:
        number += 1
        found = f"{name}{mark}{number}"
    taken.add(found.casefold())
    return found


def plain_stem(path: Path) -> str:
    """The file's name without its (possibly double) suffix: `ct.nii.gz`, `leg.seg.nrrd`."""
    name = re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)
    name = Path(name).stem if Path(name).stem else name
    return re.sub(r"\.seg$", "", name, flags=re.IGNORECASE)
