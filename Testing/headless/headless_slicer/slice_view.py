"""A slice view: Slicer's slice logic, displayable managers and interaction on an off-screen window."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from .render_view import RenderView

MANAGERS = (
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
)


class SliceView(RenderView):
    """View of a vtkMRMLSliceNode; ``logic`` is its vtkMRMLSliceLogic."""

    def __init__(self, application, node):
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, MANAGERS)
        self.node = node
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application.logic)
        application.logic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(application.scene)
        self.logic.SetSliceNode(node)
        self.style = slicer.vtkMRMLSliceViewInteractorStyle()
        self.style.SetSliceLogic(self.logic)
        self.style.SetDisplayableManagers(self.managers)
        self.managers.SetMRMLDisplayableNode(node)
        self.interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self.style.SetInteractor(self.interactor)
        self.logic.ResizeSliceNode(*self.size)
        self._add_image()
        self.logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self.schedule_render())
        # A scene close empties the image pipeline; a mapper still holding it would complain at the next frame.
        self._scene = application.scene
        self._tag = self._scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, lambda *_: self._show_image(False))
        self.resume()

    def _add_image(self) -> None:
        # CTK's light-box manager, which draws the image in Slicer, is not in the wheel.
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._image = vtk.vtkActor2D()
        self._image.SetMapper(self._mapper)
        self._image.GetProperty().SetDisplayLocationToBackground()

    def _show_image(self, shown: bool) -> None:
        if not shown:
            self.renderer.RemoveViewProp(self._image)
            self._mapper.RemoveAllInputConnections(0)
            return
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())
        if not self.renderer.HasViewProp(self._image):
            self.renderer.AddViewProp(self._image)

    def prepare_frame(self) -> None:
        """Draw the volumes that the composite node now shows, if any."""
        composite = self.logic.GetSliceCompositeNode()
        ids = (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID(), composite.GetLabelVolumeID())
        shown = any(self._scene.GetNodeByID(volume_id) for volume_id in ids if volume_id)
        self._show_image(bool(shown and self.logic.GetImageDataConnection()))

    def set_size(self, width: int, height: int) -> None:
        """Change the size in pixels; the field of view follows as in Slicer."""
        super().set_size(width, height)
        self.logic.ResizeSliceNode(int(width), int(height))

    def pixel_of(self, point_ras_mm) -> tuple[int, int]:
        """Return the window pixel (from the lower left corner) at which a point in RAS mm lies."""
        xy_from_ras = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), xy_from_ras)
        x, y, _, _ = xy_from_ras.MultiplyPoint((*map(float, point_ras_mm), 1.0))
        return round(x), round(y)

    def ras_of(self, pixel) -> np.ndarray:
        """Return the point (3,) in RAS mm, on the slice plane, under a window pixel."""
        return np.array(self.node.GetXYToRAS().MultiplyPoint((*map(float, pixel), 0.0, 1.0))[:3])

    def close(self) -> None:
        """Stop drawing and leave the application's list of slice logics."""
        self._scene.RemoveObserver(self._tag)
        self._show_image(False)
        super().close()
