"""Qt classes and objects as PythonQt shows them to Python."""

from __future__ import annotations

import weakref

from PySide6.QtCore import QObject
from shiboken6 import Shiboken

from . import members
from .conversion import from_qt, to_qt
from .enums import EnumValue, short_forms

_classes: dict[type, WrappedMeta] = {}
_wrappers: weakref.WeakValueDictionary[int, Wrapped] = weakref.WeakValueDictionary()


class WrappedMeta(type):
    """Class-level names: enumerators in their short form, static functions, and functions taken from the class."""

    def __getattr__(cls, name: str):
        qt_class = type.__getattribute__(cls, "_qt_class")
        if name.startswith("_") or qt_class is None:
            raise AttributeError(f"{cls.__name__} has no attribute {name!r}")
        if (static := members.static(qt_class, name)) is not None:
            return static
        enumerators = short_forms(qt_class)
        if name in enumerators:
            return EnumValue(enumerators[name])
        if members.is_method(qt_class, name):
            return members.UnboundMethod(qt_class, name)
        hint = "; enumerators have the short form" if hasattr(qt_class, name) else ""
        raise AttributeError(f"{cls.__name__} has no attribute {name!r}{hint}")

    def __setattr__(cls, name: str, value) -> None:
        if not name.startswith("_") and cls in _classes.values():
            raise AttributeError(f"{cls.__name__}.{name} cannot be written")
        type.__setattr__(cls, name, value)


class Wrapped(metaclass=WrappedMeta):
    """Base of all Qt classes as Python sees them; they are no subclasses of each other, as in PythonQt."""

    _qt_class: type | None = None

    def __init__(self, *arguments, **keywords):
        if keywords:
            raise ValueError(f"{type(self).__name__}() takes no keyword arguments, not {', '.join(keywords)}")
        made = members.call(_concrete(type(self)), arguments, type(self).__name__)
        _adopt(self, made)
        if type(self) not in _classes.values():
            made._python_object = self  # an object of a Python class lives as long as its Qt object

    def _living(self):
        """Return the PySide object.

        Raises:
            ValueError: if Qt has deleted it, or it was never made.
        """
        made = self.__dict__.get("_qt")
        if made is None:
            raise ValueError(f"{type(self).__name__}.__init__ has not been called")
        if not Shiboken.isValid(made):
            raise ValueError(f"this {type(self).__name__} has been destroyed")
        return made

    def __getattr__(self, name: str):
        if name.startswith("__") or name == "_qt":
            raise AttributeError(name)
        return members.read(self, name)

    def __setattr__(self, name: str, value) -> None:
        if not members.write(self, name, value):
            if type(self) in _classes.values():
                raise AttributeError(
                    f"{type(self).__name__} has no property {name!r}, and no new attributes can be given to Qt objects"
                )
            object.__setattr__(self, name, value)

    def __bool__(self) -> bool:
        made = self.__dict__.get("_qt")
        return made is not None and Shiboken.isValid(made)

    def __repr__(self) -> str:
        made = self.__dict__.get("_qt")
        return f"{type(self).__name__} ({made!r})" if self else f"{type(self).__name__} (destroyed)"

    def __eq__(self, other) -> bool:
        if self is other:
            return True
        if not isinstance(other, Wrapped) or isinstance(self.__dict__.get("_qt"), QObject):
            return False
        return bool(self._living() == other._living())

    def __hash__(self) -> int:
        return id(self) if isinstance(self.__dict__.get("_qt"), QObject) else hash(self._living())


def _operator(name: str):
    def apply(self, other):
        return from_qt(getattr(self._living(), name)(to_qt(other)))

    return apply


for _name in ("__add__", "__sub__", "__mul__", "__truediv__", "__or__", "__and__"):
    setattr(Wrapped, _name, _operator(_name))


def wrap_class(qt_class: type) -> WrappedMeta:
    """Return the class that Python sees for a PySide class, always the same one."""
    if qt_class not in _classes:
        _classes[qt_class] = WrappedMeta(qt_class.__name__, (Wrapped,), {"_qt_class": qt_class, "__module__": "qt"})
    return _classes[qt_class]


def wrapper_of(made) -> Wrapped:
    """Return what Python sees of a PySide object; of a QObject always the same one."""
    if not isinstance(made, QObject):
        wrapper = object.__new__(wrap_class(type(made)))
        wrapper.__dict__["_qt"] = made
        return wrapper
    if (own := getattr(made, "_python_object", None)) is not None:
        return own
    known = _wrappers.get(Shiboken.getCppPointer(made)[0])
    if known is not None and known.__dict__["_qt"] is made:
        return known
    wrapper = object.__new__(wrap_class(_public_class(type(made))))
    _adopt(wrapper, made)
    return wrapper


def _public_class(qt_class: type) -> type:
    """Return the first class of an object's bases that is no subclass made for forwarding virtual functions."""
    return next(base for base in qt_class.__mro__ if not vars(base).get("_forwards"))


def _adopt(wrapper: Wrapped, made) -> None:
    wrapper.__dict__["_qt"] = made
    if isinstance(made, QObject):
        _wrappers[Shiboken.getCppPointer(made)[0]] = wrapper


def _concrete(cls: WrappedMeta) -> type:
    """Return the PySide class to construct: for a Python subclass, one that calls its virtual functions."""
    qt_class = cls._qt_class
    if cls in _classes.values():
        return qt_class
    overridden: dict[str, object] = {}
    for base in cls.__mro__[: cls.__mro__.index(_classes[qt_class])]:
        for name, value in vars(base).items():
            if not name.startswith("_") and callable(value) and callable(getattr(qt_class, name, None)):
                overridden.setdefault(name, _forward(qt_class, name))
    return type(cls.__name__, (qt_class,), {**overridden, "_forwards": True})


def _forward(qt_class: type, name: str):
    def virtual(made, *arguments):
        wrapper = getattr(made, "_python_object", None)
        if wrapper is None:
            return getattr(qt_class, name)(made, *arguments)
        return to_qt(getattr(wrapper, name)(*(from_qt(value) for value in arguments)))

    return virtual
