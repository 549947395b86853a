"""Values on their way from Python to Qt and back, converted as PythonQt does."""

from __future__ import annotations

import enum
from pathlib import PurePath

import numpy as np
from shiboken6 import Shiboken

from .enums import EnumValue


def to_qt(value):
    """Return what PySide takes for a value that Python code handed over."""
    from .classes import Wrapped, WrappedMeta

    if isinstance(value, Wrapped):
        return value._living()
    if isinstance(value, EnumValue):
        return value._member
    if isinstance(value, WrappedMeta):
        return value._qt_class
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return [to_qt(item) for item in value]
    return value


def from_qt(value):
    """Return what PythonQt gives for a value that came from Qt: wrappers, integers for enums, tuples for lists."""
    from .classes import wrapper_of

    if isinstance(value, enum.Enum):
        return EnumValue(value)
    if isinstance(value, Shiboken.Object):
        return wrapper_of(value)
    if type(value) in (list, tuple):
        return tuple(from_qt(item) for item in value)
    return value


_NUMBERS = {"int", "uint", "qlonglong", "qulonglong", "short", "ushort", "long", "ulong"}


def property_value(type_name: str, value):
    """Return the value to write into a property of that C++ type.

    Raises:
        ValueError: if PythonQt would not convert it, or only by luck.
    """
    given = to_qt(value)
    if type_name == "QString":
        fits = given is None or isinstance(given, str)
        given = "" if given is None else given
    elif type_name == "bool":
        fits = isinstance(given, (bool, int))
        given = bool(given) if fits else given
    elif type_name in _NUMBERS:
        fits = isinstance(given, int) and not isinstance(given, enum.Enum)
    elif type_name in ("double", "float"):
        fits = isinstance(given, (int, float)) and not isinstance(given, bool)
        given = float(given) if fits else given
    elif type_name == "QStringList":
        fits = isinstance(given, list) and all(isinstance(item, str) for item in given)
    else:
        fits = True
    if not fits:
        raise ValueError(f"a property of type {type_name} does not take {value!r}")
    return given
