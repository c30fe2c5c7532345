"""An evaluation of separated bones as tables: plain text for a terminal, Markdown for a page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..evaluation_tables import FEW
from ..markdown import markdown_table
from ..sampling.overlap_bins import bin_name
from .separation_floors import COPY, FLOORS, HALF, INPAINT, RESIDUAL
from .separation_questions import SHIFTED
from .separation_rows import FREE, GIVEN, MODEL_METHODS, UNITS

if TYPE_CHECKING:
    from .separation_report import SeparationReport

PUBLISHED = (0.0023, 0.0024, 0.0029, 0.0040)
"""Best floors by bin on BLS-GAN's own joints."""
NOTE = (
    "On BLS-GAN's 241 test joints with their bones apart, moved over each other by 2 to 8 and 9 to "
    f"20 pixels, the best floor has {', '.join(f'{v:.4f}' for v in PUBLISHED)} by bin: comparable "
    "only where the images are these."
)
DEFINITIONS = (
    "Each bone alone (the image without the other one) against the truth, in {unit}: mean square "
    "error, SSIM and PSNR within the overlap, and of the whole layer (the bone alone within its "
    "mask, nothing outside; masks found where none were given). Bins: pixels of the overlap at 256 "
    "x 256."
)
MEANINGS = {
    COPY: "the image itself for both bones",
    HALF: "half of what is above the soft tissue for each bone",
    INPAINT: "each bone's image continued harmonically over the overlap from its own pixels",
    RESIDUAL: "that, and what is then missing or too much divided evenly",
}
LABEL = 22


def as_text(report: SeparationReport) -> str:
    """Errors by bin, what they are of the best floor, SSIM and PSNR, and the bars."""
    lines = [f"{report.model}, {described(report)}; errors in {UNITS[report.protocol]}"]
    heads = [*(bin_name(n) for n in report.bins), "all"]
    lines.append(f"{'overlap [px]':{LABEL}}" + "".join(f"{h:>11}" for h in heads))
    lines.append(_line("images", [str(report.count(n)) for n in _bins(report)]))
    for title, figure, digits, methods in (
        ("MSE in the overlap", "mse", 5, report.methods),
        ("SSIM of the layer", "ssim", 4, report.methods),
        ("PSNR of the layer", "psnr", 1, report.methods),
    ):
        lines.append(title)
        for m in methods:
            cells = [number(report.of(figure, m, n), digits) for n in _bins(report)]
            lines.append(_line(f"  {m}", cells))
    lines += _ratio_lines(report)
    if report.feature_distances:
        lines.append(_feature_line(report))
    if report.protocol == SHIFTED:
        lines.append(NOTE)
    return "\n".join(lines)


def as_markdown(report: SeparationReport, sheet: str | None = None) -> str:
    """The same as a page, with every image.

    Args:
        report: what was found.
        sheet: file name of the contact sheet beside the page.
    """
    lines = [f"# {report.model}: bones separated on {described(report)}", ""]
    lines += [f"**Warning:** {warning}.\n" for warning in report.warnings]
    lines += [DEFINITIONS.format(unit=UNITS[report.protocol]), "", _about_patients(report), ""]
    heads = ["overlap [px]", "images", "method", "MSE", "over best floor", "SSIM", "PSNR [dB]",
             "MSE, layer", "SSIM, layer", "PSNR, layer [dB]", "feature distance"]  # fmt: skip
    cells = [_method_cells(report, m, n) for n in _bins(report) for m in report.methods]
    lines += [*markdown_table(heads, cells), ""]
    lines += ["Floors, told both masks and the mean density of the soft tissue in the overlap: "
              + "; ".join(f"*{m}*: {MEANINGS[m]}" for m in FLOORS) + ".", ""]  # fmt: skip
    lines += [f"* {line.strip()}" for line in _ratio_lines(report)]
    if report.feature_distances:
        lines.append(f"* {_feature_line(report)}")
    lines += ["", f"**{NOTE}**"] if report.protocol == SHIFTED else []
    if sheet:
        lines += ["", "![Best, median and worst image by error over that of the best floor: input,"
                  f" truth, model and floor of each bone alone]({sheet})"]  # fmt: skip
    lines += ["", "## Every image", ""]
    lines += markdown_table(
        ["data", "patient", "view", "bones", "overlap [px]", "method", "MSE", "mask Dice"],
        [
            [s.data, s.patient, s.view, " / ".join(s.bones), f"{s.pixels:.0f}", r.method,
             number(report.of_image("mse", r.image, r.method), 5), number(r.mask_dice)]
            for r in report.images if r.method in (*MODEL_METHODS, report.best_floor())
            for s in [r.subject]
        ],
    )  # fmt: skip
    return "\n".join([*lines, ""])


