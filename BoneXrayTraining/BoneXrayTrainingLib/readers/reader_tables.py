"""A reader study's report as Markdown that reads well in a terminal, too."""

from __future__ import annotations

import json
from pathlib import Path

from BoneXrayLib.files import checked_output_folder, staged_folder

from ..markdown import markdown_table
from .reader_study import BAD, SAME

JSON_FILE, PAGE = "reader-study.json", "reader-study.md"
DECOYS = {
    ("rating", SAME): "the same image again, rated within 1 of the first time",
    ("rating", BAD): "a spoilt image, rated 2 or lower",
    ("preference", SAME): "the same image on both sides, none preferred",
    ("preference", BAD): "an image and itself spoilt, the good one preferred",
}


def as_markdown(report: dict) -> str:
    """The report of `reader_report` as a page."""
    lines = [f"# Reader study {report['study']}", "", f"*{report['question']}*", "",
             _who(report), ""]  # fmt: skip
    table = _ratings if report["scale"] == "rating" else _preferences
    lines += [*table(report), "", _agreement(report), "", "## Decoys", ""]
    lines += markdown_table(
        ["decoy", "answered as expected"],
        [[DECOYS[report["scale"], kind], _share(found)] for kind, found in
         report["decoys"].items()],
    )  # fmt: skip
    return "\n".join([*lines, "", "## Readers", "", *_readers(report), "", _notes(report), ""])


def write_reader_report(report: dict, folder: str | Path) -> dict[str, Path]:
    """Write the report as JSON and Markdown; both or none."""
    folder = checked_output_folder(folder)
    with staged_folder(folder) as stage:
        text = json.dumps(report, indent=2, ensure_ascii=False)
        (stage / JSON_FILE).write_text(text + "\n", encoding="utf-8")
        (stage / PAGE).write_text(as_markdown(report), encoding="utf-8")
    return {name: folder / name for name in (JSON_FILE, PAGE)}


def _who(report: dict) -> str:
    total = report["questions"]
    unfinished = [r["reader"] for r in report["readers"] if r["answered"] < total]
    said = f"{len(report['readers'])} reader(s), {total} questions each, decoys included."
    return said + (f" Not finished: {', '.join(unfinished)}." if unfinished else "")


def _ratings(report: dict) -> list[str]:
    least = report["favourable_from"]
    return markdown_table(
        ["condition", "images", "readings", "mean (95 % over images)",
         f"share rated {least} or 5 (Wilson 95 %)", "same, 95 % over images",
         "images favourable to most readers", "seconds, median"],
        [[row["condition"], str(row["images"]), str(row["readings"]), _mean(row),
          _share(row["favourable"]), _percent(row["favourable_over_images"]),
          _share(row["favourable_by_most"]), _time(row["seconds"])]
         for row in report["conditions"]],
    )  # fmt: skip


def _preferences(report: dict) -> list[str]:
    lines = markdown_table(
        ["preferred", "images", "readings", "share (Wilson 95 %)", "same, 95 % over images"],
        [[row["condition"], str(row["images"]), str(row["readings"]), _share(row["preferred"]),
          _percent(row["preferred_over_images"])] for row in report["conditions"]],
    )  # fmt: skip
    return [*lines, "", f"The left image was preferred in {_share(report['left'])}; half is "
            "expected where sides do not matter."]  # fmt: skip


def _agreement(report: dict) -> str:
    found = report["agreement"]
    if found["alpha"] is None:
        return (
            "Agreement: none stated; it needs images judged by two readers or more, and answers "
            "that differ."
        )
    interval = found["interval"]
    range_ = (
        "" if interval is None else f" (95 % over images {interval[0]:.2f} to {interval[1]:.2f})"
    )
    return (
        f"Agreement: Krippendorff's α, {found['level']}, {found['alpha']:.2f}{range_}, "
        f"{found['images']} questions judged by two readers or more. 1 is perfect, 0 is chance."
    )


def _readers(report: dict) -> list[str]:
    return markdown_table(
        ["reader", "answered", "favourable", "decoys as expected", "seconds, median (quartiles)"],
        [[r["reader"], f"{r['answered']} of {report['questions']}",
          "-" if r["favourable"] is None else _share(r["favourable"]), _share(r["decoys"]),
          _time(r["seconds"], True)] for r in report["readers"]],
    )  # fmt: skip


def _notes(report: dict) -> str:
    return (
        "Wilson's interval takes readings as independent, which several readings of one image are "
        "not; the interval over images draws whole images with replacement. Decoys count in "
        "nothing but their own table."
    )


def _share(found: dict) -> str:
    if found["share"] is None:
        return "-"
    return (
        f"{found['count']} of {found['of']}: {found['share']:.0%} ({_percent(found['interval'])})"
    )


def _percent(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.0%} to {interval[1]:.0%}"


def _mean(row: dict) -> str:
    if row["mean"] is None:
        return "-"
    interval = row["mean_interval"]
    return f"{row['mean']:.2f}" + (
        "" if interval is None else f" ({interval[0]:.2f} to {interval[1]:.2f})"
    )


def _time(found: dict | None, quartiles: bool = False) -> str:
    if found is None:
        return "-"
    low, high = found["quartiles"]
    return f"{found['median']:.1f}" + (f" ({low:.1f} to {high:.1f})" if quartiles else "")
