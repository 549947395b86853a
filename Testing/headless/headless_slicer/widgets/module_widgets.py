"""How Slicer holds a scripted module: its description, its widget in the panel, and the managers that list modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

from ..dialect.classes import wrapper_of
from ..dialect.errors import python_errors
from .mrml_widgets import qMRMLWidget


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The panel's page of a module; calls the Python widget's setup, enter and exit."""

    def __init__(self, module):
        super().__init__()
        self.setLayout(QtWidgets.QVBoxLayout())
        self._module, self._entered = module, False
        self._python = None

    isEntered = Property(bool, lambda self: self._entered)

    def module(self):
        return self._module

    def self(self):
        return self._python

    @Slot()
    def setup(self):
        """Make the Python widget; an error in it is printed, as in Slicer."""
        name = self._module._name
        widget_class = getattr(sys.modules[name], f"{name}Widget")
        try:
            self._python = widget_class(wrapper_of(self))
            setattr(slicer.modules, f"{name}Widget", self._python)
            self._python.setup()
        except Exception as error:
            python_errors.record(error)

    @Slot()
    def reload(self):
        """Make a new Python widget, the module's file having been executed again."""
        self.setup()

    def _call(self, name: str) -> None:
        try:
            getattr(self._python, name, lambda: None)()
        except Exception as error:
            python_errors.record(error)

    @Slot()
    def enter(self):
        self._entered = True
        self._call("enter")

    @Slot()
    def exit(self):
        self._entered = False
        self._call("exit")


class qSlicerScriptedLoadableModule(QtCore.QObject):
    """A module made of a Python file."""

    def __init__(self, path: Path):
        super().__init__()
        self._path, self._name = str(path), path.stem
        self._texts = {"title": "", "helpText": "", "acknowledgementText": ""}
        self._lists = {"categories": [], "dependencies": [], "contributors": [], "associatedNodeTypes": []}
        self._flags = {"hidden": False, "widgetRepresentationCreationEnabled": True}
        self._icon, self._index, self._widget = QtGui.QIcon(), -1, None

    def _of(store, name, kind):
        def write(self, value):
            getattr(self, store)[name] = value

        return Property(kind, lambda self: getattr(self, store)[name], write)

    title = _of("_texts", "title", str)
    helpText = _of("_texts", "helpText", str)
    acknowledgementText = _of("_texts", "acknowledgementText", str)
    categories = _of("_lists", "categories", "QStringList")
    dependencies = _of("_lists", "dependencies", "QStringList")
    contributors = _of("_lists", "contributors", "QStringList")
    associatedNodeTypes = _of("_lists", "associatedNodeTypes", "QStringList")
    hidden = _of("_flags", "hidden", bool)
    widgetRepresentationCreationEnabled = _of("_flags", "widgetRepresentationCreationEnabled", bool)
    index = Property(int, lambda self: self._index, lambda self, value: setattr(self, "_index", value))
    icon = Property(QtGui.QIcon, lambda self: self._icon, lambda self, value: setattr(self, "_icon", value))
    path = Property(str, lambda self: self._path)
    name = Property(str, lambda self: self._name)

    def load(self):
        """Execute the file and make the module object, as Slicer does at start."""
        folder = str(Path(self._path).parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        if self._name not in sys.modules:
            spec = importlib.util.spec_from_file_location(self._name, self._path)
            sys.modules[self._name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[self._name])
        made = getattr(sys.modules[self._name], self._name)(wrapper_of(self))
        setattr(slicer.modules, f"{self._name}Instance", made)

    def _new_widget(self):
        widget = qSlicerScriptedLoadableModuleWidget(self)
        widget.setMRMLScene(slicer.mrmlScene)
        widget.setup()
        return widget

    def widgetRepresentation(self):
        if self._widget is None:
            self._widget = self._new_widget()
        return self._widget

    def createNewWidgetRepresentation(self):
        return self._new_widget()


class qSlicerLoadableModule(QtCore.QObject):
    """One of Slicer's own modules, of which only the logic is here."""

    def __init__(self, name: str, logic):
        super().__init__()
        self._name, self._logic = name, logic

    name = Property(str, lambda self: self._name)
    title = Property(str, lambda self: self._name)

    def logic(self):
        return self._logic


class qSlicerModuleFactoryManager(QtCore.QObject):
    """Names of the loaded modules."""

    def __init__(self, manager):
        super().__init__()
        self._manager = manager

    def loadedModuleNames(self):
        return list(self._manager._modules)


class qSlicerModuleManager(QtCore.QObject):
    """The loaded modules."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self):
        super().__init__()
        self._modules: dict[str, QtCore.QObject] = {}
        self._factory = qSlicerModuleFactoryManager(self)

    def factoryManager(self):
        return self._factory

    def module(self, name):
        return self._modules.get(name)

    def modulesNames(self):
        return list(self._modules)


ALL = (qSlicerScriptedLoadableModuleWidget, qSlicerScriptedLoadableModule, qSlicerLoadableModule)
