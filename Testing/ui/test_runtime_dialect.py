"""The stand-in for qt refuses what PythonQt refuses; a panel that passes here does not lean on PySide's manners."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def qt(app):
    import qt

    return qt


def test_a_property_is_read_without_parentheses_and_cannot_be_called(qt):
    button = qt.QPushButton("Go")
    assert (button.text, button.enabled, button.isEnabled()) == ("Go", True, True)
    with pytest.raises(TypeError, match="not callable"):
        button.text()
    with pytest.raises(TypeError, match="not callable"):
        qt.QTableWidget().rowCount()


def test_every_property_of_a_class_is_found_in_its_meta_object_not_in_a_list(qt):
    table = qt.QTableWidget(3, 2)
    assert (table.rowCount, table.columnCount, table.currentRow()) == (3, 2, -1)
    listed = qt.QListWidget()
    assert listed.currentRow == -1  # a property there, a function of the table


def test_an_unknown_name_is_refused_on_reading_and_on_writing(qt):
    label = qt.QLabel()
    with pytest.raises(AttributeError, match="no attribute 'caption'"):
        label.caption  # noqa: B018
    with pytest.raises(AttributeError, match="no new attributes"):
        label.caption = "x"
    with pytest.raises(AttributeError, match="function or signal"):
        label.setText = print
    with pytest.raises(AttributeError, match="cannot be written"):
        label.hasSelectedText = True


def test_a_property_takes_only_values_of_its_type(qt):
    label, box = qt.QLabel(), qt.QSpinBox()
    label.text = Path("films/ap.png")
    assert label.text == "films/ap.png"
    box.value = np.int64(7)
    assert box.value == 7
    for widget, name, value in ((label, "text", 5), (box, "value", "7"), (label, "wordWrap", None)):
        with pytest.raises(ValueError, match="does not take"):
            setattr(widget, name, value)


def test_constructors_and_functions_take_no_keywords(qt):
    with pytest.raises(ValueError, match="keyword"):
        qt.QPushButton(text="Go")
    with pytest.raises(ValueError, match="keyword"):
        qt.QLabel().setText(text="x")
    with pytest.raises(ValueError, match="no overload"):
        qt.QLabel().setText(5)


@pytest.mark.parametrize("signature", ["clickd()", "clicked(int)", "clicked", "Clicked(bool)", "textChanged(QString)"])
def test_a_signal_that_the_class_does_not_have_is_refused(qt, signature):
    with pytest.raises(AttributeError, match="has no signal"):
        qt.QPushButton().connect(signature, print)


def test_signals_of_the_stand_ins_have_their_c_names_only(qt):
    import ctk
    import slicer

    slider, selector = ctk.ctkSliderWidget(), slicer.qMRMLNodeComboBox()
    assert slider.connect("valueChanged(double)", print)
    assert selector.connect("currentNodeChanged(vtkMRMLNode*)", print)
    for widget, signature in ((slider, "valueChanged(float)"), (selector, "nodeChanged(PyObject)")):
        with pytest.raises(AttributeError, match="has no signal"):
            widget.connect(signature, print)
    with pytest.raises(AttributeError):
        selector.nodeChanged  # noqa: B018


def test_a_signal_overloaded_in_qt_5_needs_its_arguments(qt):
    combo, seen = qt.QComboBox(), []
    combo.addItems(["a", "b"])
    with pytest.raises(AttributeError, match="overloaded in Qt 5"):
        combo.currentIndexChanged.connect(seen.append)
    combo.connect("currentIndexChanged(int)", seen.append)
    combo.currentIndex = 1
    assert seen == [1]


def test_a_slot_gets_as_many_arguments_as_it_takes(app, qt):
    button, seen = qt.QPushButton(), []
    button.checkable = True
    button.connect("clicked(bool)", lambda: seen.append("none"))
    button.connect("clicked(bool)", lambda checked: seen.append(checked))
    button.connect("clicked()", lambda *values: seen.append(values))
    button.connect("clicked(bool)", lambda checked="default": seen.append(("default", checked)))
    button.connect("clicked(bool)", lambda *, named=3: seen.append(named))
    button.click()
    assert seen == ["none", True, (), ("default", True), 3]


def test_an_exception_in_a_slot_is_kept_and_the_other_slots_still_run(app, qt, capsys):
    button, seen = qt.QPushButton(), []
    button.connect("clicked()", lambda: 1 / 0)
    button.connect("clicked()", lambda missing: seen.append(missing))
    button.connect("clicked()", lambda: seen.append("ran"))
    button.click()
    assert seen == ["ran"]
    assert [type(error) for error in app.python_errors] == [ZeroDivisionError, TypeError]
    assert "ZeroDivisionError" in capsys.readouterr().err
    app.python_errors.clear()


def test_disconnecting_takes_one_connection_away_and_says_whether_there_was_one(qt):
    class Listener:
        calls = 0

        def heard(self):
            self.calls += 1

    button, listener = qt.QPushButton(), Listener()
    button.connect("clicked()", listener.heard)
    button.click()
    assert button.disconnect("clicked()", listener.heard)
    button.click()
    assert not button.disconnect("clicked()", listener.heard)
    assert listener.calls == 1


def test_enumerators_have_the_short_form_only(qt):
    assert qt.Qt.AlignLeft | qt.Qt.AlignTop == 0x21
    assert qt.QMessageBox.Ok == 1024
    with pytest.raises(AttributeError, match="short form"):
        qt.Qt.AlignmentFlag.AlignLeft  # noqa: B018
    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight
    assert label.alignment & qt.Qt.AlignRight


def test_value_classes_keep_their_functions(qt):
    item = qt.QTableWidgetItem("L3")
    assert item.text() == "L3" and qt.QPoint(3, 4).x() == 3 and qt.QColor("red").redF() == 1.0
    item.setFlags(item.flags() & ~qt.Qt.ItemIsEditable)
    assert not item.flags() & qt.Qt.ItemIsEditable
    assert qt.QSize(1, 2) == qt.QSize(1, 2) and qt.QPoint(1, 1) + qt.QPoint(1, 2) == qt.QPoint(2, 3)


def test_a_widget_is_an_instance_of_its_own_class_only(qt):
    button = qt.QPushButton()
    assert isinstance(button, qt.QPushButton) and not isinstance(button, qt.QWidget)
    assert button.inherits("QWidget") and button.isWidgetType() and type(button) is qt.QPushButton


def test_there_is_nothing_of_pyside_in_qt(qt):
    for name in ("Signal", "Slot", "Property", "QtWidgets", "QtCore", "QRegExp", "QDesktopWidget"):
        with pytest.raises(AttributeError):
            getattr(qt, name)
    with pytest.raises(AttributeError):
        qt.QCheckBox().checkStateChanged  # noqa: B018  (Qt 6 only)


def test_a_destroyed_object_says_so(qt):
    parent = qt.QWidget()
    label = qt.QLabel("x", parent)
    assert label.parent() is parent and parent.children()[0] is label
    parent.delete()
    assert not label
    with pytest.raises(ValueError, match="destroyed"):
        label.text  # noqa: B018
    with pytest.raises(AttributeError, match="destroyed"):
        label.text = "y"


def test_single_shot_is_a_static_function_and_its_property_cannot_be_written(app, qt):
    timer, seen = qt.QTimer(), []
    with pytest.raises(AttributeError):
        timer.singleShot = True
    timer.setSingleShot(True)
    timer.connect("timeout()", lambda: seen.append("timer"))
    timer.start(0)
    qt.QTimer.singleShot(0, lambda: seen.append("static"))
    app.process_events(until=lambda: len(seen) == 2)
    assert not timer.isActive()


def test_a_python_subclass_overrides_what_qt_calls(app, qt):
    class Watching(qt.QWidget):
        def __init__(self):
            super().__init__()
            self.widths = []

        def resizeEvent(self, event):
            self.widths.append((event.size().width(), event.type() == qt.QEvent.Resize))

    widget = Watching()
    widget.resize(123, 45)
    widget.show()
    app.process_events()
    assert widget.widths == [(123, True)]


def test_no_value_of_another_class_is_made_of_an_argument(qt):
    label, item = qt.QLabel(), qt.QTableWidgetItem()
    shortcut = qt.QShortcut(label)
    for function, argument in (
        (shortcut.setKey, "Ctrl+Z"),
        (shortcut.setKey, qt.QKeySequence.Undo),
        (label.setFont, "Arial"),
        (item.setIcon, qt.QPixmap()),
        (item.setForeground, qt.QPixmap()),
        (item.setBackground, "red"),
    ):
        with pytest.raises(ValueError, match="no overload"):
            function(argument)
    shortcut.setKey(qt.QKeySequence("Ctrl+Z"))
    item.setForeground(qt.QColor(1, 2, 3))  # PythonQt makes brushes, pens and colors of colors
    item.setBackground(qt.Qt.red)
    assert item.foreground().color().green() == 2 and shortcut.key.toString() == "Ctrl+Z"


def test_lists_come_back_as_tuples_and_tool_tips_as_html(qt):
    combo = qt.QComboBox()
    combo.toolTip = "Choose L1 & L2"
    assert combo.toolTip == "<p>Choose L1 &amp; L2</p>"
    combo.toolTip = "<b>Choose</b>"
    assert combo.toolTip == "<b>Choose</b>"
    parent = qt.QWidget()
    layout = qt.QVBoxLayout(parent)
    assert parent.children() == (layout,)
