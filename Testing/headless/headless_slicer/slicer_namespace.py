"""Putting the stand-ins where Python code in Slicer finds them: qt, ctk, and the names below ``slicer``."""

from __future__ import annotations

import sys
from types import ModuleType

import slicer
from PySide6 import QtCore

from . import dialogs, parameter_node, scripted_module, translation, ui_loader
from .dialect import namespace
from .dialect.classes import wrap_class, wrapper_of
from .dicom_database import ctkDICOMDatabase
from .widgets import ctk_widgets, layout_manager, main_window, module_widgets, mrml_widgets, view_widgets
from .widgets.application import qSlicerApplication

_SLICER_WIDGETS = (mrml_widgets, view_widgets, layout_manager, module_widgets, main_window)


class Modules(ModuleType):
    """``slicer.modules``: modules by their name in small letters."""

    def __getattr__(self, name: str):
        raise AttributeError(f"module 'slicer.modules' has no attribute {name!r}")


def keep_settings_apart(folder) -> None:
    """Let QSettings write below a folder instead of the user's own settings."""
    QtCore.QCoreApplication.setOrganizationName("HeadlessSlicer")
    QtCore.QCoreApplication.setApplicationName("Slicer")
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
    for scope in (QtCore.QSettings.Scope.UserScope, QtCore.QSettings.Scope.SystemScope):
        QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, scope, str(folder))


def install_classes() -> None:
    """Make qt, ctk and Slicer's widget classes importable."""
    ctk = namespace.install()
    for qt_class in ctk_widgets.ALL:
        ctk.add(qt_class)
        ui_loader.register(qt_class)
    for module in _SLICER_WIDGETS:
        for qt_class in module.ALL:
            setattr(slicer, qt_class.__name__, wrap_class(qt_class))
    for qt_class in mrml_widgets.ALL:
        ui_loader.register(qt_class)
    translation.install(slicer)
    assert dialogs.answers is not None


def install_application(session) -> None:
    """Make ``slicer.app`` and what hangs on it, and the base classes that need it."""
    session.application = qSlicerApplication(session)
    session.dicom_database = ctkDICOMDatabase()
    slicer.app = wrapper_of(session.application)
    slicer.dicomDatabase = wrapper_of(session.dicom_database)
    slicer.mrmlScene = session.scene
    sys.modules["slicer.modules"] = slicer.modules = Modules("slicer.modules")
    for name, logic in session.mrml.module_logics.items():
        module = module_widgets.qSlicerLoadableModule(name, logic)
        session.module_manager._modules[name] = module
        setattr(slicer.modules, name.lower(), wrapper_of(module))
    parameter_node.install(slicer)
    scripted_module.install()
