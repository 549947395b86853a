"""The views of the application: one for each view node, arranged by Slicer's own layout logic."""

from __future__ import annotations

import slicer
import vtk

from .slice_view import SliceView
from .threed_view import ThreeDView

FILM_LAYOUT = 7300
_VIEW = """<item><view class="{kind}" singletontag="{tag}">
<property name="orientation" action="default">{orientation}</property>
<property name="viewlabel" action="default">{label}</property>
<property name="viewcolor" action="default">{color}</property>
<property name="viewgroup" action="default">{group}</property>
</view></item>"""
_VIEWS = (
    ("vtkMRMLSliceNode", "LumbarAP", "Coronal", "AP", "#4A50C8", 101),
    ("vtkMRMLSliceNode", "LumbarLateral", "Sagittal", "L", "#F9A32C", 102),
    ("vtkMRMLViewNode", "1", "", "1", "#6F6FBF", 0),
)


def _film_layout() -> str:
    names = ("kind", "tag", "orientation", "label", "color", "group")
    items = (_VIEW.format(**dict(zip(names, view, strict=True))) for view in _VIEWS)
    return f'<layout type="horizontal">{"".join(items)}</layout>'


class ViewBoard:
    """Makes a view for each slice and 3D view node of the scene, as Slicer's layout manager does.

    ``logic`` is Slicer's vtkMRMLLayoutLogic, which reads the layout descriptions and makes the view nodes.
    """

    def __init__(self, application):
        self._application = application
        self.views: dict[str, SliceView | ThreeDView] = {}
        application.scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._node_added)
        application.scene.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, self._node_removed)
        self.logic = slicer.vtkMRMLLayoutLogic()
        self.logic.SetMRMLApplicationLogic(application.logic)
        self.logic.SetMRMLScene(application.scene)
        self.layout_node.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    @property
    def layout_node(self):
        """The scene's vtkMRMLLayoutNode."""
        return self.logic.GetLayoutNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, caller, event, node) -> None:
        kinds = {"vtkMRMLSliceNode": SliceView, "vtkMRMLViewNode": ThreeDView}
        kind = next((kind for class_name, kind in kinds.items() if node.IsA(class_name)), None)
        if kind is not None:
            view = self.views[node.GetID()] = kind(self._application, node)
            view.is_shown = lambda: view in self.shown()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_removed(self, caller, event, node) -> None:
        if view := self.views.pop(node.GetID(), None):
            view.close()

    def shown(self) -> list[SliceView | ThreeDView]:
        """Return the views of the present layout, in its order."""
        nodes = self.logic.GetViewNodes()
        ids = [nodes.GetItemAsObject(index).GetID() for index in range(nodes.GetNumberOfItems())]
        return [self.views[node_id] for node_id in ids if node_id in self.views]

    def find(self, layout_name: str) -> SliceView | ThreeDView | None:
        """Return the view of that layout name ("Red", "LumbarAP", "1"), or None."""
        return next((view for view in self.views.values() if view.node.GetLayoutName() == layout_name), None)

    def show_film_views(self) -> None:
        """Arrange AP | lateral | 3D with the view names that the module uses, for tests that have no panel."""
        if not self.layout_node.IsLayoutDescription(FILM_LAYOUT):
            self.layout_node.AddLayoutDescription(FILM_LAYOUT, _film_layout())
        self.layout_node.SetViewArrangement(FILM_LAYOUT)
