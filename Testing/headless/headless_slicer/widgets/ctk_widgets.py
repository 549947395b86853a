"""CTK's widgets: section with a header, slider with a number, path with a history, message box."""

from __future__ import annotations

import re

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

HEADER_HEIGHT = 24


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A header that shows and hides what is below it."""

    contentsCollapsed = Signal(bool)
    toggled = Signal(bool)
    clicked = Signal(bool)

    def __init__(self, text=None, parent=None):
        if isinstance(text, QtWidgets.QWidget):
            text, parent = None, text
        super().__init__(parent)
        self._text, self._collapsed = text or "", False
        self._hidden: list[QtWidgets.QWidget] = []
        self.setContentsMargins(0, HEADER_HEIGHT, 0, 0)

    @Property(str)
    def text(self):
        return self._text

    @text.setter
    def text(self, value):
        self._text = value
        self.update()

    @Property(bool)
    def collapsed(self):
        return self._collapsed

    @collapsed.setter
    def collapsed(self, value):
        if value == self._collapsed:
            return
        self._collapsed = value
        self._show_contents()
        self.contentsCollapsed.emit(value)
        self.toggled.emit(not value)

    @Property(bool)
    def checked(self):
        return not self._collapsed

    @checked.setter
    def checked(self, value):
        self.collapsed = not value

    @Slot(bool)
    def setCollapsed(self, value):
        self.collapsed = value

    @Slot(str)
    def setText(self, value):
        self.text = value

    @Slot()
    def click(self):
        """Do what a click on the header does."""
        self.collapsed = not self._collapsed
        self.clicked.emit(not self._collapsed)

    def _show_contents(self):
        if self._collapsed:
            children = self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly)
            shown = [child for child in children if not child.isHidden()]
            self._hidden += shown
            for child in shown:
                child.hide()
            self.setMaximumHeight(HEADER_HEIGHT)
        else:
            for child in self._hidden:
                child.show()
            self._hidden = []
            self.setMaximumHeight(16777215)
        self.updateGeometry()

    def childEvent(self, event):
        super().childEvent(event)
        if self._collapsed and event.added() and event.child().isWidgetType():
            QtCore.QTimer.singleShot(0, self, self._hide_newcomers)

    def _hide_newcomers(self):
        if self._collapsed:
            self._collapsed = False
            self._collapsed = True
            self._show_contents()

    def mouseReleaseEvent(self, event):
        if event.position().y() < HEADER_HEIGHT:
            self.click()

    def minimumSizeHint(self):
        if self._collapsed:
            return QtCore.QSize(40, HEADER_HEIGHT)
        return super().minimumSizeHint()

    def sizeHint(self):
        if self._collapsed:
            return QtCore.QSize(super().sizeHint().width(), HEADER_HEIGHT)
        return super().sizeHint()

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        header = QtCore.QRect(0, 0, self.width() - 1, HEADER_HEIGHT - 4)
        painter.setPen(self.palette().mid().color())
        painter.setBrush(self.palette().button())
        painter.drawRoundedRect(header, 3, 3)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(5, 5, 10, 10)
        element = QtWidgets.QStyle.PrimitiveElement
        shape = element.PE_IndicatorArrowRight if self._collapsed else element.PE_IndicatorArrowDown
        self.style().drawPrimitive(shape, arrow, painter, self)
        painter.setPen(self.palette().buttonText().color())
        align = QtCore.Qt.AlignmentFlag.AlignVCenter | QtCore.Qt.AlignmentFlag.AlignLeft
        painter.drawText(header.adjusted(22, 0, 0, 0), align, self._text)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider beside its number."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    CPP_SIGNALS = {"valueChanged(double)": "valueChanged", "valueIsChanging(double)": "valueIsChanging"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, objectName="Slider")
        self._number = QtWidgets.QDoubleSpinBox(objectName="SpinBox")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._number)
        self._number.setRange(0.0, 99.0)
        self._number.valueChanged.connect(self._changed)
        self._slider.valueChanged.connect(self._slid)
        self._update_slider()

    def _update_slider(self):
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, 1000)
        low, high = self._number.minimum(), self._number.maximum()
        share = (self._number.value() - low) / (high - low) if high > low else 0.0
        self._slider.setValue(round(1000 * share))
        self._slider.blockSignals(blocked)

    def _slid(self, position):
        low, high = self._number.minimum(), self._number.maximum()
        self._number.setValue(low + (high - low) * position / 1000)

    def _changed(self, value):
        self._update_slider()
        self.valueChanged.emit(value)

    value = Property(float, lambda self: self._number.value(), lambda self, value: self.setValue(value))
    minimum = Property(float, lambda self: self._number.minimum(), lambda self, value: self.setMinimum(value))
    maximum = Property(float, lambda self: self._number.maximum(), lambda self, value: self.setMaximum(value))
    singleStep = Property(
        float, lambda self: self._number.singleStep(), lambda self, value: self._number.setSingleStep(value)
    )
    pageStep = Property(float, lambda self: 10.0 * self._number.singleStep(), lambda self, value: None)
    decimals = Property(int, lambda self: self._number.decimals(), lambda self, value: self._number.setDecimals(value))
    suffix = Property(str, lambda self: self._number.suffix(), lambda self, value: self._number.setSuffix(value))
    prefix = Property(str, lambda self: self._number.prefix(), lambda self, value: self._number.setPrefix(value))

    @Slot(float)
    def setValue(self, value):
        self._number.setValue(value)

    @Slot(float)
    def setMinimum(self, value):
        self._number.setMinimum(value)
        self._update_slider()

    @Slot(float)
    def setMaximum(self, value):
        self._number.setMaximum(value)
        self._update_slider()

    @Slot(float, float)
    def setRange(self, minimum, maximum):
        self._number.setRange(minimum, maximum)
        self._update_slider()


class ctkPathLineEdit(QtWidgets.QWidget):
    """A path that the user types or chooses; remembers earlier ones under ``settingKey``.

    CTK tells of a new path only if it is one: an empty text is none, nor is one that ends otherwise than the name
    filters say. That a path has gone, or is none any more, is told by ``validInputChanged`` alone.
    """

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._line = QtWidgets.QLineEdit()
        self._browse = QtWidgets.QToolButton(text="…")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        layout.addWidget(self._browse)
        self._browse.clicked.connect(self.browse)
        self._line.textChanged.connect(self._text_changed)
        self._setting_key, self._name_filters, self._filters, self._label = "", [], 0, ""
        self._valid = False

    def _set(self, name, value):
        setattr(self, name, value)

    def _text_changed(self, text):
        endings = re.findall(r"\*(\.\w+)", " ".join(self._name_filters))
        before, self._valid = self._valid, bool(text) and (not endings or text.endswith(tuple(endings)))
        if self._valid:
            self.currentPathChanged.emit(text)
        if self._valid != before:
            self.validInputChanged.emit(self._valid)

    currentPath = Property(str, lambda self: self._line.text(), lambda self, value: self._line.setText(value))
    settingKey = Property(str, lambda self: self._setting_key, lambda self, value: self.setSettingKey(value))
    label = Property(str, lambda self: self._label, lambda self, value: self._set("_label", value))
    filters = Property(int, lambda self: self._filters, lambda self, value: self._set("_filters", value))
    nameFilters = Property(
        "QStringList", lambda self: self._name_filters, lambda self, value: self._set("_name_filters", list(value))
    )
    showBrowseButton = Property(
        bool, lambda self: not self._browse.isHidden(), lambda self, value: self._browse.setVisible(value)
    )

    @Slot(str)
    def setCurrentPath(self, value):
        self._line.setText(value)

    def setSettingKey(self, key):
        self._setting_key = key
        self.retrieveHistory()

    @Slot()
    def retrieveHistory(self):
        """Show the path last used under the setting key, as CTK does, unless there is one already."""
        history = QtCore.QSettings().value(self._history_key())
        if history and not self._line.text():
            self._line.setText(history[0] if isinstance(history, list) else history)

    @Slot()
    def addCurrentPathToHistory(self):
        """Remember the path, whether there is such a file or not, under the setting key or the widget's name."""
        if path := self._line.text():
            QtCore.QSettings().setValue(self._history_key(), [path])

    def _history_key(self):
        return f"ctkPathLineEdit/{self._setting_key or self.objectName()}"

    @Slot()
    def browse(self):
        """Let the user choose a file."""
        from ..dialogs import answers

        path = answers.take_file(f"browse {self.objectName()}")
        if path:
            self._line.setText(path)


class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that can be told not to come again."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._key, self._not_again = "", False

    def _set(self, name, value):
        setattr(self, name, value)

    dontShowAgainSettingsKey = Property(str, lambda self: self._key, lambda self, value: self._set("_key", value))
    dontShowAgain = Property(bool, lambda self: self._not_again, lambda self, value: self._set("_not_again", value))
    dontShowAgainVisible = Property(bool, lambda self: bool(self._key), lambda self, value: None)


ALL = (ctkCollapsibleButton, ctkSliderWidget, ctkPathLineEdit, ctkMessageBox)
