"""A 3D view: Slicer's view logic, displayable managers and interaction on an off-screen window."""

from __future__ import annotations

import slicer
import vtk

from .render_view import RenderView

MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)


class ThreeDView(RenderView):
    """View of a vtkMRMLViewNode; ``logic`` is its vtkMRMLViewLogic."""

    def __init__(self, application, node):
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, MANAGERS)
        self.node = node
        self.style = slicer.vtkMRMLThreeDViewInteractorStyle()
        self.style.SetDisplayableManagers(self.managers)
        self.style.SetInteractor(self.interactor)
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(application.logic)
        application.logic.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(application.scene)
        self.logic.AddViewNode(node.GetLayoutName())  # finds the singleton node of that name
        self.managers.SetMRMLDisplayableNode(node)
        self.resume()

    def prepare_frame(self) -> None:
        """Take the colours of the background from the view node, as Slicer's view widget does."""
        self.renderer.SetGradientBackground(True)
        self.renderer.SetBackground(*self.node.GetBackgroundColor())
        self.renderer.SetBackground2(*self.node.GetBackgroundColor2())

    @property
    def camera_node(self):
        """The vtkMRMLCameraNode of this view; drawn once if it has none yet."""
        manager = self.managers.GetDisplayableManagerByClassName("vtkMRMLCameraDisplayableManager")
        if manager.GetCameraNode() is None:
            self.render()
        return manager.GetCameraNode()

    def look(self, position_ras_mm, focal_point_ras_mm, view_up=(0.0, 0.0, 1.0)) -> None:
        """Put the camera at a point in RAS mm, looking at another one."""
        camera = self.camera_node
        camera.SetPosition(*map(float, position_ras_mm))
        camera.SetFocalPoint(*map(float, focal_point_ras_mm))
        camera.SetViewUp(*map(float, view_up))
        self.renderer.ResetCameraClippingRange()
        self.schedule_render()

    def look_at_everything(self) -> None:
        """Move the camera back until all that is shown is in the picture."""
        self.camera_node  # noqa: B018  (made by the first frame)
        self.renderer.ResetCamera()
        self.schedule_render()

    def pixel_of(self, point_ras_mm) -> tuple[int, int]:
        """Return the window pixel (from the lower left corner) at which a point in RAS mm is drawn."""
        coordinate = vtk.vtkCoordinate()
        coordinate.SetCoordinateSystemToWorld()
        coordinate.SetValue(*map(float, point_ras_mm))
        return tuple(coordinate.GetComputedDisplayValue(self.renderer))
