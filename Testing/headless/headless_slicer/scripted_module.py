"""Stand-in for slicer.ScriptedLoadableModule: the base classes of a scripted module."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import unittest
from types import ModuleType

import slicer
import slicer.util


class ScriptedLoadableModule:
    """Description of a module; ``parent`` is Slicer's module object."""

    def __init__(self, parent):
        super().__init__()
        self.parent, self.moduleName = parent, type(self).__name__
        parent.title, parent.helpText, parent.acknowledgementText = "", "", ""
        parent.categories, parent.dependencies, parent.contributors = [], [], []
        import qt

        for ending in (".svg", ".png"):
            icon = self.resourcePath(f"Icons/{self.moduleName}{ending}")
            if os.path.isfile(icon):
                parent.icon = qt.QIcon(icon)
                break
        if not hasattr(slicer, "selfTests"):
            slicer.selfTests = {}
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename):
        """Return a path in the folder Resources beside the module's file."""
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)

    def getDefaultModuleDocumentationLink(self, docPage=None):
        """Return a line of help text with a link."""
        url = (
            slicer.app.documentationBaseUrl + docPage if docPage else slicer.app.moduleDocumentationUrl(self.moduleName)
        )
        return f'<p>For more information see the <a href="{url}">online documentation</a>.</p>'

    def runTest(self, msec=100, **kwargs):
        """Run the module's self test."""
        case = getattr(importlib.import_module(self.__module__), f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """Panel of a module; ``parent`` is Slicer's page for it, ``layout`` the page's layout."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        self.parent = parent or self._own_page()
        self.layout = self.parent.layout()
        if not parent:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    @staticmethod
    def _own_page():
        import qt

        page = slicer.qMRMLWidget()
        page.setLayout(qt.QVBoxLayout())
        page.setMRMLScene(slicer.mrmlScene)
        return page

    def resourcePath(self, filename):
        """Return a path in the folder Resources beside the module's file."""
        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def setup(self):
        """Make the panel; the section for developers is not here."""

    def cleanup(self):
        """Undo everything; called before the module goes or is loaded again."""

    def _onModuleAboutToBeUnloaded(self, moduleName):
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self):
        """Load the module's file again."""
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """Work of a module without its panel."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        """Return the scene's parameter node of the module, made if need be."""
        scene = slicer.mrmlScene
        if not self.isSingletonParameterNode:
            raise NotImplementedError("the headless Slicer has one parameter node per scene")
        node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            return scene.AddNode(self.createParameterNode())
        if node.GetAttribute("ModuleName") != self.moduleName:
            node.SetAttribute("ModuleName", self.moduleName)  # a scene close takes the attribute away
        return node

    def createParameterNode(self):
        """Return a new parameter node, not yet in the scene."""
        node = slicer.vtkMRMLScriptedModuleNode()
        node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Self test of a module."""

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        """Say what is being tested; nobody looks on here, so it takes no time."""
        logging.info(message)

    def runTest(self):
        """Run the module's tests; to be overridden."""
        logging.warning("No test is defined in %s", type(self).__name__)


def install() -> None:
    """Make ``slicer.ScriptedLoadableModule`` importable."""
    module = ModuleType("slicer.ScriptedLoadableModule")
    module.__all__ = [
        *("ScriptedLoadableModule", "ScriptedLoadableModuleWidget"),
        *("ScriptedLoadableModuleLogic", "ScriptedLoadableModuleTest"),
    ]
    for name in module.__all__:
        setattr(module, name, globals()[name])
    sys.modules["slicer.ScriptedLoadableModule"] = slicer.ScriptedLoadableModule = module
