"""The module file loads in a Slicer without torch and asks only the PyTorch extension for it.

Slicer is not here: its base classes are replaced by bare ones. What a real Slicer makes of the file is not shown.
"""

from __future__ import annotations

import importlib.util
import sys
import unittest
from types import ModuleType, SimpleNamespace

import pytest


class BareModule:
    def __init__(self, parent):
        self.parent = parent


class BareWidget:
    def setup(self):
        self.layout = SimpleNamespace(items=[])
        self.layout.addWidget = self.layout.items.append
        self.layout.addStretch = lambda factor: None


class Label:
    def __init__(self, text):
        self.text, self.wordWrap = text, False


@pytest.fixture
def module(repository, monkeypatch):
    """The module file, loaded as Slicer loads it, in a Python without torch."""
    base = {
        "ScriptedLoadableModule": BareModule,
        "ScriptedLoadableModuleWidget": BareWidget,
        "ScriptedLoadableModuleLogic": object,
        "ScriptedLoadableModuleTest": unittest.TestCase,
    }
    stand_ins = {
        "slicer": {},
        "slicer.i18n": {"tr": lambda text: text, "translate": lambda context, text: text},
        "slicer.ScriptedLoadableModule": base,
        "qt": {"QLabel": Label},
    }
    for name, content in stand_ins.items():
        made = ModuleType(name)
        vars(made).update(content)
        monkeypatch.setitem(sys.modules, name, made)
    without_torch(monkeypatch)
    spec = importlib.util.spec_from_file_location("LumbarBiplanar", repository / "LumbarBiplanar" / "LumbarBiplanar.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def without_torch(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find_spec(name, *a))


@pytest.fixture
def pytorch_extension(monkeypatch):
    """The PyTorch extension's logic; ``answer`` is what the user says, ``calls`` what it was asked."""
    extension = SimpleNamespace(answer=True, calls=[])

    class Logic:
        def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
            extension.calls.append((askConfirmation, torchVersionRequirement))
            return object() if extension.answer else None

    utils = ModuleType("PyTorchUtils")
    utils.PyTorchUtilsLogic = Logic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", utils)
    return extension


def test_slicer_is_told_what_its_generic_test_asks_for(module):
    parent = SimpleNamespace()
    module.LumbarBiplanar(parent)
    assert parent.title == "Lumbar Biplanar"
    assert parent.categories == ["Registration"]
    assert parent.contributors and parent.acknowledgementText and "not for clinical use" in parent.helpText


def test_the_widget_says_that_there_is_no_panel_yet(module):
    widget = module.LumbarBiplanarWidget()
    widget.setup()
    (label,) = widget.layout.items
    assert "no panel" in label.text and label.wordWrap


def test_without_the_pytorch_extension_the_user_is_told_to_install_it(module, monkeypatch):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    assert not module.LumbarBiplanarLogic().isTorchInstalled()
    with pytest.raises(RuntimeError, match="PyTorch extension is missing.*Extensions Manager"):
        module.LumbarBiplanarLogic().installTorch()


def test_torch_is_installed_by_the_pytorch_extension_and_only_after_asking(module, pytorch_extension):
    module.LumbarBiplanarLogic().installTorch()
    assert pytorch_extension.calls == [(True, ">=2.4")]


def test_a_user_who_declines_is_told_what_is_missing(module, pytorch_extension):
    pytorch_extension.answer = False
    with pytest.raises(RuntimeError, match="was not installed"):
        module.LumbarBiplanarLogic().installTorch()


def test_torch_that_is_there_is_left_alone(module, pytorch_extension, monkeypatch):
    monkeypatch.setattr(module.LumbarBiplanarLogic, "isTorchInstalled", lambda self: True)
    module.LumbarBiplanarLogic().installTorch()
    assert pytorch_extension.calls == []


def test_the_self_test_passes(module):
    result = unittest.TestResult()
    module.LumbarBiplanarTest("runTest").run(result)
    assert result.testsRun == 1 and result.wasSuccessful(), result.failures + result.errors


def test_the_torch_version_asked_for_is_the_one_the_package_declares(module, repository):
    assert f'"torch{module.TORCH_REQUIREMENT}"' in (repository / "pyproject.toml").read_text()
