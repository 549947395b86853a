"""The module file: what it says of itself, its life, PyTorch through its extension only, and its self test."""

from __future__ import annotations

import ast
import sys
import unittest
from pathlib import Path

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

MODULE_FILE = Path(__file__).resolve().parents[2] / "LumbarBiplanar" / "LumbarBiplanar.py"


@pytest.fixture
def module(app):
    """The module file, as Slicer has loaded it."""
    app.load_module()
    return sys.modules["LumbarBiplanar"]


@pytest.fixture
def logic(app, module):
    return module.LumbarBiplanarLogic()


@pytest.fixture
def library_kept(app):
    """Puts the library's modules back after a test that reloads them: other tests hold on to their classes."""

    def of_library(name):
        return name.split(".")[0] == "LumbarBiplanarLib"

    kept = {name: module for name, module in sys.modules.items() if of_library(name)}
    yield
    app.unload_module()
    for name in [name for name in sys.modules if of_library(name)]:
        del sys.modules[name]
    sys.modules.update(kept)


def test_slicer_is_told_what_its_generic_test_asks_for(app):
    parent = app.load_module()
    assert parent.title == "Lumbar Biplanar"
    assert tuple(parent.categories) == ("Registration",)
    assert parent.contributors and parent.acknowledgementText
    assert "not for clinical use" in parent.helpText and "https://" in parent.helpText


def test_the_module_file_is_thin():
    assert len(MODULE_FILE.read_text(encoding="utf-8").splitlines()) < 250


def test_loading_the_module_loads_no_torch(app):
    with app.torch.without_torch():
        app.unload_module()
        widget = app.open_module()
        app.process_events()
        assert sys.modules["torch"] is None and widget.panel.entered


def test_the_sample_study_is_offered_by_sample_data_without_a_download(app, module):
    source = [item for item in app.sample_data.sources if item["name"] == "LumbarBiplanarStudy"][-1]
    assert all(uri.startswith("file://") for uri in source["uris"])
    assert Path(source["thumbnail"]).is_file()
    ap, lateral = source["download"](source)
    assert module.LumbarBiplanarLogic().filmNode("AP") is ap
    assert lateral.GetImageData().GetDimensions()[2] == 1


def test_the_tile_of_the_sample_study_opens_the_module_where_there_is_a_window(app, module):
    source = [item for item in app.sample_data.sources if item["name"] == "LumbarBiplanarStudy"][-1]
    with app.without_main_window():
        source["download"](source)
    assert not app._module_is_open()
    source["download"](source)
    app.process_events()
    widget = slicer.util.getModuleWidget("LumbarBiplanar")
    assert widget.panel.entered
    assert widget.ui.apFilmSelector.currentNode() is module.LumbarBiplanarLogic().filmNode("AP")


def test_a_script_gets_the_files_of_the_sample_study_and_not_those_of_another(app, module):
    import SampleData

    for name in ("ap.png", "LumbarBiplanarStudy_ap.png"):
        (app.sample_data.cache / name).write_bytes(b"of somebody else, or of another version")
    paths = SampleData.downloadSamples("LumbarBiplanarStudy")
    logic = module.LumbarBiplanarLogic()
    logic.loadFilms(*paths)
    assert logic.geometry().calibrated
    given = MODULE_FILE.parent / "Resources" / "SampleStudy"
    assert [Path(path).read_bytes() for path in paths] == [
        (given / name).read_bytes() for name in ("ap.png", "lateral.png", "geometry.json")
    ]


def test_without_the_pytorch_extension_the_user_is_told_to_install_it(app, logic):
    app.torch.remove()
    with app.torch.without_torch():
        assert not logic.isTorchInstalled()
        with pytest.raises(RuntimeError, match="PyTorch extension is missing.*Extensions Manager"):
            logic.installTorch()


