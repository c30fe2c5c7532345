"""An evaluation of named bones as tables: plain text for a terminal, Markdown for a page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..evaluation_tables import FEW
from ..markdown import markdown_table

if TYPE_CHECKING:
    from .segmentation_report import SegmentationReport

MODEL = "model"
PUBLISHED = (0.80, 0.92)
"""Dice by view of the wrist that ElTantawy et al. report, on simulated images of their own."""
NOTE = (
    f"ElTantawy, Karantana and Chen (arXiv 2507.07131) reported Dice {PUBLISHED[0]:.2f} to "
    f"{PUBLISHED[1]:.2f} by view for ten wrist bones on radiographs simulated from their own CTs: "
    "not comparable image by image with these figures."
)
DEFINITIONS = (
    "Dice, 95th percentile of the distance between borders (HD95, mm at the detector) and share "
    "of the border within {tolerance:g} mm (surface Dice), a bone at a time, masks independent. A "
    "bone missed counts as Dice 0 and the image's diagonal; one that is neither there nor found "
    "does not count. Overlap: Dice of the region where at least two bones lie over each other; "
    "by pairs: mean over the pairs that share 4 mm² or more in truth."
)
BASELINES = {
    "threshold": "threshold: all that Otsu's threshold calls bright, for every bone",
    "atlas": "atlas: the mean mask of the other patients in this view, scaled onto the image; "
    "simulated images are framed by their bones, which favours it",
}


def as_text(report: SegmentationReport) -> str:
    """Dice and HD95 of each bone in each view, the means, the baselines, what it is of."""
    lines = [f"{report.model}, {described(report)}"]
    head = f"{'Dice, HD95 [mm]':24}" + "".join(f"{view:>15}" for view in report.views)
    lines.append(head + f"{'all':>15}")
    for name in report.structures:
        cells = [(report.of_bone("dice", name, v), report.of_bone("hd95_mm", name, v))
                 for v in (*report.views, "")]  # fmt: skip
        lines.append(f"{name[:24]:24}" + "".join(_cell(*c) for c in cells))
    lines.append(f"{'mean':24}" + _means(report, "dice", "hd95_mm"))
    lines.append(f"{'overlap only':24}" + _means(report, "overlap_dice"))
    lines.append(f"{'overlap by pairs':24}" + _means(report, "pair_dice"))
    for method in report.methods[1:]:
        lines.append(f"{'mean, ' + method:24}" + _means(report, "dice", "hd95_mm", method))
    if report.has_wrists:
        by_view = f"{PUBLISHED[0]:.2f} to {PUBLISHED[1]:.2f} by view"
        lines.append(f"{'ElTantawy, their images':24} {by_view:>20}")
    lines.append(f"mean Dice over views: {report.over_views('dice'):.3f}{_interval(report)}")
    name, lowest = report.worst_bone(report.views[0])
    lines.append(f"lowest bone in {report.views[0]}: {name} {lowest:.3f}")
    if report.unscored:
        lines.append(f"not in the data, so not counted: {', '.join(report.unscored)}")
    return "\n".join([*lines, *[NOTE for _ in range(report.has_wrists)]])


def as_markdown(report: SegmentationReport, sheet: str | None = None) -> str:
    """The same as a page, with every image.

    Args:
        report: what was found.
        sheet: file name of the contact sheet beside the page.
    """
    lines = [f"# {report.model}: bones named on {described(report)}", ""]
    lines += [f"**Warning:** {warning}.\n" for warning in report.warnings]
    lines += [DEFINITIONS.format(tolerance=report.tolerance_mm), "", *_about_patients(report), ""]
    heads = [f"{v} {what}" for v in (*report.views, "all") for what in ("Dice", "HD95", "surface")]
    lines += markdown_table(["bone", *heads], [_bone_cells(report, s) for s in report.structures])
    lines += ["", "## Means over bones", ""]
    lines += markdown_table(
        ["method", "view", "images", "Dice", "HD95 [mm]", "overlap-only Dice", "by pairs"],
        [_mean_cells(report, m, v) for m in report.methods for v in (*report.views, "")],
    )
    known = [BASELINES[m] for m in report.methods if m in BASELINES]
    lines += ["", "; ".join(known) + ".", ""] if known else [""]
    lines += [f"**{NOTE}**", ""] if report.has_wrists else []
    if sheet:
        lines += [f"![Best, median and worst image by Dice: input, truth, model]({sheet})", ""]
    lines += ["## Every image", ""]
    lines += markdown_table(
        ["data", "patient", "side", "view", "off [deg]", "Dice", "HD95 [mm]", "overlap-only Dice"],
        [
            [r.data, r.patient, r.side, r.view, f"{r.rotate[0]:.0f}, {r.rotate[1]:.0f}",
             _number(r.dice), _number(r.hd95_mm, 2), _number(r.overlap_dice)]
            for r in report.images if r.method == MODEL
        ],
    )  # fmt: skip
    return "\n".join([*lines, ""])


def described(report: SegmentationReport) -> str:
    """What the images are, in words."""
    kinds = {"": "real radiographs", "none": "simulated radiographs (optical density)"}
    words = [kinds.get(e, f"simulated radiographs (exposure {e})") for e in report.exposures]
    people = "patient" if report.patients == 1 else "patients"
    around = f", {report.wider_mm:g} mm wider than the wrist" if report.wider_mm else ""
    return f"{' and '.join(words)} of {report.patients} {people}{around}"


def _about_patients(report: SegmentationReport) -> list[str]:
    if report.patients == 1:
        return ["One patient: there are no intervals, and nothing is said of other patients."]
    few = " With so few they are too narrow." if report.patients < FEW else ""
    lines = [f"In brackets: 95 % intervals, percentile bootstrap over {report.patients} patients."
             f"{few}"]  # fmt: skip
    simulated = any(report.exposures)
    if simulated and report.sources < report.patients:
        of = "one anatomy" if report.sources == 1 else f"{report.sources} anatomies"
        lines.append(f"These patients are drawn from {of}: intervals say nothing of others.")
    return [" ".join(lines)]


def _interval(report: SegmentationReport) -> str:
    found = report.interval("dice")
    if found is None:
        return " (no interval: one patient)"
    drawn = ""
    if any(report.exposures) and report.sources < report.patients:
        drawn = f" drawn from {report.sources} anatom{'y' if report.sources == 1 else 'ies'}"
    return (
        f" (95 % interval of the mean over images {found[0]:.3f} to {found[1]:.3f} over "
        f"{report.patients} patients{drawn})"
    )


def _means(report: SegmentationReport, figure: str, distance: str = "", method: str = MODEL) -> str:
    cells = [(report.of_images(figure, v, method),
              report.of_images(distance, v, method) if distance else math.nan)
             for v in report.views]  # fmt: skip
    cells.append((report.over_views(figure, method),
                  report.over_views(distance, method) if distance else math.nan))  # fmt: skip
    return "".join(_cell(*c) for c in cells)


def _cell(value: float, distance: float) -> str:
    return f"{_number(value):>8}{_number(distance, 2) if math.isfinite(distance) else '':>7}"


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _bone_cells(report: SegmentationReport, name: str) -> list[str]:
    cells = [name]
    for view in (*report.views, ""):
        cells += [_number(report.of_bone("dice", name, view)),
                  _number(report.of_bone("hd95_mm", name, view), 2),
                  _number(report.of_bone("surface_dice", name, view))]  # fmt: skip
    return cells


def _mean_cells(report: SegmentationReport, method: str, view: str) -> list[str]:
    count = sum(r.method == method and view in ("", r.view) for r in report.images)
    cells = [method, view or "mean of views", str(count)]
    for figure, digits in (("dice", 3), ("hd95_mm", 2), ("overlap_dice", 3), ("pair_dice", 3)):
        if view:
            cell, found = _number(report.of_images(figure, view, method), digits), report.interval(
                figure, view, method)  # fmt: skip
            if found is not None:
                cell += f" ({found[0]:.{digits}f} to {found[1]:.{digits}f})"
        else:
            cell = _number(report.over_views(figure, method), digits)
        cells.append(cell)
    return cells
