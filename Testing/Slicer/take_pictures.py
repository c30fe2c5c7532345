"""Pictures of the real application: a CT's radiographs, and a radiograph's bones.

    Slicer --testing --no-splash --additional-module-paths BoneXray BoneXrayTraining \
           --python-script Testing/Slicer/take_pictures.py CT_FILE RADIOGRAPH_FILE FOLDER

Writes ct.png and radiograph.png into FOLDER (for RADIOGRAPH_FILE, a shipped model is needed).
"""

import sys
import time
from pathlib import Path

import slicer
import slicer.util

SIZE = (1400, 860)


def settle(condition=lambda: False, seconds=1.0):
    """Let the application live until `condition`, or for some seconds."""
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        slicer.app.processEvents()
        time.sleep(0.01)


def picture(path):
    """The main window as it is now."""
    settle(seconds=5.0)
    slicer.util.mainWindow().grab().save(str(path))


def main(ct_file, radiograph_file, folder):
    """Work as a user does, and take a picture after each step."""
    from BoneXrayLib.scene.slicer_samples import node_from_volume
    from BoneXrayLib.volume import read_volume

    window = slicer.util.mainWindow()
    window.resize(*SIZE)
    window.show()
    slicer.util.selectModule("BoneXray")
    panel = slicer.util.getModuleWidget("BoneXray")
    ui = panel.ui
    ui.previewBox.checked = False
    ui.radiographButton.collapsed = True
    ui.geometryButton.collapsed = False
    ui.ctSelector.setCurrentNode(node_from_volume(read_volume(ct_file)))
    ui.makeButton.click()
    settle(lambda: "Made" in ui.ctStatus.text, 300)
    picture(Path(folder) / "ct.png")
    if panel.logic.models():
        ui.ctButton.collapsed = True
        ui.radiographButton.collapsed = False
        ui.radiographSelector.setCurrentNode(panel.logic.loadRadiograph(radiograph_file))
        ui.applyButton.click()
        settle(lambda: slicer.app.layoutManager().layout == 5572, 300)
        picture(Path(folder) / "radiograph.png")


try:
    main(*sys.argv[-3:])
finally:
    slicer.util.exit(0)
