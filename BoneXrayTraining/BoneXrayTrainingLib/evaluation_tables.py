"""An evaluation as tables: plain text for a terminal, Markdown for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .markdown import markdown_table

if TYPE_CHECKING:
    from .evaluation_report import ExtractionReport, Group, Row

HEADS = {"rmse": "RMSE", "psnr": "PSNR [dB]", "ssim": "SSIM", "ms_ssim": "MS-SSIM"}
DIGITS = {"rmse": 2, "psnr": 2, "ssim": 3, "ms_ssim": 3}
EXACT = "exact, patient moved"
"""What the true bones of the input score where the patient moved: no method, a yardstick."""
ALL = "all"
XIANG = "Xiang, Yu and Cheng reported PSNR 21.17, SSIM 0.49, MS-SSIM 0.77 with 5000 CTs on "
NOTES = {
    "drr": XIANG
    + "a harder pairing of their own (localizer to bone DRR): not comparable with these figures.",
    "localizer": XIANG
    + "localizers from scanners. Here the localizer is simulated, without scatter or a scanner's "
    "edge enhancement: the same task on easier images.",
}
FEW = 10
"""Patients below which the text warns of its own intervals."""


def as_text(report: ExtractionReport) -> str:
    """Every row, the means, and how far the model is above the best floor."""
    lines = [f"{report.model}, {_images(report)}, 8 bit (target's 99.5th percentile = 255)"]
    lines.append(
        f"{'data':24} {'view':6} {'method':20} {'RMSE':>6} {'PSNR':>6} {'SSIM':>6} MS-SSIM"
    )
    lines += [_line(r.data, r.view, r.method, [getattr(r, k) for k in HEADS])
              for r in report.rows]  # fmt: skip
    for group in report.groups():
        is_all = (group.anatomy, group.view) == (ALL, ALL)
        if is_all or (ALL in (group.anatomy, group.view) and group.shots > 1):
            what = "mean" if is_all else f"of {group.anatomy}"
            view = "" if group.view == ALL else group.view
            lines.append(_line(what, view, group.method, [group.mean[k] for k in HEADS]))
    lines.append(
        f"PSNR above the best floor ({report.best_floor}): {report.gain:+.2f} dB"
        f"{_gain_interval(report)}"
    )
    lines += [f"{EXACT}: the true bones of the input, in their own place"
              for _ in range(EXACT in report.methods)]  # fmt: skip
    return "\n".join([*lines, NOTES[report.pairing.name]])


def as_markdown(report: ExtractionReport, sheet: str | None = None) -> str:
    """The same as a page: means with intervals, every row, what the figures are of.

    Args:
        report: what was found.
        sheet: file name of the contact sheet beside the page.
    """
    lines = [f"# {report.model}: bones extracted from {_images(report)}", "", *_intro(report), ""]
    lines += markdown_table(
        ["anatomy", "view", "patients", "images", "method", *HEADS.values()],
        [_group_cells(group) for group in report.groups()],
    )
    lines += ["", f"PSNR above the best trivial baseline ({report.best_floor}): "
              f"{report.gain:+.2f} dB{_gain_interval(report)}.", ""]  # fmt: skip
    if sheet:
        lines += ["![Best, median and worst image by PSNR: input, truth, model, error]"
                  f"({sheet})", ""]  # fmt: skip
    lines += ["## Every image", ""]
    lines += markdown_table(
        ["data", "patient", "anatomy", "view", "method", *HEADS.values()],
        [_row_cells(row) for row in report.rows],
    )
    return "\n".join([*lines, "", NOTES[report.pairing.name], ""])


def _images(report: ExtractionReport) -> str:
    if report.pairing.name == "drr":
        return "simulated radiographs"
    extent = "whole detector" if report.pairing.whole else "cropped to the CT"
    moved = report.pairing.misregistration
    volts = report.pairing.volts
    energy = f"{volts:g} kVp" if volts else "not exposed"
    return f"simulated localizers, {energy}, {extent}, {moved:g} mm misregistration"


def _gain_interval(report: ExtractionReport) -> str:
    found = report.gain_interval()
    if found is None:
        return " (no interval: one patient)"
    return f" (95 % interval {found[0]:+.2f} to {found[1]:+.2f} over {report.patients} patients)"


def _intro(report: ExtractionReport) -> list[str]:
    lines = [
        "Simulated images, compared on 8 bits (the target's 99.5th percentile is 255). Input, "
        "scaled input and linear regression need no learning; the regression is fitted on the "
        "image it is judged on, which favours it."
    ]
    if report.patients == 1:
        lines.append("One patient: there are no intervals, and nothing is said of other patients.")
    else:
        few = " With so few they are too narrow." if report.patients < FEW else ""
        lines.append("In brackets: 95 % intervals, percentile bootstrap over "
                     f"{report.patients} patients.{few}")  # fmt: skip
    if EXACT in report.methods:
        lines.append(
            f"*{EXACT}* is the true bone image of the input, in its own place: what a perfect "
            "extraction scores here. Only a blurred answer, which hedges, can score above it."
        )
    return ["\n".join(lines)]


def _line(data: str, view: str, method: str, values: list[float]) -> str:
    return (
        f"{data[:24]:24} {view:6} {method:20} {values[0]:6.2f} {values[1]:6.2f} "
        f"{values[2]:6.3f} {values[3]:7.3f}"
    )


def _group_cells(group: Group) -> list[str]:
    cells = [group.anatomy, group.view, str(group.patients), str(group.shots), group.method]
    for metric, digits in DIGITS.items():
        cell, interval = f"{group.mean[metric]:.{digits}f}", group.interval[metric]
        if interval is not None:
            cell += f" ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"
        cells.append(cell)
    return cells


def _row_cells(row: Row) -> list[str]:
    figures = [f"{getattr(row, metric):.{digits}f}" for metric, digits in DIGITS.items()]
    return [row.data, row.whose, row.anatomy, row.view, row.method, *figures]