def test_torch_is_installed_by_the_pytorch_extension_and_only_after_asking(app, logic):
    with app.torch.without_torch():
        app.torch.install(on_install=lambda: sys.modules.pop("torch"))
        logic.installTorch()
        assert app.torch.calls == [{"ask": True, "requirement": ">=2.4"}]


def test_a_user_who_declines_is_told_what_is_missing(app, logic):
    app.torch.install(agrees=False)
    with app.torch.without_torch(), pytest.raises(RuntimeError, match="was not installed"):
        logic.installTorch()


def test_torch_that_is_there_is_left_alone(app, logic):
    pytest.importorskip("torch")
    app.torch.install()
    logic.installTorch()
    assert app.torch.calls == []


def test_a_torch_that_was_replaced_while_loaded_asks_for_a_restart(app, logic, monkeypatch):
    torch = pytest.importorskip("torch")
    app.torch.install()
    monkeypatch.setattr(torch, "__version__", "1.13.1")
    with pytest.raises(RuntimeError, match="restart Slicer"):
        logic.installTorch()
    assert app.torch.calls == [{"ask": True, "requirement": ">=2.4"}]


def test_the_install_button_says_what_is_missing_in_one_message(app, module_widget):
    app.torch.remove()
    with app.torch.without_torch():
        module_widget.panel.changed()
        app.process_events()
        app.click(module_widget.ui.installTorchButton)
        assert len(app.messages) == 1 and "Extensions Manager" in app.messages[0].text
    app.messages.clear()


def test_the_torch_version_asked_for_is_the_one_the_package_declares():
    from LumbarBiplanarLib.mrml.torch_ready import TORCH_REQUIREMENT

    text = (MODULE_FILE.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"torch{TORCH_REQUIREMENT}"' in text


def test_reload_brings_new_library_code_and_a_panel_that_works(app, library_kept, module_widget):
    import LumbarBiplanarLib.mrml.logic as before

    old_panel = module_widget.panel
    module_widget.onReload()
    app.process_events()
    widget = slicer.util.getModuleWidget("LumbarBiplanar")
    assert widget is not module_widget and module_widget.panel is None
    assert sys.modules["LumbarBiplanarLib.mrml.logic"] is not before
    assert old_panel.Observations == [] and not old_panel.runner.running
    assert widget.panel.entered  # the module was open
    app.click(widget.ui.sampleStudyButton)
    app.process_events()
    assert widget.ui.apFilmSelector.currentNode() is not None
    assert app.messages == []


def run_self_test(module):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(module.LumbarBiplanarTest).run(result)
    return result


def test_the_self_test_passes_on_the_headless_slicer(app, module):
    pytest.importorskip("torch")
    result = run_self_test(module)
    problems = [text for _test, text in (*result.failures, *result.errors)]
    assert result.wasSuccessful(), "\n".join(problems)
    assert result.testsRun == 7 - 1 and not result.skipped
    app.messages.clear()


def test_without_torch_the_self_test_skips_what_needs_it(app, module):
    with app.torch.without_torch():
        result = run_self_test(module)
    assert result.wasSuccessful(), [text for _test, text in (*result.failures, *result.errors)]
    assert len(result.skipped) == 2
    assert all("PyTorch" in reason for _test, reason in result.skipped)


def test_a_failing_self_test_is_a_failure(app, module, monkeypatch):
    def wrong(self):
        self.fail("on purpose")

    for name in dir(module.LumbarBiplanarTest):
        if name.startswith("test_"):
            monkeypatch.setattr(module.LumbarBiplanarTest, name, wrong)
    with pytest.raises(AssertionError, match="test_a_case_from_films"):
        module.LumbarBiplanarTest().runTest()


def test_the_module_file_imports_nothing_that_slicer_lacks():
    names = {"slicer", "LumbarBiplanarLib", "SampleData"} | set(sys.stdlib_module_names)
    for node in ast.walk(ast.parse(MODULE_FILE.read_text(encoding="utf-8"))):
        targets = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            targets = [node.module]
        assert all(target.split(".")[0] in names for target in targets), targets
