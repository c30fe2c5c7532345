"""Tables that read well in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, its columns aligned; no cell can end it."""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line]
             for line in (heads, *rows)]  # fmt: skip
    widths = [max(len(line[n]) for line in cells) for n in range(len(heads))]
    cells.insert(1, ["-" * max(width, 3) for width in widths])
    return [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
