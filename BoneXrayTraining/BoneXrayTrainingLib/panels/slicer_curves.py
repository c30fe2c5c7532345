"""What a run logged, as tables and plots of the scene that grow while it trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import slicer
import slicer.util

LOG_FILE = "log.jsonl"
"""Of the run's folder (see `run_folder`)."""
KIND = "BoneXrayTraining.Curve"


class Chart(NamedTuple):
    """One plot: its name, its view, and key of the log -> what the legend calls it, its colour."""

    title: str
    view: str
    unit: str
    series: dict[str, tuple[str, tuple[float, float, float]]]


LOSS = Chart("Training loss", "BoneXrayLoss", "loss", {"loss": ("loss", (0.27, 0.53, 0.8))})
BONE = Chart(
    "On the CT kept out", "BoneXrayQuality", "PSNR [dB]",
    {"validation_psnr": ("network", (0.3, 0.65, 0.3)),
     "validation_floor_psnr": ("scaled radiograph", (0.6, 0.6, 0.6))},
)  # fmt: skip
NAMED = Chart(
    "Named bones on the CT kept out", "BoneXrayQuality", "Dice",
    {"validation_dice": ("all pixels", (0.3, 0.65, 0.3)),
     "validation_overlap_dice": ("where bones overlap", (0.8, 0.4, 0.3))},
)  # fmt: skip
APART = Chart(
    "Bones apart on the CT kept out", "BoneXrayQuality", "better than half for each bone [dB]",
    {"validation_gain": ("layers where bones overlap", (0.3, 0.65, 0.3))},
)  # fmt: skip


def charts_of(records: list[dict[str, Any]]) -> tuple[Chart, Chart]:
    """The plots of a run: its loss, and the figure of its task."""
    keys = {key for record in records for key in record}
    if "validation_gain" in keys:
        return LOSS, APART
    return LOSS, NAMED if "validation_dice" in keys else BONE


def read_log(run: str | Path) -> list[dict[str, Any]]:
    """The whole records of a run's log, the last one maybe still being written."""
    try:
        text = (Path(run) / LOG_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    records = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "step" in record:
            records.append(record)
    return records


class Curves:
    """The plots of one run at a time; filled again where they are."""

    def __init__(self) -> None:
        self._seen: tuple[str, int] | None = None
        self._charts = charts_of([])

    def show(self, run: str | Path) -> dict[str, Any]:
        """Bring tables and plots up to the run's log; gives its last record of a step."""
        records = read_log(run)
        seen = (str(run), len(records))
        charts = charts_of(records)
        if seen != self._seen or any(
            _find("vtkMRMLPlotChartNode", c.title) is None for c in charts
        ):
            self._seen, self._charts = seen, charts
            for chart in charts:
                _fill(chart, records)
        told = [record for record in records if "loss" in record]
        return told[-1] if told else {}

    @property
    def are_shown(self) -> bool:
        """Whether there is a run to show."""
        return self._seen is not None and self._seen[1] > 0

    def put_into_views(self) -> None:
        """Show each plot in the plot view of its name, where the layout has one."""
        for chart in self._charts:
            view = slicer.mrmlScene.GetSingletonNode(chart.view, "vtkMRMLPlotViewNode")
            node = _find("vtkMRMLPlotChartNode", chart.title)
            if view is not None and node is not None:
                view.SetPlotChartNodeID(node.GetID())

    def forget(self) -> None:
        """The scene goes."""
        self._seen = None


def _fill(chart: Chart, records: list[dict[str, Any]]) -> None:
    """Table, series and chart of one plot; points without a value are left out."""
    node = _made("vtkMRMLPlotChartNode", chart.title)
    node.SetTitle(chart.title)
    node.SetXAxisTitle("step")
    node.SetYAxisTitle(chart.unit)
    for key, (name, colour) in chart.series.items():
        points = [(r["step"], r[key]) for r in records if isinstance(r.get(key), int | float)]
        columns = np.array(points, dtype=np.float64).reshape(-1, 2)
        table = _made("vtkMRMLTableNode", f"{chart.title}: {name}")
        slicer.util.updateTableFromArray(table, columns, ["step", name])
        series = _made("vtkMRMLPlotSeriesNode", name)
        if series.GetTableNode() is not table:
            series.SetAndObserveTableNodeID(table.GetID())
            series.SetPlotType(series.PlotTypeScatter)  # x against y, joined by a line
            series.SetXColumnName("step")
            series.SetYColumnName(name)
            series.SetMarkerStyle(series.MarkerStyleNone)
            series.SetColor(*colour)
        if len(points) > 1 and not node.HasPlotSeriesNodeID(series.GetID()):  # a line needs two
            node.AddAndObservePlotSeriesNodeID(series.GetID())


def _made(kind: str, name: str) -> Any:
    """The node of this kind and name that was made here, or a new one; never saved with a scene."""
    node = _find(kind, name)
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
        node.SetAttribute(KIND, name)
        node.SetSaveWithScene(False)
    return node


def _find(kind: str, name: str) -> Any:
    nodes = slicer.util.getNodesByClass(kind)
    return next((node for node in nodes if node.GetAttribute(KIND) == name), None)