def described(report: SeparationReport) -> str:
    """What the images are, in words."""
    people = "patient" if report.patients == 1 else "patients"
    if report.protocol == SHIFTED:
        what = "joint images with their bones moved over each other"
    else:
        what = "regions of simulated radiographs with exact layers"
    return f"{report.count()} {what}, of {report.patients} {people}"


def number(value: float, digits: int = 3) -> str:
    """A figure, or a dash."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _bins(report: SeparationReport) -> tuple[int | None, ...]:
    return (*report.bins, None)


def _line(label: str, cells: list[str]) -> str:
    return f"{label:{LABEL}}" + "".join(f"{c:>11}" for c in cells)


def _ratio_lines(report: SeparationReport) -> list[str]:
    """Error over the best floor's by bin, masks or none, and whether the layers add up."""
    bars, lines = report.bars(), []
    for method in report.methods:
        if method not in MODEL_METHODS:
            continue
        found = [f"{bin_name(n)}: {_with_interval(report, method, n)}" for n in report.bins]
        bar = f" (bar: {bars['at_most']})" if method == report.main else ""
        lines.append(f"{method}, error over that of the best floor{bar}: {'; '.join(found)}")
    if set(MODEL_METHODS) <= set(report.methods):
        cells = [f"{bin_name(n)}: {number(report.free_ratio(n), 2)}" for n in report.bins]
        lines.append(
            f"error without masks over that with masks (bar: {bars['no_masks_at_most']}): "
            f"{number(report.free_ratio(), 2)}; {'; '.join(cells)} "
            f"({report.count(method=FREE)} of {report.count(method=GIVEN)} images are joints "
            "standing upright, and asked both ways)"
        )
    if FREE in report.methods:
        lines.append(
            f"masks found: Dice {number(report.of_images('mask_dice', FREE))}, of the overlap "
            f"{number(report.of_images('overlap_dice', FREE))}"
        )
    off, least = bars["largest_difference_of_sum"], bars["lowest_layer"]
    lines.append(f"sum of the layers: off the image by {off:.1e} of its span at most (bar: "
                 f"{bars['sum_at_most']:g}); lowest value {least:.1e}")  # fmt: skip
    return lines


def _with_interval(report: SeparationReport, method: str, n: int) -> str:
    text, found = number(report.ratio(n, method), 2), report.ratio_interval(n, method)
    return text if found is None else f"{text} ({found[0]:.2f} to {found[1]:.2f})"


def _feature_line(report: SeparationReport) -> str:
    from .separation_features import EXTRACTOR

    cells = [f"{m} {number(v['all'], 2)}" for m, v in report.feature_distances.items()]
    return f"distance of features from the truth's ({EXTRACTOR}): {'; '.join(cells)}"


def _about_patients(report: SeparationReport) -> str:
    if report.patients == 1:
        return "One patient: there are no intervals, and nothing is said of other patients."
    few = " With so few they are too narrow." if report.patients < FEW else ""
    drawn = ""
    if report.protocol != SHIFTED and report.sources < report.patients:
        drawn = f" They are drawn from {report.sources}: intervals say nothing of other anatomies."
    return (
        f"In brackets: 95 % intervals, percentile bootstrap over {report.patients} patients."
        f"{few}{drawn}"
    )


def _method_cells(report: SeparationReport, method: str, n: int | None) -> list[str]:
    where = "all" if n is None else bin_name(n)
    error, found = number(report.of("mse", method, n), 5), report.interval("mse", method, n)
    if found is not None:
        error += f" ({found[0]:.5f} to {found[1]:.5f})"
    ratio = number(report.ratio(n, method), 2) if method in MODEL_METHODS else ""
    cells = [where, str(report.count(n, method)), method, error, ratio]
    for figure, digits in (("ssim_overlap", 3), ("psnr_overlap", 1), ("mse_layer", 6),
                           ("ssim", 4), ("psnr", 1)):  # fmt: skip
        cells.append(number(report.of(figure, method, n), digits))
    distance = report.feature_distances.get(method, {}).get(where, math.nan)
    return [*cells, number(distance, 2)]
