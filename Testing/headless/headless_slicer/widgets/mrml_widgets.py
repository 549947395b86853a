"""Slicer's widgets that know a scene: the root of a module's form, and the node selector."""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtWidgets
from PySide6.QtCore import Property, Qt, Signal, Slot


class qMRMLWidget(QtWidgets.QWidget):
    """A widget with a scene; hands it on to the widgets connected to its signal."""

    sceneChanged = Signal(object)
    CPP_SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)": "sceneChanged"}
    CPP_SLOTS = ("setMRMLScene(vtkMRMLScene*)",)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is self._scene:
            return
        self._scene = scene
        self.sceneChanged.emit(scene)


class _ElidingComboBox(QtWidgets.QComboBox):
    """Shows a text that is too long without its middle, as the ctkComboBox in Slicer's selector does."""

    def initStyleOption(self, option):
        super().initStyleOption(option)
        parts = QtWidgets.QStyle
        field = self.style().subControlRect(
            parts.ComplexControl.CC_ComboBox, option, parts.SubControl.SC_ComboBoxEditField, self
        )
        elided = Qt.TextElideMode.ElideMiddle
        option.currentText = option.fontMetrics.elidedText(option.currentText, elided, field.width())

    def shown_text(self) -> str:
        """Return what the user sees of the chosen text."""
        option = QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        return option.currentText

    def paintEvent(self, event):
        option = QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        painter = QtWidgets.QStylePainter(self)
        painter.drawComplexControl(QtWidgets.QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_ComboBoxLabel, option)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Selector of a node of given classes; disabled as long as it has no scene."""

    nodeChanged = Signal(object)
    nodeValid = Signal(bool)
    currentNodeIDChanged = Signal(str)
    activatedNode = Signal(object)
    CPP_SIGNALS = {
        "currentNodeChanged(bool)": "nodeValid",
        "currentNodeChanged(vtkMRMLNode*)": "nodeChanged",
        "nodeActivated(vtkMRMLNode*)": "activatedNode",
    }
    CPP_SLOTS = ("setMRMLScene(vtkMRMLScene*)", "setCurrentNode(vtkMRMLNode*)")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._combo = _ElidingComboBox()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self._scene, self._tags, self._names, self._ids = None, [], {}, []
        self._attributes: list[tuple[str, str, str | None]] = []
        self._settings = {"nodeTypes": [], "noneEnabled": False, "showChildNodeTypes": True, "showHidden": False}
        self._settings |= {"addEnabled": True, "removeEnabled": True, "renameEnabled": False, "editEnabled": False}
        self._settings |= {"selectNodeUponCreation": True, "baseName": "", "noneDisplay": "Select a Node"}
        self._current = ""
        self._combo.currentIndexChanged.connect(self._index_changed)
        self._combo.activated.connect(lambda *_: self.activatedNode.emit(self.currentNode()))
        self.setEnabled(False)

    def _setting(name, kind):
        def write(self, value):
            self._settings[name] = list(value) if kind == "QStringList" else value
            self._refill()

        return Property(kind, lambda self: self._settings[name], write)

    nodeTypes = _setting("nodeTypes", "QStringList")
    noneEnabled = _setting("noneEnabled", bool)
    showChildNodeTypes = _setting("showChildNodeTypes", bool)
    showHidden = _setting("showHidden", bool)
    addEnabled = _setting("addEnabled", bool)
    removeEnabled = _setting("removeEnabled", bool)
    renameEnabled = _setting("renameEnabled", bool)
    editEnabled = _setting("editEnabled", bool)
    selectNodeUponCreation = _setting("selectNodeUponCreation", bool)
    baseName = _setting("baseName", str)
    noneDisplay = _setting("noneDisplay", str)
    currentNodeID = Property(str, lambda self: self._current, lambda self, value: self.setCurrentNodeID(value))

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is self._scene:
            return
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene = scene
        Scene = slicer.vtkMRMLScene
        events = (Scene.NodeAddedEvent, Scene.NodeRemovedEvent)
        self._tags = [scene.AddObserver(event, self._scene_changed) for event in events] if scene else []
        if scene:
            self._tags.append(scene.AddObserver(Scene.NodeAboutToBeRemovedEvent, self._node_going, -10.0))
        self.setEnabled(scene is not None)
        self._refill()

    def currentNode(self):
        return self._scene.GetNodeByID(self._current) if self._scene and self._current else None

    def setCurrentNode(self, node):
        if node is not None and not isinstance(node, slicer.vtkMRMLNode):
            raise ValueError(f"qMRMLNodeComboBox.setCurrentNode() takes a node, not {node!r}")
        self._select(node.GetID() if node is not None else "")

    @Slot(str)
    def setCurrentNodeID(self, node_id):
        self._select(node_id)

    def addAttribute(self, node_class, name, value=None):
        self._attributes.append((node_class, name, value))
        self._refill()

    @Slot()
    def nodeCount(self):
        return len([node_id for node_id in self._ids if node_id])

    def nodeFromIndex(self, index):
        return self._scene.GetNodeByID([node_id for node_id in self._ids if node_id][index])

    def _offered(self, node) -> bool:
        kinds = self._settings["nodeTypes"]
        exact = node.GetClassName() in kinds
        derived = self._settings["showChildNodeTypes"] and any(node.IsA(kind) for kind in kinds)
        if not (exact or derived) or (node.GetHideFromEditors() and not self._settings["showHidden"]):
            return False
        return all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for node_class, name, value in self._attributes
            if node.IsA(node_class)
        )

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _scene_changed(self, scene, event, node) -> None:
        """Follow the scene at once, also in the middle of a load, as Slicer's selector does."""
        if node.GetID() in self._ids or self._offered(node):
            self._refill()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_going(self, scene, event, node) -> None:
        """Take the row of a node out before the node goes, and choose the row that moves up into its place, as Qt does.

        Where only rows of actions follow, such as Rename, it is the last node; None is chosen of nobody's accord.
        """
        if scene.IsClosing() or node.GetID() not in self._ids:
            return
        row, chosen = self._ids.index(node.GetID()), self._current == node.GetID()
        if chosen:
            self._current = ""
        self._refill(without=node)
        nodes = [node_id for node_id in self._ids if node_id]
        if chosen and nodes:
            self._select((self._ids[row:] or nodes[-1:])[0])

    def _refill(self, without=None) -> None:
        nodes = [self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes())] if self._scene else []
        nodes = [node for node in nodes if node is not without and self._offered(node)]
        self._observe_names(nodes)
        blocked = self._combo.blockSignals(True)
        self._combo.clear()
        self._ids = [""] if self._settings["noneEnabled"] else []
        if self._ids:
            self._combo.addItem("None")
        for node in nodes:
            self._ids.append(node.GetID())
            self._combo.addItem(node.GetName() or node.GetID())
        self._combo.blockSignals(blocked)
        self._select(self._current)

    def _observe_names(self, nodes) -> None:
        now = {node.GetID(): node for node in nodes}
        for node_id in [node_id for node_id in self._names if node_id not in now]:
            node, tag = self._names.pop(node_id)
            node.RemoveObserver(tag)
        for node_id, node in now.items():
            if node_id not in self._names:
                tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda node, _: self._rename(node))
                self._names[node_id] = (node, tag)

    def _rename(self, node) -> None:
        if not self._offered(node):
            self._refill()
        elif node.GetID() in self._ids:
            self._combo.setItemText(self._ids.index(node.GetID()), node.GetName())
            if node.GetID() == self._current:
                self.nodeChanged.emit(node)  # Slicer's follows the text of its box

    def _select(self, node_id: str) -> None:
        if node_id not in self._ids:
            node_id = "" if self._settings["noneEnabled"] or not self._ids else self._ids[0]
        blocked = self._combo.blockSignals(True)
        self._combo.setCurrentIndex(self._ids.index(node_id) if node_id in self._ids else -1)
        self._combo.blockSignals(blocked)
        self._announce(node_id)

    def _index_changed(self, index: int) -> None:
        self._announce(self._ids[index] if 0 <= index < len(self._ids) else "")

    def _announce(self, node_id: str) -> None:
        if node_id == self._current:
            return
        self._current = node_id
        self.nodeChanged.emit(self.currentNode())
        self.nodeValid.emit(bool(node_id))
        self.currentNodeIDChanged.emit(node_id)


ALL = (qMRMLWidget, qMRMLNodeComboBox)
