"""Functions of QObject and a few classes that PythonQt has its own version of."""

from __future__ import annotations

from PySide6 import QtCore, QtGui
from shiboken6 import Shiboken

from . import members, signals
from .conversion import to_qt
from .members import replaces


@replaces("QObject", "connect")
def _connect(wrapper, signature, *target):
    """``connect(signal, callable)`` or ``connect(signal, object, slot)``, signal and slot given in C++."""
    made = wrapper._living()
    if not isinstance(signature, str):
        raise ValueError(f"connect() takes the signal as C++ text, not {signature!r}")
    if len(target) == 2:
        function = _slot_of(*target)
    elif len(target) == 1:
        (function,) = target
    else:
        raise ValueError("connect() takes a signal and a callable, or a signal, an object and a slot")
    return signals.connect(made, signature, function)


@replaces("QObject", "disconnect")
def _disconnect(wrapper, signature, *target):
    made = wrapper._living()
    function = _slot_of(*target) if len(target) == 2 else target[0]
    return signals.disconnect(made, signature, function)


def _slot_of(receiver, signature: str):
    made = receiver._living()
    slots = {text for base in type(made).__mro__ for text in vars(base).get("CPP_SLOTS", ())}
    if signature not in slots and not members.slot_signature_known(made, signature):
        raise AttributeError(f"{type(receiver).__name__} has no slot {signature!r}")
    return members.BoundMethod(receiver, signature.partition("(")[0])


@replaces("QObject", "className")
def _class_name(wrapper):
    return wrapper._living().metaObject().className()


@replaces("QObject", "delete")
def _delete(wrapper):
    Shiboken.delete(wrapper._living())


@replaces("QObject", "findChildren")
def _find_children(wrapper, kind=None, name=None):
    children = wrapper._living().findChildren(to_qt(kind) if kind is not None else QtCore.QObject)
    return [child for child in children if name is None or child.objectName() == name]


@replaces("QObject", "findChild")
def _find_child(wrapper, kind=None, name=None):
    return next(iter(_find_children(wrapper, kind, name)), None)


@replaces("QObject", "property")
def _dynamic_property(wrapper, name):
    return wrapper._living().property(name)


@replaces("QWidget", "get toolTip")
def _tool_tip(wrapper):
    """Slicer's ctkToolTipTrapper turns every tool tip that does not look like HTML into HTML, as soon as it is set."""
    text = wrapper._living().toolTip()
    if not text or QtGui.Qt.mightBeRichText(text):
        return text
    return QtGui.Qt.convertFromPlainText(text, QtGui.Qt.WhiteSpaceMode.WhiteSpaceNormal)


@replaces("QTimer", "set singleShot")
def _no_single_shot(wrapper):
    """Slicer replaces the static function, which makes the property of that name read-only; use setSingleShot()."""


@replaces("QTimer", "singleShot", static=True)
def _single_shot(milliseconds, function):
    timer = QtCore.QTimer(QtCore.QCoreApplication.instance())
    timer.setSingleShot(True)
    signals.connect(timer, "timeout()", function)
    timer.timeout.connect(timer.deleteLater)
    timer.start(int(milliseconds))
