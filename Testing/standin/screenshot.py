"""Pictures of panel and views for the extension's page, made with the stand-in and captioned so.

    python -m standin.screenshot out.png --ct CT_FILE --radiograph IMAGE

from the folder `Testing`, with either or both of the inputs. The panel is drawn by Qt, the slice
images by Slicer's own slice logic; frames, corner texts and fonts are not those of the application.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CAPTION = "Made with the project's stand-in of 3D Slicer; the application looks different in detail"
PANEL_WIDTH, HEIGHT, VIEWS_WIDTH = 430, 640, 1200
GAP, CAPTION_HEIGHT = 10, 30
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
    from BoneXrayLib.scene.slicer_samples import node_from_volume
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
    panel.ui.radiographButton.collapsed = False
    qt.QFileDialog.answers.append(str(path))
    panel.ui.loadButton.click()
    panel.ui.applyButton.click()
    wait(lambda: " by " in panel.ui.resultStatus.text)


def compose(panel: Any) -> Any:
    """Panel and views side by side, as a QImage."""
    import slicer
    from PySide6 import QtCore, QtGui

    manager = slicer.app.layoutManager()
    names = manager.sliceViewNames()
    view_width = (VIEWS_WIDTH - 6 * len(names)) // len(names)
    widget = panel.parent
    widget.resize(PANEL_WIDTH, HEIGHT)
    widget.show()
    slicer.app.processEvents()
    width = PANEL_WIDTH + 6 + len(names) * (view_width + 6) - 6
    image = QtGui.QImage(width, HEIGHT, QtGui.QImage.Format.Format_RGB32)
    image.fill(QtGui.QColor("#303030"))
    painter = QtGui.QPainter(image)
    painter.drawPixmap(0, 0, widget.grab())
    for number, name in enumerate(names):
        left = PANEL_WIDTH + 6 + number * (view_width + 6)
        view = manager.sliceWidget(name)
        picture = np.ascontiguousarray(view.picture(view_width, HEIGHT - 26))
        shown = QtGui.QImage(
            picture.data, view_width, HEIGHT - 26, 3 * view_width, QtGui.QImage.Format.Format_RGB888
        )
        painter.drawImage(left, 26, shown)
        node = slicer.mrmlScene.GetNodeByID(view.mrmlSliceCompositeNode().GetBackgroundVolumeID())
        painter.setPen(QtGui.QColor("#e0e0e0"))
        bar = QtCore.QRect(left + 6, 0, view_width - 12, 26)
        letter = view.mrmlSliceNode().GetLayoutLabel()
        painter.drawText(bar, QtCore.Qt.AlignmentFlag.AlignVCenter, f"{letter}   {node.GetName()}")
    painter.end()
    return image


def stack(images: list[Any]) -> Any:
    """The pictures below each other, the caption at the bottom."""
    from PySide6 import QtCore, QtGui

    width = max(image.width() for image in images)
    height = sum(image.height() + GAP for image in images) + CAPTION_HEIGHT
    whole = QtGui.QImage(width, height, QtGui.QImage.Format.Format_RGB32)
    whole.fill(QtGui.QColor("#303030"))
    painter = QtGui.QPainter(whole)
    top = 0
    for image in images:
        painter.drawImage(0, top, image)
        top += image.height() + GAP
    painter.setPen(QtGui.QColor("#d0d0d0"))
    caption = QtCore.QRect(8, top, width - 16, CAPTION_HEIGHT)
    painter.drawText(caption, QtCore.Qt.AlignmentFlag.AlignVCenter, CAPTION)
    painter.end()
    return whole


def main(arguments: list[str]) -> None:
    """Make one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--ct", type=Path)
    parser.add_argument("--radiograph", type=Path)
    wanted = parser.parse_args(arguments)
    import standin

    standin.install()
    from standin import application

    panel = application.open_panel(application.load_module(REPOSITORY / "BoneXray"))
    images = []
    for show, path in ((show_ct, wanted.ct), (show_radiograph, wanted.radiograph)):
        if path is not None:
            show(panel, path)
            images.append(compose(panel))
    stack(images).save(str(wanted.picture))
    panel.cleanup()
    if standin.errors():
        raise SystemExit(f"errors in slots: {standin.errors()}")


if __name__ == "__main__":
    main(sys.argv[1:])
