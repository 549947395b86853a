"""LumbarBiplanar in 3D Slicer: the module and its logic. All work is done by LumbarBiplanarLib."""

from __future__ import annotations

import importlib.util

import qt
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

HELP = """
<p>3-D reconstruction of the lumbar vertebrae L1 to L5 from an AP and a lateral X-ray film.</p>
<p>This version has no panel. Its library is used from the Python console:</p>
<pre>from LumbarBiplanar import LumbarBiplanarLogic
LumbarBiplanarLogic().installTorch()
import LumbarBiplanarLib</pre>
<p>Research software, not for clinical use.</p>
"""
TORCH_REQUIREMENT = ">=2.4"


class LumbarBiplanar(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Lumbar Biplanar")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = []
        parent.contributors = ["LumbarBiplanar contributors"]
        parent.helpText = _(HELP)
        parent.acknowledgementText = _(
            "The shape model is derived from VerSe (doi:10.1016/j.media.2021.102166) and other open anatomical data; "
            "see LICENSE-DATA.md."
        )


class LumbarBiplanarWidget(ScriptedLoadableModuleWidget):
    """Says how to use this version, which has no panel."""

    def setup(self) -> None:
        """Show the help text."""
        ScriptedLoadableModuleWidget.setup(self)
        label = qt.QLabel(_(HELP))
        label.wordWrap = True
        self.layout.addWidget(label)
        self.layout.addStretch(1)


class LumbarBiplanarLogic(ScriptedLoadableModuleLogic):
    """What the library needs from Slicer."""

    def isTorchInstalled(self) -> bool:
        """Return whether Slicer's Python has PyTorch, which detection and registration need."""
        return importlib.util.find_spec("torch") is not None

    def installTorch(self) -> None:
        """Install PyTorch through Slicer's PyTorch extension, which asks the user first; does nothing if it is there.

        Raises:
            RuntimeError: if the PyTorch extension is missing, or the user declined.
        """
        if self.isTorchInstalled():
            return
        try:
            import PyTorchUtils
        except ModuleNotFoundError:
            message = _("The PyTorch extension is missing. Install it with the Extensions Manager and restart Slicer.")
            raise RuntimeError(message) from None
        logic = PyTorchUtils.PyTorchUtilsLogic()
        if logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT) is None:
            raise RuntimeError(_("PyTorch was not installed; detection and registration need it."))


class LumbarBiplanarTest(ScriptedLoadableModuleTest):
    """Self test in Slicer: the library loads and finds its resources."""

    def runTest(self) -> None:
        """Run every self test."""
        self.setUp()
        self.test_the_library_finds_its_resources()

    def test_the_library_finds_its_resources(self) -> None:
        """Landmarks.json is found beside this file, where Slicer installs it, and lists the landmarks."""
        from pathlib import Path

        from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, load_landmarks
        from LumbarBiplanarLib.resources import resource_path

        expected = Path(__file__).parent / "Resources" / "Landmarks.json"
        self.assertTrue(resource_path("Landmarks.json").samefile(expected))
        self.assertEqual([landmark.name for landmark in load_landmarks()], list(LANDMARK_NAMES))
