"""The module: titles, the panel's wiring, and a logic that calls the stages. Computes nothing."""

import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from BoneXrayLib.leg_scene.slicer_leg_logic import LegLogic
from BoneXrayLib.scene.slicer_ct_logic import CtLogic
from BoneXrayLib.scene.slicer_layer_logic import LayerLogic
from BoneXrayLib.scene.slicer_segment_logic import SegmentLogic


class BoneXray(ScriptedLoadableModule):
    """What the module selector shows."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("BoneXray")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        parent.dependencies = []
        parent.contributors = ["The BoneXray contributors"]
        parent.helpText = _(
            "Radiographs of a CT with and without everything that is not bone, and the bones of a "
            "radiograph, extracted and enhanced by a trained network. "
            "Research use only. Not a medical device."
        )
        parent.acknowledgementText = _(
            "Built on 3D Slicer, MONAI, PyTorch, ONNX Runtime and Numba."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the samples in the Sample Data module; one is fetched when its button is pressed."""
    from BoneXrayLib.scene.slicer_samples import register_samples

    register_samples()


class BoneXrayWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel. Its sections do the work; this class follows the scene."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None

    def setup(self):
        """Build the panel when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        from BoneXrayLib.panels.slicer_panel import Sections, SideBySide

        panel = slicer.util.loadUI(self.resourcePath("UI/BoneXray.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = BoneXrayLogic()
        self.views = SideBySide()
        self.sections = Sections(self.ui, self.logic, self.views)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndClose)
        self.initializeParameterNode()

    def cleanup(self):
        """The panel goes: end all jobs, give the layout back."""
        self.sections.follow(None)
        self.views.restore()
        self.removeObservers()

    def enter(self):
        """The user opened the module."""
        self.initializeParameterNode()
        self.views.resume()

    def exit(self):
        """The user opened another module."""
        self.sections.release()
        self.views.restore()

    def onReload(self):
        """Developer's reload: the library is imported afresh, too."""
        for name in [name for name in sys.modules if name.split(".")[0] == "BoneXrayLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller=None, event=None):
        """The scene is about to go: let go of everything in it."""
        self.sections.follow(None)
        self.views.forget()
        self.logic.forgetInputs()

    def onSceneEndClose(self, caller=None, event=None):
        """A new or loaded scene: take up its parameter node while the module is shown."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        """Follow the scene's parameter node; select what is there to save clicks."""
        self.sections.follow(self.logic.getParameterNode())


class BoneXrayLogic(ScriptedLoadableModuleLogic, CtLogic, SegmentLogic, LayerLogic, LegLogic):
    """All the module does, from the console and without a window; takes and gives nodes.

    >>> logic = slicer.util.getModuleLogic("BoneXray")
    >>> made = logic.makeRadiographs(ctNode)
    >>> logic.showInScene(made.full)
    >>> found = logic.extract(logic.loadRadiograph("chest.dcm"))
    >>> logic.setEnhance(found.enhanced, -1.0)
    """

    def getParameterNode(self):
        """What the user chose, typed."""
        from BoneXrayLib.scene.slicer_parameters import BoneXrayParameterNode

        return BoneXrayParameterNode(super().getParameterNode())

    def showInScene(self, radiographNode):
        """Show tube, beam and detector of a simulated radiograph in the 3D views."""
        from BoneXrayLib.scene.slicer_scene import show_radiograph

        show_radiograph(radiographNode)

    def loadRadiograph(self, path, pixelMm=None, polarity="auto"):
        """Load a DICOM, PNG, JPEG, TIFF or NRRD radiograph as a bone-bright volume node."""
        from BoneXrayLib.radiograph import read_radiograph
        from BoneXrayLib.scene.slicer_inputs import input_node

        return input_node(read_radiograph(Path(path), pixelMm, polarity), Path(path))

    def extract(self, radiographNode, config=None):
        """Find the bones; see `BoneXrayLib.extraction.ExtractConfig` for what can be chosen.

        Returns nodes (bones, enhanced, uncertainty if asked for), placed beneath the radiograph.
        """
        from BoneXrayLib.extraction import ExtractConfig
        from BoneXrayLib.scene.slicer_results import extraction_nodes

        config = config or ExtractConfig()
        found = self.extraction(radiographNode, config)(None, None)
        return extraction_nodes(found, radiographNode, config)

    def setEnhance(self, enhancedNode, enhanceBy):
        """Show the bones `1 + enhanceBy` times as dense, -1 to 2; works in loaded scenes, too."""
        from BoneXrayLib.scene.slicer_results import set_enhance

        set_enhance(enhancedNode, enhanceBy)

    def models(self):
        """Trained models for extraction, shipped ones and those in the user's folder."""
        from BoneXrayLib.models import list_models

        return list_models(task="extract")

    def refusedModels(self):
        """Model folders that are not offered, with the reason in one line."""
        from BoneXrayLib.models import refused_models

        return refused_models()

    def extraction(self, radiographNode, config):
        """The extraction as a function of arrays, work(progress, is_cancelled), for a thread."""
        from BoneXrayLib.scene.slicer_inputs import extraction_work

        return extraction_work(radiographNode, config)


class BoneXrayTest(ScriptedLoadableModuleTest):
    """Reload & Test: the whole path on a synthetic limb, without the network."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_limb_gives_radiographs(self):
        """A CT becomes a full and a bone-only radiograph beneath it."""
        from BoneXrayLib.drr import DrrConfig
        from BoneXrayLib.phantoms import synthetic_limb
        from BoneXrayLib.scene.slicer_samples import node_from_volume

        ct = node_from_volume(synthetic_limb(4.0))
        nodes = BoneXrayLogic().makeRadiographs(ct, DrrConfig(size=(64, 64), pixel=4.0))
        full, bone = (slicer.util.arrayFromVolume(node) for node in (nodes.full, nodes.bone))
        assert full.shape == (1, 64, 64)
        assert bone.max() > 0.5
        assert (bone <= full + 1e-4).all()
        self.delayDisplay("A limb gave its radiographs")
