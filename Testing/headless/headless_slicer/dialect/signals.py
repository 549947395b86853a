"""Connecting Python callables to Qt signals in PythonQt's manner."""

from __future__ import annotations

import inspect

from PySide6.QtCore import SIGNAL, QMetaMethod, QMetaObject, QObject

from .conversion import from_qt, to_qt
from .errors import python_errors

# Overloaded in Qt 5, so that PythonQt picks one of them for ``object.signal.connect``: these need the string form.
OVERLOADED = {
    ("QComboBox", "activated"),
    ("QComboBox", "currentIndexChanged"),
    ("QComboBox", "highlighted"),
    ("QSpinBox", "valueChanged"),
    ("QDoubleSpinBox", "valueChanged"),
    ("QButtonGroup", "buttonClicked"),
    ("QProcess", "finished"),
    ("QCompleter", "activated"),
}
# Several signatures by default arguments, which are no overloads.
DEFAULT_ARGUMENTS = {"clicked", "triggered", "destroyed"}
# In Qt 6 only.
NEW = {"checkStateChanged", "idClicked", "idToggled"}


_names: dict[type, frozenset[str]] = {}


def signal_names(qobject) -> frozenset[str]:
    """Return the names of all signals of a Qt object, which depend on its class only."""
    kind = type(qobject)
    if kind not in _names:
        _names[kind] = frozenset(_find_signal_names(qobject))
    return _names[kind]


def _find_signal_names(qobject) -> set[str]:
    meta = qobject.metaObject()
    methods = (meta.method(index) for index in range(meta.methodCount()))
    names = {bytes(m.name()).decode() for m in methods if m.methodType() == QMetaMethod.MethodType.Signal}
    declared = _declared(qobject)
    return names - set(declared.values()) - NEW | {text.split("(")[0] for text in declared}


def _declared(qobject) -> dict[str, str]:
    """Return what a stand-in class declares in CPP_SIGNALS: C++ signature, and the PySide signal that stands for it."""
    found: dict[str, str] = {}
    for base in type(qobject).__mro__:
        for signature in vars(base).get("CPP_SIGNALS", ()):
            found.setdefault(signature, vars(base)["CPP_SIGNALS"][signature])
    return found


def parse(qobject, signature: str) -> tuple[str, str]:
    """Return name and normalized C++ signature of a signal.

    Raises:
        AttributeError: if the object's class has no such signal. PythonQt's ``connect`` would only return False there,
            with a warning on the console, and the slot would never be called.
    """
    name, bracket, _ = signature.partition("(")
    normalized = bytes(QMetaObject.normalizedSignature(signature)).decode() if bracket else signature
    declared = _declared(qobject)
    hidden = NEW | set(declared.values()) | {text.split("(")[0] for text in declared}
    known = normalized in declared or (qobject.metaObject().indexOfSignal(normalized) >= 0 and name not in hidden)
    if not bracket or not known:
        there = _signatures(qobject, name)
        kind = qobject.metaObject().className()
        raise AttributeError(f"{kind} has no signal {signature!r}" + (f"; it has {', '.join(there)}" if there else ""))
    return name, normalized


def _signatures(qobject, name: str) -> list[str]:
    """Return the signatures of the signals of that name, the one with most arguments last."""
    if declared := [text for text in _declared(qobject) if text.split("(")[0] == name]:
        return declared
    meta = qobject.metaObject()
    methods = (meta.method(index) for index in range(meta.methodCount()))
    found = [
        bytes(m.methodSignature()).decode()
        for m in methods
        if m.methodType() == QMetaMethod.MethodType.Signal and bytes(m.name()).decode() == name
    ]
    return sorted(set(found), key=argument_count)


def argument_count(signature: str) -> int:
    """Return how many arguments a normalized signature has."""
    arguments = signature.partition("(")[2].rstrip(")")
    return len(arguments.split(",")) if arguments else 0


def accepted(callable_, available: int) -> int:
    """Return how many of the arguments a callable is given: as many as it takes by position."""
    try:
        parameters = inspect.signature(callable_).parameters.values()
    except (TypeError, ValueError):
        return available
    if any(parameter.kind == parameter.VAR_POSITIONAL for parameter in parameters):
        return available
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return min(available, sum(parameter.kind in positional for parameter in parameters))


def _slot(function, count: int):
    takes = function.accepts(count) if hasattr(function, "accepts") else accepted(function, count)

    def slot(*arguments):
        try:
            function(*(from_qt(value) for value in arguments[:takes]))
        except Exception as error:
            python_errors.record(error)

    return slot


def connect(qobject, signature: str, function) -> bool:
    """Call ``function`` with as many of the signal's arguments as it takes whenever the signal is sent.

    Raises:
        AttributeError: if there is no such signal.
        TypeError: if ``function`` cannot be called.
    """
    name, normalized = parse(qobject, signature)
    stand_in = _declared(qobject).get(normalized)
    if not callable(function):
        raise TypeError(f"{name}: {function!r} cannot be called")
    slot = _slot(function, argument_count(normalized))
    if stand_in:
        getattr(qobject, stand_in).connect(slot)
    else:
        QObject.connect(qobject, SIGNAL(normalized), slot)
    _connections(qobject).append((normalized, function, slot))
    return True


def disconnect(qobject, signature: str, function) -> bool:
    """Undo one ``connect``; return whether there was one."""
    _, normalized = parse(qobject, signature)
    stand_in = _declared(qobject).get(normalized)
    connections = _connections(qobject)
    for entry in connections:
        if entry[0] == normalized and entry[1] == function:
            if stand_in:
                getattr(qobject, stand_in).disconnect(entry[2])
            else:
                QObject.disconnect(qobject, SIGNAL(normalized), entry[2])
            connections.remove(entry)
            return True
    return False


def _connections(qobject) -> list:
    if not hasattr(qobject, "_python_connections"):
        qobject._python_connections = []
    return qobject._python_connections


class Signal:
    """``object.signal``: connect, disconnect, and calling it to send it."""

    def __init__(self, wrapper, name: str):
        self._wrapper, self._name = wrapper, name

    def _object(self):
        qobject = self._wrapper._living()
        if (len(_signatures(qobject, self._name)) > 1 and self._name not in DEFAULT_ARGUMENTS) or any(
            (base.__name__, self._name) in OVERLOADED for base in type(qobject).__mro__
        ):
            raise AttributeError(
                f"{type(qobject).__name__}.{self._name} is overloaded in Qt 5: "
                f'use connect("{self._name}(...)", slot) with its arguments'
            )
        return qobject

    @property
    def _signature(self) -> str:
        return _signatures(self._wrapper._living(), self._name)[-1]

    def connect(self, function) -> bool:
        """Call ``function`` whenever the signal is sent."""
        return connect(self._object(), self._signature, function)

    def disconnect(self, function) -> bool:
        """Undo one ``connect``; return whether there was one."""
        return disconnect(self._object(), self._signature, function)

    def emit(self, *arguments) -> None:
        """Send the signal."""
        qobject = self._object()
        name = _declared(qobject).get(self._signature, self._name)
        getattr(qobject, name).emit(*(to_qt(value) for value in arguments))

    __call__ = emit
