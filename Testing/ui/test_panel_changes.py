"""What the panel says when something is changed under a result: settings that it was not made with, and its loss."""

from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="detection and registration need PyTorch")

import panel_driver as user

import known_network


@pytest.fixture
def done(app, module_widget, monkeypatch):
    panel = module_widget.panel
    user.use_known_network(panel, monkeypatch)
    user.load_sample_study(app, panel)
    known_network.finish(panel.logic)
    app.process_events()
    return panel


def test_settings_that_were_changed_after_the_result_are_told(done, app):
    from LumbarBiplanarLib.mrml.parameters import PosteriorWeight

    said = "Settings differ from those that this result was made with"
    assert said not in done.ui.warningsLabel.text
    settings = done.logic.geometrySettings()
    done.logic.setGeometrySettings(settings.edited("simultaneous", None, "no"))
    done.changed()
    app.process_events()
    assert said in done.ui.warningsLabel.text
    done.logic.setGeometrySettings(settings)
    done.changed()
    app.process_events()
    assert said not in done.ui.warningsLabel.text
    done.parameters.posteriorWeight = PosteriorWeight.EIGHT
    app.process_events()
    assert said in done.ui.warningsLabel.text
    user.run_all(app, done)
    assert said not in done.ui.warningsLabel.text and app.messages == []
