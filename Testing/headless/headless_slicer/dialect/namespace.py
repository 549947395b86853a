"""The modules ``qt`` and ``ctk``: flat, made on demand, and without anything PythonQt does not have."""

from __future__ import annotations

import sys
from types import ModuleType

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from . import qobject  # noqa: F401  (registers PythonQt's own versions of some functions)
from .classes import wrap_class

_LIBRARIES = (QtCore, QtGui, QtWidgets, QtUiTools)


class QtModule(ModuleType):
    """The module ``qt``."""

    def __getattr__(self, name: str):
        if name.startswith("Q"):
            for library in _LIBRARIES:
                found = getattr(library, name, None)
                if isinstance(found, type):
                    return wrap_class(found)
        raise AttributeError(f"module 'qt' has no attribute {name!r}")


class StandInModule(ModuleType):
    """A module of stand-ins for Qt classes of CTK or Slicer."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"module {self.__name__!r} has no attribute {name!r} here; "
            "if it exists in Slicer, its stand-in belongs to Testing/headless/headless_slicer/widgets"
        )

    def add(self, qt_class: type) -> None:
        """Show a stand-in class under its own name."""
        vars(self)[qt_class.__name__] = wrap_class(qt_class)


def install() -> StandInModule:
    """Make ``qt`` and ``ctk`` importable; return ``ctk``, which is still empty."""
    sys.modules["qt"] = QtModule("qt")
    sys.modules["ctk"] = ctk = StandInModule("ctk")
    return ctk
