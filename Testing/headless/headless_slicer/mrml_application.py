"""Slicer's application below its windows: scene, application logic and the logics of the modules we meet.

Everything here is Slicer's own code from the slicer-core wheel, put together in the order Slicer starts it.
"""

from __future__ import annotations

import slicer
import vtk

LOGIC_CLASSES = {
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Models": "vtkSlicerModelsLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
}


class MrmlApplication:
    """A scene with its application logic and module logics.

    ``scene``, ``logic`` (vtkSlicerApplicationLogic) and ``module_logics`` (by module name) live as long as this object.
    """

    def __init__(self, temporary_folder: str):
        self.scene = slicer.vtkMRMLScene()
        self.logic = slicer.vtkSlicerApplicationLogic()
        self.logic.SetTemporaryPath(temporary_folder)
        self._add_crosshair()
        self._attach_application_logic()
        self.module_logics = {name: self._module_logic(name, cls) for name, cls in LOGIC_CLASSES.items()}
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        for factory in (
            slicer.vtkMRMLSliceViewDisplayableManagerFactory,
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory,
        ):
            factory.GetInstance().SetMRMLApplicationLogic(self.logic)

    def _add_crosshair(self) -> None:
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)

    def _attach_application_logic(self) -> None:
        self.logic.SetMRMLScene(self.scene)
        self.logic.GetColorLogic().SetMRMLScene(self.scene)
        self.logic.GetColorLogic().AddDefaultColorNodes()
        self.logic.SetSliceLogics(vtk.vtkCollection())
        self.logic.SetViewLogics(vtk.vtkCollection())
        self._data_io = slicer.vtkMRMLRemoteIOLogic()
        self._data_io.SetMRMLScene(self.scene)
        self.logic.SetMRMLSceneDataIO(self.scene, self._data_io, slicer.vtkDataIOManagerLogic())

    def _module_logic(self, name: str, class_name: str):
        made = getattr(slicer, class_name)()
        made.SetMRMLScene(self.scene)
        made.SetMRMLApplicationLogic(self.logic)
        self.logic.SetModuleLogic(name, made)
        return made
