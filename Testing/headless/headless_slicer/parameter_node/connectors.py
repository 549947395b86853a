"""Which widget shows which field: decided by the widget's exact class, as in Slicer."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path

from .checks import Choice, Maximum, Minimum, WithinRange
from .fields import split

PROPERTY = "SlicerParameterName"


@dataclasses.dataclass
class Decimals:
    """Decimals of the widget."""

    value: int


@dataclasses.dataclass
class SingleStep:
    """Step of the widget."""

    value: float


def _first(extras: list, kind: type):
    return next((extra for extra in extras if isinstance(extra, kind)), None)


class GuiConnector:
    """Moves values between one widget and one field."""

    signal = ""

    def __init__(self, widget, annotation):
        self._widget, self._callback = widget, None
        self.kind, self.extras = split(annotation)
        self.prepare()

    def prepare(self) -> None:
        """Set the widget up for the field."""

    def widget(self):
        """Return the widget."""
        return self._widget

    def onChanged(self, callback) -> None:
        """Call back when the user changes the widget; None stops that."""
        self._callback = callback
        if callback is None:
            self._widget.disconnect(self.signal, self.changed)
        else:
            self._widget.connect(self.signal, self.changed)

    def changed(self) -> None:
        """Tell that the widget has changed."""
        if self._callback:
            self._callback()

    def read(self):
        """Return the widget's value."""
        raise NotImplementedError

    def write(self, value) -> None:
        """Show a value."""
        raise NotImplementedError


class Checked(GuiConnector):
    """A box or button that is checked or not."""

    signal = "toggled(bool)"

    def prepare(self) -> None:
        self._widget.checkable = True

    def read(self):
        return self._widget.checked

    def write(self, value) -> None:
        self._widget.checked = value


class Number(GuiConnector):
    """A slider or spin box."""

    needs_bounds = False

    @property
    def signal(self) -> str:
        """The signal of the widget's own number type."""
        return "valueChanged(int)" if self._widget.inherits("QAbstractSlider") else self._spin_signal()

    def _spin_signal(self) -> str:
        return "valueChanged(int)" if self._widget.className() == "QSpinBox" else "valueChanged(double)"

    def prepare(self) -> None:
        for kind, name in ((Decimals, "decimals"), (SingleStep, "singleStep")):
            if extra := _first(self.extras, kind):
                setattr(self._widget, name, extra.value)
        span, low, high = (_first(self.extras, kind) for kind in (WithinRange, Minimum, Maximum))
        lowest = (span or low) and (span or low).minimum
        highest = (span or high) and (span or high).maximum
        if self._widget.className() in ("QSlider", "ctkSliderWidget") and None in (lowest, highest):
            raise RuntimeError("a slider needs a parameter with a smallest and a largest value")
        limit = 2**31 - 1 if self.kind is int else float("inf")
        self._widget.setMinimum(-limit if lowest is None else lowest)
        self._widget.setMaximum(limit if highest is None else highest)

    def read(self):
        return self.kind(self._widget.value)

    def write(self, value) -> None:
        self._widget.value = value


class Listed(GuiConnector):
    """A combo box; its own entries are replaced by the field's choices."""

    signal = "currentIndexChanged(int)"

    def prepare(self) -> None:
        if isinstance(self.kind, type) and issubclass(self.kind, enum.Enum):
            label = getattr(self.kind, "label", lambda member: member.name)
            self._values, texts = list(self.kind), [label(member) for member in self.kind]
        else:
            choice = _first(self.extras, Choice)
            if choice is None:
                raise RuntimeError("a combo box needs a parameter with the annotation Choice")
            self._values, texts = list(choice.choices), [str(value) for value in choice.choices]
        self._widget.clear()
        for text in texts:
            self._widget.addItem(text)

    def read(self):
        return self._values[self._widget.currentIndex]

    def write(self, value) -> None:
        self._widget.currentIndex = self._values.index(value)


class Text(GuiConnector):
    """A line of text."""

    signal = "textChanged(QString)"

    def read(self):
        return self._widget.text

    def write(self, value) -> None:
        self._widget.text = value


class PathText(GuiConnector):
    """A path."""

    signal = "currentPathChanged(QString)"

    def read(self):
        return self.kind(self._widget.currentPath)

    def write(self, value) -> None:
        self._widget.currentPath = str(value)


class Node(GuiConnector):
    """A node of the scene."""

    signal = "currentNodeChanged(vtkMRMLNode*)"

    def prepare(self) -> None:
        self._widget.nodeTypes = [self.kind.__name__]

    def read(self):
        return self._widget.currentNode()

    def write(self, value) -> None:
        self._widget.setCurrentNode(value)


def _table() -> list:
    import ctk
    import qt
    import slicer

    def is_a(*kinds):
        return lambda kind: isinstance(kind, type) and issubclass(kind, kinds)

    return [
        ((qt.QCheckBox, qt.QPushButton), lambda kind: kind is bool, Checked),
        ((qt.QSlider, qt.QSpinBox), lambda kind: kind is int, Number),
        ((qt.QDoubleSpinBox, ctk.ctkSliderWidget), lambda kind: kind in (int, float), Number),
        ((qt.QComboBox,), lambda kind: kind in (int, float, str, bool) or is_a(enum.Enum)(kind), Listed),
        ((qt.QLineEdit,), lambda kind: kind is str, Text),
        ((ctk.ctkPathLineEdit,), is_a(Path), PathText),
        ((slicer.qMRMLNodeComboBox,), is_a(slicer.vtkMRMLNode), Node),
    ]


def createGuiConnector(widget, datatype) -> GuiConnector:
    """Return the connector of a widget and a field's annotation.

    Raises:
        RuntimeError: if Slicer has none for the widget's exact class: promoted widgets and subclasses are refused.
    """
    kind, _ = split(datatype)
    for classes, takes, connector in _table():
        if type(widget) in classes and takes(kind):
            return connector(widget, datatype)
    raise RuntimeError(f"Slicer binds no widget of class {type(widget).__name__} to a parameter of type {datatype}")
