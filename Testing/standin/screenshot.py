"""Pictures of panel and views for the extension's page, made with the stand-in and captioned so.

    python -m standin.screenshot ct CT_FILE out.png
    python -m standin.screenshot radiograph IMAGE out.png

from the folder `Testing`. The panel is drawn by Qt, the slice images by Slicer's own slice logic;
frames, corner texts and fonts are not those of the application.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CAPTION = "Made with the project's stand-in of 3D Slicer; the application looks different in detail"
PANEL_WIDTH, HEIGHT, VIEW_WIDTH = 430, 640, 420
REPOSITORY = Path(__file__).parents[2]


def wait(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    """Let the window live until `condition`."""
    import slicer

    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"still not after {seconds:g} s")
        slicer.app.processEvents()
        time.sleep(0.005)


def show_ct(panel: Any, path: Path) -> None:
    """A CT and its two radiographs at full size."""
    from BoneXrayLib.slicer_samples import node_from_volume
    from BoneXrayLib.volume import read_volume

    panel.ui.previewBox.checked = False
    panel.ui.radiographButton.collapsed = True
    panel.ui.geometryButton.collapsed = False
    panel.ui.ctSelector.setCurrentNode(node_from_volume(read_volume(path)))
    panel.ui.makeButton.click()
    wait(lambda: "Made" in panel.ui.ctStatus.text)
    panel.ui.previewBox.checked = True


def show_radiograph(panel: Any, path: Path) -> None:
    """A radiograph, its bones, and the enhanced image."""
    import qt

    panel.ui.ctButton.collapsed = True
    qt.QFileDialog.answers.append(str(path))
    panel.ui.loadButton.click()
    panel.ui.applyButton.click()
    wait(lambda: " by " in panel.ui.resultStatus.text)


def compose(panel: Any) -> Any:
    """Panel and views side by side under a caption, as a QImage."""
    import slicer
    from PySide6 import QtCore, QtGui

    manager = slicer.app.layoutManager()
    names = manager.sliceViewNames()
    widget = panel.parent
    widget.resize(PANEL_WIDTH, HEIGHT)
    widget.show()
    slicer.app.processEvents()
    width = PANEL_WIDTH + len(names) * (VIEW_WIDTH + 6)
    image = QtGui.QImage(width, HEIGHT + 30, QtGui.QImage.Format.Format_RGB32)
    image.fill(QtGui.QColor("#303030"))
    painter = QtGui.QPainter(image)
    painter.drawPixmap(0, 0, widget.grab())
    for number, name in enumerate(names):
        left = PANEL_WIDTH + 6 + number * (VIEW_WIDTH + 6)
        view = manager.sliceWidget(name)
        picture = np.ascontiguousarray(view.picture(VIEW_WIDTH, HEIGHT - 26))
        shown = QtGui.QImage(
            picture.data, VIEW_WIDTH, HEIGHT - 26, 3 * VIEW_WIDTH, QtGui.QImage.Format.Format_RGB888
        )
        painter.drawImage(left, 26, shown)
        node = slicer.mrmlScene.GetNodeByID(view.mrmlSliceCompositeNode().GetBackgroundVolumeID())
        painter.setPen(QtGui.QColor("#e0e0e0"))
        bar = QtCore.QRect(left + 6, 0, VIEW_WIDTH - 12, 26)
        letter = view.mrmlSliceNode().GetLayoutLabel()
        painter.drawText(bar, QtCore.Qt.AlignmentFlag.AlignVCenter, f"{letter}   {node.GetName()}")
    painter.setPen(QtGui.QColor("#c0c0c0"))
    caption = QtCore.QRect(8, HEIGHT, width - 16, 30)
    painter.drawText(caption, QtCore.Qt.AlignmentFlag.AlignVCenter, CAPTION)
    painter.end()
    return image


def main(kind: str, source: str, target: str) -> None:
    """Make one picture."""
    import standin

    standin.install()
    from standin import application

    panel = application.open_panel(application.load_module(REPOSITORY / "BoneXray"))
    {"ct": show_ct, "radiograph": show_radiograph}[kind](panel, Path(source))
    compose(panel).save(target)
    panel.cleanup()
    if standin.errors():
        raise SystemExit(f"errors in slots: {standin.errors()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
