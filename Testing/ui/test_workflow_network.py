"""The sample study in the real panel with the real network and the whole registration, against the true surfaces."""

from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="PyTorch is not installed")

import panel_driver as user

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS
from LumbarBiplanarLib.shape.surfaces import read_surface, surface_distances

pytestmark = pytest.mark.slow


def test_two_buttons_reconstruct_the_sample_study(app, scene, module_widget, sample_study, tmp_path):
    panel = module_widget.panel
    user.load_sample_study(app, panel)
    drawn = app.view("AP").frames
    user.run_all(app, panel, timeout_s=900)
    assert not app.messages, app.messages
    found = user.vertebra_points(scene)
    assert set(found) == set(LUMBAR_LEVELS)
    for level, points in found.items():
        truth = read_surface(sample_study / "truth" / f"{level.name}.vtp")
        assert surface_distances(points[::10], truth)[0].mean() < 4.0, level
    assert app.view("AP").frames > drawn + 10  # the outlines were seen to move
    app.grab(tmp_path / "window.png")
    assert (tmp_path / "window.png").stat().st_size > 50_000
