"""Slicer's view widgets: they show the off-screen views, follow their size and hand out their logics."""

from __future__ import annotations

import numpy as np
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Slot

BAR_HEIGHT = 16


class _View(QtWidgets.QWidget):
    """What qMRMLSliceView and qMRMLThreeDView share; they inherit it from CTK."""

    def __init__(self, view, parent=None):
        super().__init__(parent)
        self._view = view
        self.setMinimumSize(50, 50)

    maximumUpdateRate = Property(
        float,
        lambda self: self._view.maximum_update_rate,
        lambda self, value: setattr(self._view, "maximum_update_rate", value),
    )

    def renderWindow(self):
        return self._view.window

    def renderer(self):
        return self._view.renderer

    def interactor(self):
        return self._view.interactor

    def interactorStyle(self):
        return self._view.style

    @Slot()
    def scheduleRender(self):
        self._view.schedule_render()

    @Slot()
    def forceRender(self):
        self._view.render()

    def pauseRender(self):
        self._view.pause()

    def resumeRender(self):
        self._view.resume()

    def resizeEvent(self, event):
        super().resizeEvent(event)
        self._view.set_size(max(self.width(), 1), max(self.height(), 1))

    def paintEvent(self, event):
        pixels = np.ascontiguousarray(self._view.pixels())
        height, width, _ = pixels.shape
        image = QtGui.QImage(pixels.data, width, height, 3 * width, QtGui.QImage.Format.Format_RGB888)
        QtGui.QPainter(self).drawImage(self.rect(), image)


class qMRMLSliceView(_View):
    """The picture of a slice view."""

    def mrmlSliceNode(self):
        return self._view.node


class qMRMLThreeDView(_View):
    """The picture of a 3D view."""

    def mrmlViewNode(self):
        return self._view.node

    def cameraNode(self):
        return self._view.camera_node

    @Slot()
    def resetFocalPoint(self):
        self._view.look_at_everything()

    @Slot()
    def resetCamera(self):
        self._view.look_at_everything()


class _Bar(QtWidgets.QLabel):
    """The coloured bar above a view."""

    def __init__(self, node):
        super().__init__(node.GetLayoutLabel())
        color = QtGui.QColor.fromRgbF(*node.GetLayoutColor())
        self.setFixedHeight(BAR_HEIGHT)
        self.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self.setStyleSheet(f"background: {color.name()}; color: white; font-size: 10px")


class qMRMLSliceControllerWidget(QtWidgets.QWidget):
    """What the bar of a slice view lets code do."""

    def __init__(self, view, parent=None):
        super().__init__(parent)
        self._view = view

    @Slot()
    def fitSliceToBackground(self):
        self._view.logic.FitSliceToBackground()

    @Slot(bool)
    def setSliceVisible(self, visible):
        self._view.node.SetSliceVisible(visible)

    def sliceLogic(self):
        return self._view.logic


class _Framed(QtWidgets.QWidget):
    def __init__(self, view, picture_class):
        super().__init__()
        self._view = view
        self._picture = picture_class(view)
        self._bar = _Bar(view.node)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 1)
        layout.setSpacing(0)
        layout.addWidget(self._bar)
        layout.addWidget(self._picture)


class qMRMLSliceWidget(_Framed):
    """A slice view with its bar."""

    def __init__(self, view):
        super().__init__(view, qMRMLSliceView)
        self._controller = qMRMLSliceControllerWidget(view, self)
        self._controller.hide()

    def sliceView(self):
        return self._picture

    def sliceController(self):
        return self._controller

    def sliceLogic(self):
        return self._view.logic

    def mrmlSliceNode(self):
        return self._view.node

    def interactorStyle(self):
        return self._view.style

    @Slot()
    def fitSliceToBackground(self):
        self._view.logic.FitSliceToBackground()

    sliceViewName = Property(str, lambda self: self._view.node.GetLayoutName())


class qMRMLThreeDWidget(_Framed):
    """A 3D view with its bar."""

    def __init__(self, view):
        super().__init__(view, qMRMLThreeDView)

    def threeDView(self):
        return self._picture

    def mrmlViewNode(self):
        return self._view.node

    def viewLogic(self):
        return self._view.logic


ALL = (qMRMLSliceView, qMRMLThreeDView, qMRMLSliceControllerWidget, qMRMLSliceWidget, qMRMLThreeDWidget)
