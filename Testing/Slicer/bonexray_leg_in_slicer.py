"""The panel's group Leg bones in 3D in the real application: markups, fit, models, saved scenes."""

import os
import tempfile
import unittest
from pathlib import Path

import numpy as np
import slicer
import slicer.util
from bonexray_in_slicer import HAS_WINDOW, wait
from bonexray_models_in_slicer import coloured
from slicer import ScriptedLoadableModule

NAMES = ("AP", "LAT-R")


def made_bone():
    """A right thigh bone of the made model (V, 3) RAS mm, and the model."""
    from made_femur import made_model

    model = made_model()
    return model.shape(model.sample(np.random.default_rng(5), 2.0)), model


def radiographs_in_scene():
    """Two radiographs of the bone on their detectors, and what is found in them."""
    from made_femur import made_features, made_image, made_view

    from BoneXrayLib.radiograph import radiograph_from_array
    from BoneXrayLib.scene.slicer_nodes import node_from_radiograph

    vertices, model = made_bone()
    nodes, found = [], []
    for name in NAMES:
        features = made_features(model, vertices, made_view(name), name)
        picture = radiograph_from_array(
            made_image(features), "optical density", 1.0, name, made_view(name)
        )
        nodes.append(node_from_radiograph(picture))
        found.append(features)
    return nodes, found


def legend_pixels():
    """Pixels of colour at the right border of the 3D view, where the legend is."""
    view = slicer.app.layoutManager().threeDWidget(0).threeDView()
    view.forceRender()
    picture = view.grab().toImage()
    columns = range(int(0.9 * picture.width()), picture.width(), 2)
    found = [picture.pixelColor(x, y) for x in columns for y in range(0, picture.height(), 2)]
    return sum(colour.saturation() > 200 for colour in found)


class WithShapes:
    """A scene with two radiographs, and a shape model in the folder of the user's models."""

    def setUp(self):
        from made_femur import made_card

        from BoneXrayLib.leg_scene.slicer_leg_features import show_features
        from BoneXrayLib.shape_model import write_shape_model

        slicer.mrmlScene.Clear()
        self.folder = tempfile.TemporaryDirectory()
        write_shape_model(Path(self.folder.name) / "shape-made", made_bone()[1], made_card())
        self.before = os.environ.get("BONEXRAY_MODELS")
        os.environ["BONEXRAY_MODELS"] = self.folder.name
        self.logic = slicer.util.getModuleLogic("BoneXray")
        self.nodes, found = radiographs_in_scene()
        for node, features in zip(self.nodes, found, strict=True):
            show_features(node, [features])

    def tearDown(self):
        os.environ.pop("BONEXRAY_MODELS")
        if self.before is not None:
            os.environ["BONEXRAY_MODELS"] = self.before
        self.folder.cleanup()


class BoneXrayLegLogicInSlicer(WithShapes, ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What works without a window."""

    def test_a_bone_and_its_measures_survive_a_saved_scene(self):
        from BoneXrayLib.leg_scene.slicer_leg_nodes import nodes_of_leg, surface_of
        from BoneXrayLib.legs.leg_config import LegConfig

        config = LegConfig(bones=("femur",), model=("shape-made",), side="right")
        made = self.logic.rebuildLeg(self.nodes, config)
        vertices = made_bone()[0]
        scene = str(Path(self.folder.name) / "scene.mrb")
        slicer.util.saveScene(scene)
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(scene)
        table = slicer.util.getNode("AP leg measures")
        found, _faces = surface_of(nodes_of_leg(table).bones["femur-right"])
        assert np.linalg.norm(found - vertices, axis=1).mean() < 0.8
        self.logic.showLeg(table)
        files = self.logic.exportLeg(table, Path(self.folder.name) / "out")
        assert set(files) == {"femur-right.stl", "reconstruction.json"}
        loaded = slicer.util.loadModel(str(files["femur-right.stl"]))
        bounds = [0.0] * 6
        loaded.GetRASBounds(bounds)
        np.testing.assert_allclose(bounds[::2], found.min(axis=0), atol=0.01)
        assert len(made.bones) == 1


@unittest.skipUnless(HAS_WINDOW, "needs the main window")
class BoneXrayLegPanelInSlicer(WithShapes, ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What a user does."""

    def setUp(self):
        super().setUp()
        slicer.util.mainWindow().show()
        slicer.util.selectModule("Welcome")
        slicer.util.selectModule("BoneXray")
        self.ui = slicer.util.getModuleWidget("BoneXray").ui
        self.ui.legGroupButton.collapsed = False
        self.ui.radiographSelector.setCurrentNode(self.nodes[0])
        self.ui.legSecondSelector.setCurrentNode(self.nodes[1])
        self.ui.legBonesBox.currentIndex = 1
        self.ui.legSideBox.currentIndex = 1
        self.ui.legFemurBox.currentIndex = 0

    def test_rebuild_shows_bone_radiographs_and_contours(self):
        assert self.ui.legButton.enabled, self.ui.legButton.toolTip
        self.ui.legButton.click()
        wait(lambda: self.ui.legStatus.text.startswith("femur right: Converged"))
        for view in ("BoneXrayLeg1", "BoneXrayLeg2"):
            wait(lambda view=view: coloured(view) > 0)
        wait(lambda: legend_pixels() > 50)

    def test_placing_begins_in_place_mode_with_the_chosen_landmark(self):
        listed = self.ui.legFeatureList
        listed.setCurrentRow(4)
        self.ui.legPlaceButton.click()
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        assert interaction.GetCurrentInteractionMode() == interaction.Place
        assert listed.item(4).text().startswith("–")
        slicer.util.selectModule("Welcome")
