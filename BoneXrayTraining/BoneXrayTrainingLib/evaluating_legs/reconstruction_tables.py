"""An evaluation of rebuilt bones as tables: plain text for a terminal, Markdown for a page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..evaluation_tables import FEW
from ..markdown import markdown_table
from .reconstruction_cases import SETUPS

if TYPE_CHECKING:
    from .reconstruction_report import ReconstructionReport, Row

FIGURES = {
    "mean_mm": ("surface [mm]", 2),
    "p95_mm": ("95 % [mm]", 2),
    "dice": ("Dice", 3),
    "converged": ("converged", 2),
    "landmark_mm": ("landmarks [mm]", 2),
    "head_mm": ("head centre [mm]", 2),
    "radius_mm": ("head radius [mm]", 2),
    "length_mm": ("length [mm]", 2),
    "angle_deg": ("neck-shaft [deg]", 2),
    "placed_mean_mm": ("surface in place [mm]", 2),
    "shape_mean_mm": ("after a rigid move [mm]", 2),
    "seconds": ("seconds", 1),
}
"""Columns and their digits."""
MEDIANS = ("landmark_mm", "head_mm")
"""Judged by the median over subjects; all else by the mean."""
DEFINITIONS = (
    "Surface: mean distance of the points of either surface to the other; 95 %: its 95th "
    "percentile; Dice of voxels of 1.5 mm; landmarks: median over a bone's; head centre and "
    "landmarks are medians over subjects, all else means. Two views are measured where the fit "
    "put the bone; one view, which cannot tell how far away a bone is, after the rigid move that "
    "brings it nearest to the true one (in place: without that)."
)
LEFT_OUT = (
    "Each subject's bone is rebuilt by a shape model of the others; the common mesh and the "
    "weights of the covariance's parts are of all subjects."
)
LITERATURE = (
    ("femur, SSM and appearance, 40 cadavers", "AP or AP and ML", "femur", "1.59 to 3.59 RMS"),
    ("Ha, transfer-learned SSM", "1", "femur, proximal and distal", "1.20 and 1.08 RMS"),
    ("3DDX, 600 CTs", "1", "hip and femur", "1.96"),
    ("SSR-KD 2026", "2", "femur, tibia", "0.80, 0.77"),
    ("xrayto3D-benchmark, SwinUNETR", "2", "femur", "0.935, Dice 0.936"),
)
LITERATURE_NOTE = (
    "Others' figures are of their own bones and images: not comparable one by one with these."
)


def as_text(report: ReconstructionReport) -> str:
    """Figures by bone and setup, then the bars."""
    lines = [described(report)]
    for bone in report.bones:
        lines.append(f"{bone}, {_count(report, bone)}")
        head = "".join(f"{setup:>24}" for setup in SETUPS)
        lines.append(f"  {'':20}{head}")
        for name, (title, digits) in FIGURES.items():
            cells = [_cell(report, bone, setup, name, digits) for setup in SETUPS]
            if any(cell != "-" for cell in cells):
                lines.append(f"  {title:20}" + "".join(f"{cell:>24}" for cell in cells))
    lines.append("bars")
    for bar in report.bars():
        lines.append("  " + "  ".join(_bar(bar)))
    return "\n".join(lines)


def as_markdown(report: ReconstructionReport, sheet: str | None = None) -> str:
    """The same as a page, with every fit.

    Args:
        report: what was found.
        sheet: file name of the contact sheet beside the page.
    """
    lines = [f"# Bones of legs in 3D: {described(report)}", ""]
    lines += [f"**Warning:** {warning}.\n" for warning in report.warnings]
    lines += [DEFINITIONS if report.shapes else f"{DEFINITIONS} {LEFT_OUT}", ""]
    for bone in report.bones:
        few = " With so few they are too narrow." if _subjects(report, bone) < FEW else ""
        lines += [f"## {bone}, {_count(report, bone)}", ""]
        lines += [f"In brackets: 95 % intervals of means over subjects.{few}", ""]
        lines += markdown_table(
            ["figure", *SETUPS],
            [[title, *(_cell(report, bone, s, name, digits) for s in SETUPS)]
             for name, (title, digits) in FIGURES.items()],
        )  # fmt: skip
        lines.append("")
    lines += ["## Bars", ""]
    lines += markdown_table(["what", "found", "asked for", "holds"],
                            [_bar(bar) for bar in report.bars()])  # fmt: skip
    lines += ["", "## Beside the literature", "", LITERATURE_NOTE, ""]
    lines += markdown_table(["work", "views", "bone", "mean or RMS distance [mm]"], LITERATURE)
    if sheet:
        lines += ["", f"![Best, median and worst by two views: true contour and fit]({sheet})"]
    lines += ["", "## Every fit", ""]
    lines += markdown_table(
        ["bone", "subject", "setup", "surface", "95 %", "Dice", "converged", "s"],
        [_row(row) for row in report.rows],
    )
    return "\n".join([*lines, ""])


def described(report: ReconstructionReport) -> str:
    """What was asked, in words."""
    test = report.test
    if test.features == "network":
        found = f"features by {report.finder} on simulated radiographs"
    else:
        found = (
            f"features of the truth, landmarks ± {test.landmark_noise:g} mm, outlines "
            f"± {test.outline_noise:g} mm (not found by a network)"
        )
    return f"{report.protocol}, {found}; angle off by {test.angle:g} degrees"


def _subjects(report: ReconstructionReport, bone: str) -> int:
    return len({row.subject for row in report.rows if row.bone == bone})


def _count(report: ReconstructionReport, bone: str) -> str:
    count = _subjects(report, bone)
    return f"{count} subject{'' if count == 1 else 's'}"


def _cell(report: ReconstructionReport, bone: str, setup: str, name: str, digits: int) -> str:
    value = report.value(bone, setup, name)
    if not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    found = None if name in MEDIANS else report.interval(bone, setup, name)
    return text if found is None else f"{text} ({found[0]:.{digits}f} to {found[1]:.{digits}f})"


def _bar(bar: dict) -> list[str]:
    titles = {"cost_mm": "more than two views [mm]"}
    title = titles.get(bar["figure"]) or FIGURES[bar["figure"]][0]
    way = "at least" if bar["at_least"] else "at most"
    value = f"{bar['value']:.3g}" if math.isfinite(bar["value"]) else "-"
    holds = "holds" if bar["holds"] else "missed"
    return [f"{bar['bone']}, {bar['setup']}: {title}", value, f"{way} {bar['limit']:g}", holds]


def _row(row: Row) -> list[str]:
    def number(name: str, digits: int = 2) -> str:
        value = row.figure(name)
        return f"{value:.{digits}f}" if math.isfinite(value) else "-"

    return [
        row.bone, row.subject, row.setup, number("mean_mm"), number("p95_mm"), number("dice", 3),
        "yes" if row.converged else row.verdict, number("seconds", 1),
    ]  # fmt: skip
