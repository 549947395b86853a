"""LumbarBiplanar in 3D Slicer: module, widget, logic and self test. All work is done by LumbarBiplanarLib."""

from __future__ import annotations

import logging
import sys
import unittest
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

from LumbarBiplanarLib.files import sha256_of
from LumbarBiplanarLib.mrml.logic import CaseLogic
from LumbarBiplanarLib.mrml.torch_ready import torch_problem
from LumbarBiplanarLib.ui.self_test import SelfTests

SAMPLE_NAME = "LumbarBiplanarStudy"
DOCUMENTATION = "https://github.com/LumbarBiplanar/SlicerLumbarBiplanar#readme"
DATA_LICENCES = "https://github.com/LumbarBiplanar/SlicerLumbarBiplanar/blob/main/LICENSE-DATA.md"


class LumbarBiplanar(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Lumbar Biplanar")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = []
        parent.contributors = ["LumbarBiplanar contributors"]
        parent.helpText = _(
            "<p>3-D reconstruction of the lumbar vertebrae L1 to L5 from an AP and a lateral X-ray film, with "
            "measurements. Load two films, or the sample study, and press Run all steps.</p>"
            '<p>See the <a href="{url}">documentation</a>. Research software, not for clinical use.</p>'
        ).format(url=DOCUMENTATION)
        parent.acknowledgementText = _(
            "Shape model and network weights are derived from VerSe (doi:10.1016/j.media.2021.102166) and other open "
            'anatomical data and are licensed CC BY-SA 4.0: <a href="{url}">sources and licences</a>, also in '
            "LICENSE-DATA.md in the module's folder Resources."
        ).format(url=DATA_LICENCES)
        slicer.app.connect("startupCompleted()", registerSampleData)
        slicer.app.connect("startupCompleted()", registerLayout)


def registerSampleData() -> None:
    """List the study that comes with the module in Slicer's Sample Data module; nothing is downloaded.

    A click on the tile opens it. ``SampleData.downloadSamples``, which does not ask ``customDownloader``, copies its
    files and returns their paths in the order in which ``LumbarBiplanarLogic.loadFilms`` takes them: loaded as volumes,
    the films would have no geometry.
    """
    import SampleData

    folder = Path(__file__).parent / "Resources"
    files = [folder / "SampleStudy" / name for name in ("ap.png", "lateral.png", "geometry.json")]
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="LumbarBiplanar",
        sampleName=SAMPLE_NAME,
        thumbnailFileName=str(folder / "Icons" / "LumbarBiplanar.png"),
        uris=[path.as_uri() for path in files],
        # All sample data lie in one folder: names of our own, and no file of another version is taken for ours.
        fileNames=[f"{SAMPLE_NAME}_{path.name}" for path in files],
        checksums=[f"SHA256:{sha256_of(path)}" for path in files],
        nodeNames=[None] * len(files),
        loadFiles=[False] * len(files),
        customDownloader=openSampleStudy,
    )


def openSampleStudy(source=None) -> list:
    """Load the study that comes with the module, and open the module if there is a window; return its film nodes."""
    films = list(LumbarBiplanarLogic().loadSampleStudy())
    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule("LumbarBiplanar")
    return films


def registerLayout() -> None:
    """Make the module's layout known, so that a scene saved with it opens properly before the module is visited."""
    from LumbarBiplanarLib.ui.layout import register_layout

    register_layout()


class LumbarBiplanarWidget(ScriptedLoadableModuleWidget):
    """Puts the panel into Slicer's window; the panel itself is ``LumbarBiplanarLib.ui.panel.Panel``."""

    def __init__(self, parent=None):
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Make the form and its panel; works without a main window."""
        from LumbarBiplanarLib.ui.panel import Panel

        ScriptedLoadableModuleWidget.setup(self)
        form = slicer.util.loadUI(self.resourcePath("UI/LumbarBiplanar.ui"))
        self.layout.addWidget(form)
        form.setMRMLScene(slicer.mrmlScene)
        self.ui = slicer.util.childWidgetVariables(form)
        self.logic = LumbarBiplanarLogic()
        self.panel = Panel(form, self.ui, self.logic)
        self.panel.connect()
        if getattr(self.parent, "isEntered", False):  # made anew under an open module, by Reload
            self.enter()

    def enter(self) -> None:
        """Take up the case of the scene; Slicer calls it whenever the module is opened."""
        if self.panel is not None:
            self.panel.enter()

    def exit(self) -> None:
        """Stop what runs; Slicer calls it whenever another module is opened."""
        if self.panel is not None:
            self.panel.exit()

    def cleanup(self) -> None:
        """Let go of everything; Slicer calls it before the module is unloaded or reloaded."""
        if self.panel is not None:
            self.panel.cleanup()
            self.panel = None

    def onReload(self) -> None:
        """Reload the library as well as this file: Slicer itself reloads this file only."""
        self.cleanup()
        for name in [name for name in sys.modules if name.split(".")[0] == "LumbarBiplanarLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class LumbarBiplanarLogic(CaseLogic, ScriptedLoadableModuleLogic):
    """A case's steps without any window, for the Python console and for scripts; see docs/scripting.md.

    Example::

        from LumbarBiplanar import LumbarBiplanarLogic

        logic = LumbarBiplanarLogic()
        result = logic.process("ap.png", "lateral.png", "geometry.json", "result")
        print(result.measurements.table())
    """

    def __init__(self, parent=None):
        ScriptedLoadableModuleLogic.__init__(self, parent)
        CaseLogic.__init__(self)

    def isTorchInstalled(self) -> bool:
        """Return whether Slicer's Python has the PyTorch that detection and registration need."""
        return not torch_problem()

    def installTorch(self) -> None:
        """Install PyTorch through Slicer's PyTorch extension, which asks the user first; does nothing if it is there.

        Raises:
            RuntimeError: if the PyTorch extension is missing, or the user declined, or Slicer has to be restarted.
        """
        from LumbarBiplanarLib.ui.torch_setup import TorchSetup

        setup = TorchSetup()
        setup.install()
        if setup.needs_restart:
            raise RuntimeError(setup.ready()[1])


class LumbarBiplanarTest(SelfTests, ScriptedLoadableModuleTest):
    """Self test in Slicer, on the sample study; the tests are in ``LumbarBiplanarLib.ui.self_test``."""

    def runTest(self) -> None:
        """Run every self test and say what was skipped; raises AssertionError if one fails."""
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(type(self))
        result = unittest.TextTestRunner(verbosity=2).run(suite)
        for test, reason in result.skipped:
            logging.info("Skipped %s: %s", test, reason)
        if not result.wasSuccessful():
            failed = [str(test) for test, details in (*result.failures, *result.errors)]
            raise AssertionError("Failed: " + ", ".join(failed))
