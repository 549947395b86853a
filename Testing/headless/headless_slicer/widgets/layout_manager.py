"""Slicer's layout manager: view widgets in the arrangement that Slicer's own layout logic has read."""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

from .view_widgets import qMRMLSliceWidget, qMRMLThreeDWidget


class qSlicerLayoutManager(QtCore.QObject):
    """Hands out the view widgets and switches between layouts."""

    layoutChanged = Signal(int)

    def __init__(self, board, viewport):
        super().__init__()
        self._board, self._viewport = board, viewport
        self._widgets: dict[str, QtWidgets.QWidget] = {}
        QtWidgets.QHBoxLayout(viewport).setContentsMargins(0, 0, 0, 0)
        self._arranged = None
        board.layout_node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._arrange())
        self._arrange()

    # -- what Python code in Slicer uses ---------------------------------------------------------------------------

    layout = Property(
        int, lambda self: self._board.layout_node.GetViewArrangement(), lambda self, value: self.setLayout(value)
    )
    threeDViewCount = Property(int, lambda self: len(self._nodes("vtkMRMLViewNode")))
    tableViewCount = Property(int, lambda self: 0)
    plotViewCount = Property(int, lambda self: 0)

    @Slot(int)
    def setLayout(self, layout):
        node = self._board.layout_node
        if node.GetViewArrangement() == layout:
            return
        if not node.IsLayoutDescription(layout):
            layout = node.SlicerLayoutConventionalView
        node.RemoveAllMaximizedViewNodes()
        node.SetViewArrangement(layout)

    def layoutLogic(self):
        return self._board.logic

    def mrmlSliceLogics(self):
        return self._board.logic.GetMRMLApplicationLogic().GetSliceLogics()

    def sliceViewNames(self):
        return [node.GetLayoutName() for node in self._nodes("vtkMRMLSliceNode")]

    def sliceWidget(self, name):
        return self._widget(self._board.find(name), qMRMLSliceWidget)

    def threeDWidget(self, which):
        nodes = self._nodes("vtkMRMLViewNode")
        if isinstance(which, str):
            node = next((node for node in nodes if which in (node.GetName(), node.GetLayoutName())), None)
        else:
            node = nodes[which] if 0 <= which < len(nodes) else None
        return self._widget(self._board.views.get(node.GetID()) if node else None, qMRMLThreeDWidget)

    def viewport(self):
        return self._viewport

    @Slot()
    def resetThreeDViews(self):
        for node in self._nodes("vtkMRMLViewNode"):
            self._board.views[node.GetID()].look_at_everything()

    @Slot()
    def resetSliceViews(self):
        for name in self.sliceViewNames():
            self._board.find(name).logic.FitSliceToBackground()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _nodes(self, kind: str) -> list:
        return slicer.util.getNodesByClass(kind)

    def _widget(self, view, kind):
        if view is None or not hasattr(view, "node"):
            return None
        node_id = view.node.GetID()
        if node_id not in self._widgets:
            self._widgets[node_id] = kind(view)
            self._widgets[node_id].setParent(self._viewport)
            self._widgets[node_id].hide()
        return self._widgets[node_id]

    def _widget_of_node(self, node):
        kind = qMRMLSliceWidget if node.IsA("vtkMRMLSliceNode") else qMRMLThreeDWidget
        return self._widget(self._board.views.get(node.GetID()), kind)

    def _arrange(self) -> None:
        """Put the widgets of the present layout into the viewport, as the layout's description nests them."""
        node = self._board.layout_node
        arrangement = (node.GetViewArrangement(), node.GetCurrentLayoutDescription())
        if arrangement == self._arranged:
            return
        self._arranged = arrangement
        for widget in self._widgets.values():
            widget.hide()
            widget.setParent(self._viewport)
        holder = self._viewport.layout()
        while holder.count():
            item = holder.takeAt(0)
            if item.widget():
                item.widget().deleteLater()
        root = node.GetLayoutRootElement()
        if root is not None:
            holder.addWidget(self._build(root))
        self.layoutChanged.emit(arrangement[0])

    def _build(self, element) -> QtWidgets.QWidget:
        if element.GetName() == "view":
            node = self._board.logic.GetViewFromElement(element)
            widget = self._widget_of_node(node) if node is not None else None
            if widget is None:
                return QtWidgets.QWidget()
            widget.show()
            return widget
        vertical = element.GetName() == "layout" and element.GetAttribute("type") == "vertical"
        splitter = QtWidgets.QSplitter(QtCore.Qt.Orientation.Vertical if vertical else QtCore.Qt.Orientation.Horizontal)
        for index in range(element.GetNumberOfNestedElements()):
            nested = element.GetNestedElement(index)
            if nested.GetName() == "item" and nested.GetNumberOfNestedElements():
                splitter.addWidget(self._build(nested.GetNestedElement(0)))
        splitter.setSizes([1000] * splitter.count())
        return splitter


ALL = (qSlicerLayoutManager,)
