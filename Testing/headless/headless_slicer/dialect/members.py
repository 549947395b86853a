"""What may be read, written and called on a Qt object: PythonQt's order and its refusals."""

from __future__ import annotations

from PySide6 import QtCore
from PySide6.QtCore import QMetaMethod, QObject
from shiboken6 import Shiboken

from . import signals
from .conversion import from_qt, property_value, to_qt
from .enums import EnumValue, short_forms
from .overloads import needs_conversion

# What PySide adds to Qt, or Qt 6 to Qt 5.
UNKNOWN = {
    *("emit", "receivers", "tr", "staticMetaObject", "sender", "senderSignalIndex", "isSignalConnected"),
    *("position", "globalPosition", "scenePosition"),  # of mouse events; pos() and globalPos() are in both
    *("connectNotify", "disconnectNotify", "singleShot"),
}
# (Qt class, function): what takes the place of Qt's function; called with the wrapper and the converted arguments.
REPLACED: dict[tuple[str, str], object] = {}
STATIC: dict[tuple[str, str], object] = {}
_ALIASES = {"exec_": "exec", "print_": "print"}


def replaces(class_name: str, *names: str, static: bool = False):
    """Decorator: this function takes the place of a function of that Qt class and of the classes derived from it."""

    def register(function):
        for name in names:
            (STATIC if static else REPLACED)[class_name, name] = function
        return function

    return register


def _replacement(table: dict, qt_class: type, name: str):
    for base in qt_class.__mro__:
        if (base.__name__, name) in table:
            return table[base.__name__, name]
    return None


def static(qt_class: type, name: str):
    """Return the stand-in of a static function that would open a window, or None."""
    return _replacement(STATIC, qt_class, name)


def is_method(qt_class: type, name: str) -> bool:
    """Return whether PythonQt shows a function of that name, leaving properties aside."""
    if name.startswith("_") or name in UNKNOWN or name.isupper():
        return False
    if _replacement(REPLACED, qt_class, name):
        return True
    member = getattr(qt_class, _ALIASES.get(name, name), None)
    # isinstance(member, QtCore.Signal) gives back one reference to False too many (PySide 6.12).
    if isinstance(member, type) or type(member) in (QtCore.Signal, QtCore.Property):
        return False
    return callable(member)


def call(function, arguments, label: str):
    """Call a PySide function with Python's arguments.

    Raises:
        ValueError: if no overload takes them as they are, as in PythonQt.
    """
    given = [to_qt(value) for value in arguments]
    kinds = ", ".join(type(value).__name__ for value in arguments)
    if needs_conversion(function, given):
        raise ValueError(f"no overload of {label}() takes ({kinds}); only PySide makes the Qt value that it needs")
    try:
        return function(*given)
    except TypeError as error:
        if error.__traceback__.tb_next is not None:
            raise  # from inside a stand-in's own function
        raise ValueError(f"no overload of {label}() takes ({kinds}): {error}") from None


class BoundMethod:
    """A function of one Qt object."""

    def __init__(self, wrapper, name: str):
        self._wrapper, self._name = wrapper, name

    def __call__(self, *arguments, **keywords):
        label = f"{type(self._wrapper).__name__}.{self._name}"
        if keywords:
            raise ValueError(f"{label}() takes no keyword arguments, not {', '.join(keywords)}")
        made = self._wrapper._living()
        if replacement := _replacement(REPLACED, type(made), self._name):
            return from_qt(replacement(self._wrapper, *arguments))
        return from_qt(call(getattr(made, _ALIASES.get(self._name, self._name)), arguments, label))

    def accepts(self, available: int) -> int:
        """Return how many of a signal's arguments this slot takes."""
        made = self._wrapper._living()
        if not isinstance(made, QObject):
            return available
        meta = made.metaObject()
        methods = [meta.method(index) for index in range(meta.methodCount())]
        counts = {m.parameterCount() for m in methods if bytes(m.name()).decode() == self._name}
        counts = {count for count in counts if count <= available}
        return max(counts) if counts else signals.accepted(getattr(made, self._name), available)

    def __eq__(self, other) -> bool:
        return isinstance(other, BoundMethod) and (self._wrapper, self._name) == (other._wrapper, other._name)

    def __hash__(self) -> int:
        return hash((self._wrapper, self._name))

    def __repr__(self) -> str:
        return f"<function {self._name} of {self._wrapper!r}>"


class UnboundMethod:
    """A function taken from a class: called with the object first, or a static one called without."""

    def __init__(self, qt_class: type, name: str):
        self._qt_class, self._name = qt_class, name

    def __call__(self, *arguments, **keywords):
        if keywords:
            raise ValueError(f"{self._qt_class.__name__}.{self._name}() takes no keyword arguments")
        function = getattr(self._qt_class, _ALIASES.get(self._name, self._name))
        return from_qt(call(function, arguments, f"{self._qt_class.__name__}.{self._name}"))


def _property(made, name: str):
    if not isinstance(made, QObject):
        return None
    meta = made.metaObject()
    index = meta.indexOfProperty({"name": "objectName"}.get(name, name))
    return meta.property(index) if index >= 0 else None


def read(wrapper, name: str):
    """Return ``wrapper.name``: a property's value first, then signals, functions and enumerators.

    Raises:
        ValueError: if the object has been destroyed.
        AttributeError: if there is nothing of that name.
    """
    made = wrapper._living()
    if (found := _property(made, name)) is not None:
        if replacement := _replacement(REPLACED, type(made), f"get {name}"):
            return replacement(wrapper)
        return from_qt(found.read(made))
    if isinstance(made, QObject) and name in signals.signal_names(made):
        return signals.Signal(wrapper, name)
    if is_method(type(made), name):
        return BoundMethod(wrapper, name)
    enumerators = short_forms(type(made))
    if name in enumerators:
        return EnumValue(enumerators[name])
    raise AttributeError(f"{type(wrapper).__name__} has no attribute {name!r}")


def write(wrapper, name: str, value) -> bool:
    """Write a property; return False if there is none of that name.

    Raises:
        AttributeError: if the object has been destroyed, or the name cannot be written.
        ValueError: if the value does not fit the property.
    """
    made = wrapper.__dict__.get("_qt")
    if made is None:
        return False
    if not Shiboken.isValid(made):
        raise AttributeError(f"this {type(wrapper).__name__} has been destroyed; {name!r} cannot be written")
    found = _property(made, name)
    if found is None:
        if is_method(type(made), name) or (isinstance(made, QObject) and name in signals.signal_names(made)):
            raise AttributeError(f"{type(wrapper).__name__}.{name} is a function or signal and cannot be written")
        return False
    if not found.isWritable() or _replacement(REPLACED, type(made), f"set {name}"):
        raise AttributeError(f"the property {type(wrapper).__name__}.{name} cannot be written")
    if not found.write(made, property_value(found.typeName(), value)):
        raise ValueError(f"the property {type(wrapper).__name__}.{name} of type {found.typeName()} refused {value!r}")
    return True


def slot_signature_known(made, signature: str) -> bool:
    """Return whether an object has that slot or signal, given in C++."""
    normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()
    meta = made.metaObject()
    index = meta.indexOfMethod(normalized)
    kinds = (QMetaMethod.MethodType.Slot, QMetaMethod.MethodType.Signal)
    return index >= 0 and meta.method(index).methodType() in kinds
