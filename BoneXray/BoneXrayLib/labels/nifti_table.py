"""Names of labels in the header of a NIfTI file, as TotalSegmentator and Workbench write them.

They stand in a header extension, an XML text with one `<Label Key="3" …>name</Label>` each. It is
looked through for these and not parsed as XML, so that what a stranger's file declares is not
expanded.
"""

from __future__ import annotations

import gzip
import html
import re
import struct
import zlib
from pathlib import Path

from ..files import one_line

SIZES = {348: ("f", 108), 540: ("q", 168)}
"""Length of the header: type and place of the number that says where the voxels start."""
MOST_BYTES = 2**22
LABEL = re.compile(r"<Label\s[^>]*?\bKey=\"(\d{1,5})\"[^>]*>(.*?)</Label>", re.DOTALL)
TEXT = re.compile(r"\s*<!\[CDATA\[(.*?)\]\]>\s*", re.DOTALL)


def names_in_header(path: Path) -> dict[int, str]:
    """Names by value; none where the file has no such table, or is no NIfTI."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return {}
    try:
        text = _extensions(path).decode("utf-8", errors="replace")
    except (OSError, EOFError, zlib.error, struct.error):
        return {}
    _, opened, table = text.partition("<LabelTable>")
    names = {}
    for key, inside in LABEL.findall(table.partition("</LabelTable>")[0]) if opened else ():
        plain = TEXT.fullmatch(inside)
        name = one_line(plain[1] if plain else html.unescape(inside), 80).strip()
        if int(key) and name:
            names[int(key)] = name
    return names


def _extensions(path: Path) -> bytes:
    """What stands between header and voxels, at most `MOST_BYTES`."""
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        head = file.read(540)
        for order in "<>":
            size = struct.unpack_from(order + "i", head)[0]
            if size in SIZES:
                kind, at = SIZES[size]
                start = int(struct.unpack_from(order + kind, head, at)[0])
                file.seek(size)
                return file.read(min(max(start - size, 0), MOST_BYTES))
    return b""
