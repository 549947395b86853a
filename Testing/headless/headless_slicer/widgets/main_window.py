"""Slicer's main window: module panel on the left, views on the right."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

PANEL_WIDTH = 460


class qSlicerModuleSelectorToolBar(QtWidgets.QToolBar):
    """Switches between modules."""

    moduleSelected = Signal(str)

    def __init__(self, manager, panel, window):
        super().__init__()
        self._manager, self._panel, self._window, self._selected = manager, panel, window, ""

    selectedModule = Property(str, lambda self: self._selected)

    @Slot(str)
    def selectModule(self, name):
        """Leave the present module and enter another; "" leaves only."""
        if name == self._selected:
            return
        before = self._manager.module(self._selected)
        if before is not None and hasattr(before, "widgetRepresentation"):
            before.widgetRepresentation().exit()
        self._selected = name
        after = self._manager.module(name)
        page = after.widgetRepresentation() if hasattr(after, "widgetRepresentation") else QtWidgets.QWidget()
        if self._panel.widget() is not None:
            self._panel.takeWidget().setParent(None)
        self._panel.setWidget(page)
        page.show()
        self._window._fit_panel()
        if hasattr(page, "enter"):
            page.enter()
        self.moduleSelected.emit(name)


class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The window; ``viewport`` is where the layout manager puts the views."""

    def __init__(self, manager):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("3D Slicer (headless stand-in)")
        self._panel = QtWidgets.QScrollArea()
        self._panel.setWidgetResizable(True)
        self._panel.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._panel.setFixedWidth(PANEL_WIDTH)
        self._viewport = QtWidgets.QWidget()
        center = QtWidgets.QWidget()
        layout = QtWidgets.QHBoxLayout(center)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self._panel)
        layout.addWidget(self._viewport, 1)
        self.setCentralWidget(center)
        self._selector = qSlicerModuleSelectorToolBar(manager, self._panel, self)
        self._selector.setParent(self)
        self._selector.hide()
        self.resize(1400, 900)

    def moduleSelector(self):
        return self._selector

    def _fit_panel(self):
        """Make the panel as wide as its page needs, as Slicer does: it has no horizontal scroll bar."""
        page = self._panel.widget()
        needed = page.minimumSizeHint().width() if page is not None else 0
        bar = self._panel.verticalScrollBar().sizeHint().width() + 2 * self._panel.frameWidth()
        self._panel.setFixedWidth(max(PANEL_WIDTH, needed + bar))


ALL = (qSlicerMainWindow, qSlicerModuleSelectorToolBar)
