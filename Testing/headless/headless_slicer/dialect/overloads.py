"""Arguments that PySide converts by itself and PythonQt does not, such as a text where a QKeySequence belongs."""

from __future__ import annotations

import functools
import inspect
import types
import typing

from PySide6 import QtCore, QtGui
from shiboken6 import Shiboken

try:
    from shibokensupport.signature import get_signature  # there once PySide has been imported
except ImportError:  # another version of PySide; it then converts what it likes
    get_signature = None

# What PythonQt does convert: handlePythonToQtAutoConversion and PyObjGetBytes in its PythonQtConversion.cpp.
_CONVERTED = {
    QtGui.QBrush: (QtGui.QColor, QtCore.Qt.GlobalColor),
    QtGui.QPen: (QtGui.QColor, QtCore.Qt.GlobalColor),
    QtGui.QColor: (QtCore.Qt.GlobalColor,),
    QtGui.QCursor: (QtCore.Qt.CursorShape,),
    QtCore.QByteArray: (bytes,),
}


def needs_conversion(function, arguments) -> bool:
    """Return whether a PySide function takes these arguments only if one of them is turned into a Qt value first."""
    overloads = _overloads_of(function)
    if not overloads:
        return False
    kinds = [_kind(overload, arguments) for overload in overloads]
    return "converted" in kinds and "as it is" not in kinds


def _overloads_of(function) -> tuple:
    if get_signature is None or isinstance(function, (types.FunctionType, types.MethodType)):
        return ()  # a stand-in's own function
    if isinstance(function, type):
        return _read(function)
    owner = getattr(function, "__self__", None)
    owner = owner if isinstance(owner, type) else type(owner)
    return _read(getattr(owner, getattr(function, "__name__", ""), None))


@functools.cache
def _read(function) -> tuple:
    """Return the annotations of each overload's parameters, if one of them takes more than its own Qt class."""
    found = get_signature(function) if function is not None else None
    signatures = found if isinstance(found, list) else [found] if found is not None else []
    overloads = tuple(tuple(item for item in signature.parameters.values()) for signature in signatures)
    overloads = tuple(
        parameters[1:] if parameters[:1] and parameters[0].name == "self" else parameters for parameters in overloads
    )
    wide = any(_own_class(parameter.annotation) for parameters in overloads for parameter in parameters)
    return overloads if wide else ()


def _own_class(annotation) -> type | None:
    """Return the Qt class of a parameter that takes other types in its place too."""
    if not isinstance(annotation, types.UnionType) and typing.get_origin(annotation) is not typing.Union:
        return None
    first, *others = typing.get_args(annotation)
    wide = any(other is not type(None) for other in others)
    return first if wide and isinstance(first, type) and issubclass(first, Shiboken.Object) else None


def _kind(parameters, arguments) -> str:
    """Return how an overload takes the arguments: "as it is", "converted", or "not"."""
    least = sum(parameter.default is inspect.Parameter.empty for parameter in parameters)
    if not least <= len(arguments) <= len(parameters):
        return "not"
    kinds = [_fits(parameter.annotation, value) for parameter, value in zip(parameters, arguments, strict=False)]
    return "not" if "not" in kinds else "converted" if "converted" in kinds else "as it is"


def _fits(annotation, value) -> str:
    own = _own_class(annotation)
    if own is not None:
        taken = (own, *_CONVERTED.get(own, ()))
        if isinstance(value, taken) or (value is None and type(None) in typing.get_args(annotation)):
            return "as it is"
        return "converted" if any(_is(kind, value) for kind in typing.get_args(annotation)) else "not"
    kinds = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return "as it is" if any(_is(kind, value) for kind in kinds) else "not"


def _is(kind, value) -> bool:
    if not isinstance(kind, type) or typing.get_origin(kind) is not None:
        return True  # Any, a list of something
    return isinstance(value, kind) or (kind is float and isinstance(value, int))
