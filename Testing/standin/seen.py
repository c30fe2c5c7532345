"""Every name of Slicer, Qt and VTK that the modules use, and where it was seen.

A guard against drift: `test_standin.py` compares this list with the modules' code. A version means
that the name was read in the sources of that branch of Slicer; "5.10" is the oldest that the
modules support, so what is newer must be used with a way round it.
"""

from __future__ import annotations

SEEN: dict[str, str] = {
    "SampleData.SampleDataLogic": "5.10",
    "qt.QFileDialog.getOpenFileName": "5.10",
    "qt.QSettings": "5.10",
    "qt.QTimer": "5.10",
    "qt.Qt.ToolTipRole": "5.10",
    "slicer.ScriptedLoadableModule.ScriptedLoadableModule": "5.10",
    "slicer.ScriptedLoadableModule.ScriptedLoadableModuleLogic": "5.10",
    "slicer.ScriptedLoadableModule.ScriptedLoadableModuleTest": "5.10",
    "slicer.ScriptedLoadableModule.ScriptedLoadableModuleWidget": "5.10",
    "slicer.app.connect": "5.10",
    "slicer.app.layoutManager": "5.10",
    "slicer.i18n.tr": "5.10",
    "slicer.i18n.translate": "5.10",
    "slicer.mrmlScene.AddNewNodeByClass": "5.10",
    "slicer.mrmlScene.AddNode": "5.10",
    "slicer.mrmlScene.Clear": "5.10",
    "slicer.mrmlScene.CreateNodeByClass": "5.10",
    "slicer.mrmlScene.GenerateUniqueName": "5.10",
    "slicer.mrmlScene.GetSingletonNode": "5.10",
    "slicer.mrmlScene.IsNodePresent": "5.10",
    "slicer.mrmlScene.RemoveNode": "5.10",
    "slicer.packaging.pip_ensure": "5.12",
    "slicer.parameterNodeWrapper.Choice": "5.10",
    "slicer.parameterNodeWrapper.Decimals": "5.10",
    "slicer.parameterNodeWrapper.Default": "5.10",
    "slicer.parameterNodeWrapper.FloatRange": "5.10",
    "slicer.parameterNodeWrapper.RangeBounds": "5.10",
    "slicer.parameterNodeWrapper.SingleStep": "5.10",
    "slicer.parameterNodeWrapper.WithinRange": "5.10",
    "slicer.parameterNodeWrapper.parameterNodeWrapper": "5.10",
    "slicer.util.VTKObservationMixin": "5.10",
    "slicer.util.addVolumeFromArray": "5.10",
    "slicer.util.arrayFromVTKMatrix": "5.10",
    "slicer.util.arrayFromVolume": "5.10",
    "slicer.util.arrayFromVolumeModified": "5.10",
    "slicer.util.childWidgetVariables": "5.10",
    "slicer.util.confirmOkCancelDisplay": "5.10",
    "slicer.util.errorDisplay": "5.10",
    "slicer.util.getNodesByClass": "5.10",
    "slicer.util.loadUI": "5.10",
    "slicer.util.mainWindow": "5.10",
    "slicer.util.pip_install": "5.10",
    "slicer.util.settingsValue": "5.10",
    "slicer.util.tryWithErrorDisplay": "5.10",
    "slicer.util.updateVTKMatrixFromArray": "5.10",
    "slicer.util.updateVolumeFromArray": "5.10",
    "slicer.util.vtkMatrixFromArray": "5.10",
    "slicer.vtkMRMLScalarVolumeNode": "5.10",
    "slicer.vtkMRMLSegmentationNode": "5.10",
    "slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode": "5.10",
    "slicer.vtkSlicerSegmentationsModuleLogic": "5.10",
    "vtk.vtkCommand.ModifiedEvent": "5.10",
    "vtk.vtkMatrix4x4": "5.10",
}

ROOTS = {"slicer", "qt", "ctk", "vtk", "SampleData"}
