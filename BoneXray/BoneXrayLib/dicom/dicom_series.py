"""The CT slices of a DICOM folder: series told apart, localizers and other images left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..files import one_line
from .dicom_files import DICOMDIR_CLASS, find_dicom_files, frame_count, read_header, tag
from .dicom_slices import Slice, slices_of

if TYPE_CHECKING:
    from pydicom import Dataset


#: CT Image Storage, Enhanced CT, Legacy Converted Enhanced CT.
CT_CLASSES = tuple(f"1.2.840.10008.5.1.4.1.1.2{end}" for end in ("", ".1", ".2"))


@dataclass
class _Series:
    uid: str
    headers: list[tuple[Path, Dataset]]

    def text(self, keyword: str) -> str:
        return one_line(tag(self.headers[0][1], keyword, ""), 60)

    @property
    def modality(self) -> str:
        return self.text("Modality") or "unknown"

    @property
    def title(self) -> str:
        description = self.text("SeriesDescription")
        images = sum(frame_count(header) for _, header in self.headers)
        quoted = f"'{description}' " if description else ""
        return f"{self.text('SeriesNumber') or '?'} {quoted}({self.modality}, {images} images)"


def find_slices(
    source: Path | Iterable[Path], series: str | None = None
) -> tuple[list[Slice], str, list[str]]:
    """The CT slices of a folder or list of files, in no order, with a name and notes.

    Args:
        source: a folder, searched with its subfolders, or the files themselves.
        series: series number or UID, needed where there are several CT series.

    Raises:
        ValueError: no CT series, several and none chosen, or images that do not belong together.
    """
    files, others = find_dicom_files(source)
    where = str(source) if isinstance(source, Path) else f"a list of {len(files) + others} files"
    if len(files) == 1 and not isinstance(source, Path):
        where = files[0].name
    groups: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    for path in files:
        header = read_header(path)
        kind = str(tag(header.file_meta, "MediaStorageSOPClassUID", ""))
        if kind in CT_CLASSES and "Columns" not in header:
            raise ValueError(f"{path.name}: a CT image cut short; expected a whole DICOM file")
        if kind != DICOMDIR_CLASS:
            groups[str(tag(header, "SeriesInstanceUID", ""))].append((path, header))
    if not groups:
        raise ValueError(f"ct: {where} holds no DICOM images ({others} other files); expected a CT")
    notes = [f"left out {others} files that are not DICOM"] if others else []
    chosen = _choose(
        [_Series(uid, headers) for uid, headers in groups.items()], series, where, notes
    )
    slices = _agreeing(_slices(chosen, notes), notes)
    return slices, chosen.text("SeriesDescription"), notes


def _choose(all_series: list[_Series], series: str | None, where: str, notes: list[str]) -> _Series:
    """The one CT series, chosen by number or UID where there are several."""
    usable = [s for s in all_series if any(_is_ct_slice(header) for _, header in s.headers)]
    listing = "; ".join(sorted(s.title for s in usable or all_series))
    if series is not None:
        wanted = str(series).strip()
        found = [s for s in all_series if wanted in (s.uid, s.text("SeriesNumber"))]
        if len(found) != 1:
            problem = "fits several series, give the UID" if found else "is not there"
            raise ValueError(f"series: {wanted} {problem}; there are: {listing}")
        usable = [s for s in found if s in usable]
        if not usable:
            raise ValueError(f"series: {found[0].title}; expected a CT with axial slices")
    if not usable:
        raise ValueError(
            f"ct: {where} holds no CT slices but {listing}; expected a CT (modality CT)"
        )
    if len(usable) > 1:
        # A single stray image is no volume and cannot be what is meant.
        stacks = [s for s in usable if sum(frame_count(h) for _, h in s.headers) > 1]
        if len(stacks) != 1:
            raise ValueError(
                f"series: not given, and {where} holds {len(usable)} CT series; "
                f"choose one by its number or UID: {listing}"
            )
        usable = stacks
    left = [s.title for s in all_series if s is not usable[0]]
    if left:
        notes.append("left out series " + "; ".join(sorted(left)))
    return usable[0]


def _is_ct_slice(header: Dataset) -> bool:
    image_type = tag(header, "ImageType", "")
    words = [image_type] if isinstance(image_type, str) else [str(word) for word in image_type]
    return (
        tag(header, "Modality") == "CT"
        and tag(header, "Rows") is not None
        and "LOCALIZER" not in words
        and (frame_count(header) > 1 or tag(header, "ImagePositionPatient") is not None)
    )


def _slices(chosen: _Series, notes: list[str]) -> list[Slice]:
    """The series' CT slices; localizers and captures in it are left out with a note."""
    kept = [(path, header) for path, header in chosen.headers if _is_ct_slice(header)]
    if len(kept) < len(chosen.headers):
        left = len(chosen.headers) - len(kept)
        notes.append(f"left out {left} images of the series that are no CT slices (localizers …)")
    slices: dict[str, Slice] = {}
    for path, header in kept:
        for found in slices_of(path, header):
            slices.setdefault(found.uid, found)
    copies = sum(frame_count(header) for _, header in kept) - len(slices)
    if copies:
        notes.append(f"left out {copies} copies of the same image")
    return list(slices.values())


def _agreeing(slices: list[Slice], notes: list[str]) -> list[Slice]:
    """Slices of one size, spacing and direction; a few strays (unmarked scouts) are left out."""

    def kind(one: Slice) -> tuple:
        return one.shape, *np.round([*one.axes[0], *one.axes[1], *one.pixel_mm], 2).tolist()

    counts = Counter(kind(one) for one in slices).most_common()
    if len(counts) > 1:
        strays = len(slices) - counts[0][1]
        if strays > 3 or strays * 8 > len(slices):
            sizes = ", ".join(
                f"{count} of {key[0][0]} x {key[0][1]} pixels at {key[-2]:g} mm"
                for key, count in counts
            )
            raise ValueError(
                f"series: mixes images that do not make one stack ({sizes}, in different "
                "directions or sizes); give the files of one"
            )
        notes.append(f"left out {strays} images of another size or direction than the stack")
    return [one for one in slices if kind(one) == counts[0][0]]
